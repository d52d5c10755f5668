// Package simrun is the whole program simrun for systems and plans of one's
// own: a main of one line has every verb.
//
//	func main() { simrun.Main(simrun.Program{Name: "leasesim", Systems: ..., Scenarios: ...}) }
package simrun

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// Program is what a simrun plays.
type Program struct {
	Name      string // of the command
	About     string // one line
	Systems   []*scenario.System
	Scenarios []*scenario.Scenario
	Plans     []string // texts of plans for the systems: further scenarios
	// Live opens real connections for the verb live, on goroutines and timers of
	// the runtime; nil leaves the verb out. See sim/live.
	Live func(seed uint64) live.Config
}

// Main runs the command line of the process and exits. The first interrupt
// ends a long command with what it has, the second one ends the program.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	app := cli.App{
		Name:      p.Name,
		Command:   command(p.Name),
		About:     p.About,
		Version:   version(),
		Scenarios: p.scenarios(),
		Systems:   p.Systems,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Now:       time.Now,
		Procs:     atProcs,
		Watch:     watch,
		MakeDir:   func(name string) error { return naming(os.MkdirAll(name, 0o755)) },
		WriteFile: func(name string, data []byte) error { return naming(writeFile(name, data)) },
		ReadFile:  os.ReadFile,
		ListDir:   listDir,
		Progress:  progress(),
	}
	if p.Live != nil {
		app.Live = func(seed uint64, log *slog.Logger) cli.LiveWorld {
			cfg := p.Live(seed)
			cfg.Seed, cfg.Log = seed, log
			return live.New(cfg)
		}
	}
	os.Exit(app.Main(ctx, os.Args[1:]))
}

// scenarios are those of the program, with the ones that its plans make. A
// plan that is wrong is a mistake in the program.
func (p *Program) scenarios() []*scenario.Scenario {
	all := p.Scenarios
	for i, text := range p.Plans {
		q, err := plan.Parse(fmt.Sprintf("plan %d", i+1), []byte(text))
		if err != nil {
			fail(err)
		}
		s, err := scenario.FromPlan(q, p.Systems...)
		if err != nil {
			fail(err)
		}
		all = append(all, s)
	}
	return all
}

// command is how to call the program again: by its name, if that is how it was
// found, else by its path as it was typed.
func command(name string) string {
	found, err := exec.LookPath(name)
	self, selfErr := os.Executable()
	if err == nil && selfErr == nil && same(found, self) {
		return name
	}
	return os.Args[0]
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "a plan of the program itself: %v\n", err)
	os.Exit(cli.Internal)
}

// writeFile replaces a file as a whole: whoever reads it while a sweep writes
// its books sees the old or the new ones. What is no file, such as a pipe, is
// written to.
func writeFile(name string, data []byte) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, data, 0o644)
	}
	err := os.WriteFile(name+".new", data, 0o644)
	if err == nil {
		return os.Rename(name+".new", name)
	}
	os.Remove(name + ".new") // half of it is worth nothing
	var at *fs.PathError
	if errors.As(err, &at) {
		at.Path = name
	}
	return err
}

// naming makes an error that is about a name match fs.ErrInvalid.
func naming(err error) error {
	for _, about := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EROFS, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL} {
		if errors.Is(err, about) {
			return badName{err}
		}
	}
	return err
}

// badName is an error that is about a name.
type badName struct{ error }

// Is implements the interface of errors.Is.
func (badName) Is(target error) bool { return target == fs.ErrInvalid }

// Unwrap returns the cause.
func (b badName) Unwrap() error { return b.error }

func listDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// watch ends the program when a task does not yield: it cannot be ended from
// outside. Before, it calls stuck.
func watch(w *sim.World, stuck func(host.Stuck)) (stop func()) {
	return host.Watch(w, host.WatchdogConfig{OnStuck: func(s host.Stuck) {
		s.WriteTo(os.Stderr)
		stuck(s)
		os.Exit(cli.Internal)
	}})
}

// progress draws a bar on a terminal, and is nil elsewhere.
func progress() func(name string, done, of, failures int) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(name string, done, of, failures int) {
		const width = 30
		if of == 0 { // it is not known how much is left
			fmt.Fprintf(os.Stderr, "\r%s\x1b[K", name)
			return
		}
		full := width * done / of
		fmt.Fprintf(os.Stderr, "\r%-16s [%s%s] %d/%d, %d kinds of failures\x1b[K", name, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, of, failures)
		if done == of {
			fmt.Fprint(os.Stderr, "\r\x1b[K")
		}
	}
}

// atProcs runs f at GOMAXPROCS n.
func atProcs(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// released is the version of a released program; the linker sets it (see
// internal/release).
var released string

// version is that of the module. A program that was not built from a commit as
// it is has a hash of itself besides: what two of them say is not to be mixed.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if released != "" {
		v = released
	}
	if v == "" || v == "(devel)" || strings.HasSuffix(v, "+dirty") {
		v = strings.TrimSpace(v + " " + fingerprint())
	}
	return v + " " + info.GoVersion
}

// fingerprint is a hash of the program, or empty when it cannot be read.
func fingerprint() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}
