// Command mutants plants bugs and demands that each is found.
//
// A planted bug is a file in the folder bugs: what is wrong, which property
// must find it within how many seeds, and the exact text that it replaces. It
// is built with an overlay and thrown away, so the tree carries no trace of
// it. A bug that is not found, or that no longer applies, is a failure: the
// property that it proves may have stopped working.
//
// The bugs in the folder shrink are there to be made small by simrun shrink,
// and those in verify to be seen by simrun verify: the tests of this package
// play them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("run", "", "only bugs whose name matches this regular expression")
	verbose := flags.Bool("v", false, "say what each bug made the property see")
	keep := flags.Int("workers", 2, "bugs built and played at a time")
	shrinking := flags.Duration("shrink", 20*time.Second, "for how long each failure is made smaller; 0s leaves that out")
	write := flags.Bool("record", false, "write how each bug was found into found.txt")
	strategy := flags.String("strategy", "", "play with another strategy, to see which bugs it does not find")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	want, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	here := filepath.Join(root, "internal", "mutants")
	bugs, err := load(filepath.Join(here, "bugs"))
	if err != nil {
		return err
	}
	chosen := bugs[:0:0]
	for _, b := range bugs {
		if want.MatchString(b.Name) {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no bug matches %q", *only)
	}
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	h := &hunt{root: root, tmp: tmp, shrinking: *shrinking, strategy: *strategy}
	file := filepath.Join(here, "found.txt")
	records, err := readFound(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, tableForm, "", "bug", "property", "found by", "seed", "took", "size after shrinking", "took", "tasks")
	var recorded error
	missed, err := h.all(ctx, chosen, *keep, func(f finding) {
		printFinding(out, f, *verbose)
		if f.err != nil || !*write || *strategy != "" {
			return
		}
		records[f.bug.Name] = recordOf(f)
		recorded = errors.Join(recorded, writeFound(file, bugs, records))
	})
	if err = errors.Join(err, recorded); err != nil {
		return err
	}
	if waiting, err := os.ReadFile(filepath.Join(here, "waiting.txt")); err == nil && *only == "" {
		fmt.Fprintf(out, "\nnot planted yet:\n%s", waiting)
	}
	fmt.Fprintf(out, "\n%d of %d planted bugs found\n", len(chosen)-missed, len(chosen))
	if missed > 0 {
		return fmt.Errorf("%d planted bugs were not found", missed)
	}
	return nil
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod here or above")
		}
		dir = up
	}
}

// all hunts for every bug and reports them in their order. It returns how
// many were not found.
func (h *hunt) all(ctx context.Context, bugs []*bug, workers int, report func(finding)) (missed int, err error) {
	if err := h.buildClean(ctx, bugs); err != nil {
		return 0, err
	}
	results := make([]chan finding, len(bugs))
	for i := range results {
		results[i] = make(chan finding, 1)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(workers, 1) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				results[i] <- h.find(ctx, bugs[i])
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range bugs {
			next <- i
		}
	}()
	for i := range bugs {
		f := <-results[i]
		if f.err != nil {
			missed++
		}
		report(f)
	}
	wg.Wait()
	return missed, ctx.Err()
}

// tableForm is a line of the table: verdict, bug, property, what found it, the
// seed, which is how many were needed, the time to build and find it, the size
// after shrinking and the time for that, and how many tasks it needs at once.
const tableForm = "%-6s %-50s %-52s %-44s %5s %7s  %-32s %7s  %s\n"

func printFinding(out io.Writer, f finding, verbose bool) {
	if f.err != nil {
		fmt.Fprintf(out, tableForm, "MISSED", f.bug.Name, "", "", "", seconds(f.took), "", "", "")
		fmt.Fprintf(out, "       %v\n", f.err)
		return
	}
	r := recordOf(f)
	seed := fmt.Sprint(r.Seed)
	if f.bug.Test != nil {
		seed = nothingLeft
	}
	tasks := fmt.Sprint(f.bug.Tasks)
	if f.inOrder != "" {
		tasks += ", " + f.inOrder
	}
	fmt.Fprintf(out, tableForm, "found", r.Bug, r.Property, r.Scenario, seed, seconds(f.took), r.Size, seconds(f.shrunk), tasks)
	if verbose {
		fmt.Fprintf(out, "       %s: %s\n       saw: %s\n", f.bug.Title, f.bug.Breaks, f.saw)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
