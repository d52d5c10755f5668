package loadtest

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/maculamesh/macula/load"
)

// Config says what is played, and how.
type Config struct {
	Load  load.Config
	Tests []load.Test
	// Command makes a command whose process calls Serve with its standard
	// input and output.
	Command func() (*exec.Cmd, error)
	// Slack is how long what happens at once may take on this machine, which
	// may have a thousand other things to do first.
	Slack time.Duration
}

// Report is what the tests showed.
type Report struct {
	Results  []load.Result
	Skipped  []string // tests that were not played, since the context had ended
	Baseline Baseline
	Took     time.Duration
}

// OK reports whether every test held and nothing is left of them.
func (r *Report) OK() bool {
	return len(r.Skipped) == 0 && len(r.Baseline.Failures) == 0 && r.Failed() == 0
}

// Failed is how many tests were played and did not hold.
func (r *Report) Failed() int {
	n := 0
	for _, x := range r.Results {
		if !x.OK() {
			n++
		}
	}
	return n
}

// spare are descriptors that a test needs beside one for each machine: those
// of the process, and three for every process that it starts.
const spare = 64

// Fits reports what of the configuration this process has too few descriptors
// for, in one line.
func (c Config) Fits() error {
	limit, known := fileLimit()
	if !known {
		return nil
	}
	for _, t := range c.Tests {
		need := use().Descriptors + c.Load.Hosts(t.Name) + 3*c.Load.WithDefaults().Leaving + spare
		if need > limit {
			return fmt.Errorf("the test %s needs %d open files, a socket for each machine, and this process may have %d: raise the limit (ulimit -n) or make the test smaller", t.Name, need, limit)
		}
	}
	return nil
}

// Play plays the tests one after the other, and returns when nothing is left
// of them. When ctx ends before, the test that runs is cut short. It must be
// the only one to start goroutines and to open files in the meantime.
func Play(ctx context.Context, cfg Config, out Output) Report {
	begun := time.Now()
	w := newWorld(cfg, out.Progress)
	out.Begin(len(cfg.Tests))
	// A small test first, so that whatever is made once in the life of a
	// process is there before the baseline is taken.
	quiet := newWorld(cfg, func(load.Progress) {})
	first, _ := load.Find("clients")
	load.Run(ctx, quiet, load.Config{Clients: 3, Limit: 2}, first)
	quiet.r.Wait(ctx)
	most := 0
	for _, t := range cfg.Tests {
		most = max(most, cfg.Load.Hosts(t.Name))
	}
	warm(perHost * most)
	before := settled()

	var rep Report
	sampling, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.sample(sampling)
	}()
	for i, t := range cfg.Tests {
		if ctx.Err() != nil {
			for _, left := range cfg.Tests[i:] {
				rep.Skipped = append(rep.Skipped, left.Name)
			}
			break
		}
		res := load.Run(ctx, w, cfg.Load, t)
		w.forget()
		rep.Results = append(rep.Results, res)
		out.Result(res)
	}
	stop()
	<-done
	out.Progress(load.Progress{Test: "baseline", Doing: "what was closed is waited for"})
	rep.Baseline = w.compare(ctx, before, perHost*most)
	rep.Took = time.Since(begun)
	out.End(rep)
	return rep
}

// Output is told what happens, by several goroutines at a time.
type Output interface {
	Begin(tests int)
	Progress(load.Progress)
	Result(load.Result)
	End(Report)
}

// Select returns the tests of that name; "all" names every one.
func Select(name string) ([]load.Test, error) {
	if name == "all" {
		return load.Tests(), nil
	}
	t, ok := load.Find(name)
	if !ok {
		return nil, fmt.Errorf("there is no test %q: there are %v and all", name, slices.Clone(load.Names()))
	}
	return []load.Test{t}, nil
}
