// Command fuzz runs every fuzz target of the module, each for an equal share of
// the time, and says what it found. It is what "make fuzz" runs:
//
//	go run ./internal/fuzz -for 10m
//
// A target goes on when another one has found something. The exit code is 1
// when anything was found, or when a package did not build. Inputs that fail are
// kept under testdata/fuzz of their package, where go test finds them again.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, goTool); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "fuzz:", err)
		}
		os.Exit(1)
	}
}

// tool runs the go command in the current directory and returns what it
// printed, standard error included. The end of ctx ends it.
type tool func(ctx context.Context, args ...string) (string, error)

func goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// target is one fuzz target.
type target struct {
	pkg  string // its import path
	name string
}

// Bounds of what one target gets.
const (
	least    = time.Second      // shorter, it does not get beyond its seeds
	minimize = time.Second      // for making an input smaller: by default Go takes a minute for each new one
	patience = 5 * time.Minute  // over its time, until a target counts as hung: it compiles, runs its seeds, and ends
	building = 20 * time.Minute // for all tests
)

// run is the command. The error says how many targets found something, or what
// could not be done.
func run(ctx context.Context, args []string, out io.Writer, run tool) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(out)
	total := flags.Duration("for", 10*time.Minute, "how long all targets take together, without building them")
	only := flags.String("run", "", "the targets to run, a regular expression over PACKAGE.NAME; all when it is empty")
	workers := flags.Int("parallel", 1, "workers of a target")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	switch {
	case err != nil:
		return fmt.Errorf("-run: %w", err)
	case *total <= 0:
		return fmt.Errorf("-for: want a time above zero, not %v", *total)
	case *workers < 1:
		return fmt.Errorf("-parallel: want at least one, not %d", *workers)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	all, broken, err := list(ctx, run, match)
	if err != nil {
		return err
	}
	if broken != "" {
		fmt.Fprintf(out, "some tests do not build, and have no target here:\n%s\n", indent(broken))
	}
	each := share(*total, len(all))
	fmt.Fprintf(out, "%d targets, %v for each\n", len(all), each)
	found, execs := 0, uint64(0)
	for _, t := range all {
		r := play(ctx, run, t, each, *workers)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		fmt.Fprintln(out, r.line(t))
		if execs += r.execs; r.found != "" {
			found++
			fmt.Fprintln(out, indent(r.shown))
		}
	}
	if found > 0 {
		return fmt.Errorf("%d of %d targets found something, after %d execs", found, len(all), execs)
	}
	if broken != "" {
		return errors.New("nothing was found, but some tests do not build")
	}
	fmt.Fprintf(out, "ok: %d targets, %d execs, nothing found\n", len(all), execs)
	return nil
}

// list finds the targets that match, in the order of the packages, and says
// what does not build.
func list(ctx context.Context, run tool, match *regexp.Regexp) (out []target, broken string, err error) {
	ctx, cancel := context.WithTimeout(ctx, building)
	defer cancel()
	text, err := run(ctx, "test", "-list", "^Fuzz", "./...")
	if err != nil {
		broken = errorsOf(text)
	}
	for _, t := range parseList(text) {
		if match.MatchString(t.pkg + "." + t.name) {
			out = append(out, t)
		}
	}
	switch {
	case len(out) == 0 && err != nil:
		return nil, broken, fmt.Errorf("the tests do not build: %w\n%s", err, broken)
	case len(out) == 0:
		return nil, "", errors.New("there is no such fuzz target")
	}
	return out, broken, nil
}

// errorsOf leaves out what go test -list prints of packages that build.
func errorsOf(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "ok" && f[0] != "?" && !(len(f) == 1 && strings.HasPrefix(f[0], "Fuzz")) {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}

// parseList reads what go test -list prints: the names of a package, and then a
// line that ends it.
func parseList(text string) []target {
	var all []target
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 1 && strings.HasPrefix(f[0], "Fuzz"):
			names = append(names, f[0])
		case len(f) >= 2 && f[0] == "ok":
			for _, n := range names {
				all = append(all, target{f[1], n})
			}
			names = nil
		}
	}
	return all
}

// share is what each of n targets gets of the time, to the tenth of a second.
func share(total time.Duration, n int) time.Duration {
	return max((total / time.Duration(max(n, 1))).Truncate(100*time.Millisecond), least)
}

// play runs one target.
func play(ctx context.Context, run tool, t target, each time.Duration, workers int) result {
	ctx, cancel := context.WithTimeout(ctx, each+patience)
	defer cancel()
	text, err := run(ctx, "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(),
		"-fuzzminimizetime", minimize.String(), "-parallel", fmt.Sprint(workers), t.pkg)
	r := parseResult(text)
	if r.shown = strings.TrimSpace(text); err != nil && r.found == "" && !r.late {
		r.found = "it failed: " + err.Error()
		if ctx.Err() == context.DeadlineExceeded {
			r.found = fmt.Sprintf("it hung: it did not end within %v", each+patience)
		}
	}
	if r.input != "" {
		r.input = path.Join(short(t.pkg), r.input)
	}
	return r
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }
