package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/scenario"
)

type sweepCmd struct {
	choice
	Seeds    int           `help:"How many seeds; of exhaustive:DEVIATIONS, at most so many schedules." default:"100"`
	From     uint64        `help:"The first seed." default:"1"`
	Jobs     int           `help:"Runs at a time; one for each processor."`
	For      time.Duration `help:"Stop to begin runs after this long." placeholder:"D"`
	Shard    string        `help:"Play only the I-th of N parts of the seeds: 0/4 to 3/4." placeholder:"I/N"`
	Out      string        `help:"Folder for the books of the sweep and a file for each kind of failure. A sweep with the same folder goes on where one was ended." placeholder:"DIR"`
	JUnit    string        `help:"Write a JUnit report, for the pages of a CI." name:"junit" placeholder:"FILE"`
	Coverage bool          `help:"Print in how many runs each fault met each property."`
}

// Run plays the seeds and reports on all of them.
func (c *sweepCmd) Run(ctx context.Context, a *App) error {
	list, err := c.scenarios(a)
	if err != nil {
		return err
	}
	if err := c.check(a); err != nil {
		return err
	}
	all, err := c.open(a, list)
	if err != nil {
		return err
	}
	worst := Held
	begun := a.Now()
	for i, s := range list {
		x := &sweeping{c: c, a: a, s: s, w: all[i], before: all[:i], since: begun}
		if err := x.play(ctx); err != nil {
			return err
		}
		worst = max(worst, all[i].code())
		if ctx.Err() != nil {
			fmt.Fprintf(a.Stderr, "%s: interrupted; what was played is above\n", a.Name)
			worst, all = Internal, all[:i+1]
			break
		}
	}
	if err := a.writeJUnit(c.JUnit, all); err != nil {
		return err
	}
	if worst != Held {
		return outcome(worst)
	}
	return nil
}

// check looks at the options before anything is played.
func (c *sweepCmd) check(a *App) error {
	if _, _, err := c.shard(); err != nil {
		return err
	}
	if c.Seeds < 1 || c.Seeds > maxSeeds {
		return fmt.Errorf("--seeds=%d: want at least one, and %d at most", c.Seeds, maxSeeds)
	}
	if c.Jobs < 0 {
		return fmt.Errorf("--jobs=%d: want at least one, or none for one on each processor", c.Jobs)
	}
	if c.For < 0 {
		return fmt.Errorf("--for=%v: want a time that is not negative", c.For)
	}
	if _, ok := exhaustive(c.Strategy); ok && c.Shard != "" {
		return fmt.Errorf("--shard=%s: the schedules of --strategy=%s derive from each other and cannot be divided", c.Shard, c.Strategy)
	}
	if c.Out != "" {
		if err := a.MakeDir(c.Out); err != nil {
			return fmt.Errorf("--out=%s: %w", c.Out, err)
		}
	}
	return a.writeJUnit(c.JUnit, nil) // now, not after hours, is the time for a name that is wrong
}

// maxSeeds bounds a sweep: what a thousand machines play in ten years.
const maxSeeds = 1_000_000_000_000

// shard is which part of the seeds is played, and of how many.
func (c *sweepCmd) shard() (i, n int, err error) {
	if c.Shard == "" {
		return 0, 1, nil
	}
	first, second, ok := strings.Cut(c.Shard, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	if !ok || err1 != nil || err2 != nil || n < 1 || i < 0 || i >= n {
		return 0, 0, fmt.Errorf("--shard=%s: want I/N with I from 0 to N-1", c.Shard)
	}
	return i, n, nil
}

// sweeping is the sweep of one scenario.
type sweeping struct {
	c      *sweepCmd
	a      *App
	s      *scenario.Scenario
	before []*swept // of the scenarios that were played before
	since  time.Time
	mu     sync.Mutex //simvet:allow sync the workers of the sweep meet here, outside of every world

	// Of mu:
	w       *swept
	written time.Time
	err     error
}

// play plays what the books do not have yet, keeps it and reports on it. The
// error is a line of its own: what was played is kept.
func (x *sweeping) play(ctx context.Context) error {
	if n, ok := exhaustive(x.c.Strategy); ok {
		x.explore(ctx, n)
	} else {
		x.seeds(ctx)
	}
	x.w.settle(x.a)
	if err := x.c.keep(x.a, x.s, x.w); err != nil {
		return err
	}
	if x.err != nil && x.w.Seeds == 0 {
		return x.err
	}
	if err := x.print(); err != nil {
		return err
	}
	return x.err
}

func (x *sweeping) print() error {
	if x.c.JSON {
		return writeJSON(x.a.Stdout, x.w)
	}
	x.a.progressOver()
	x.a.printSwept(x.w, x.c.Coverage)
	return nil
}

// seeds plays seeds.
func (x *sweeping) seeds(ctx context.Context) {
	left := x.w.left()
	begun, took := x.a.Now(), x.w.Took
	x.written = begun
	host.Each(x.c.Jobs, x.w.Of-x.w.Seeds, func(i int) bool {
		if x.ended(ctx) {
			return false
		}
		seed := x.w.seed(nth(left, i))
		opt := x.c.options(ctx, x.a, x.s, seed)
		opt.Watch = x.a.watched(x.s, seed, func(who string) { x.stuck(seed, who) })
		r, err := scenario.Play(x.s, opt)
		x.mu.Lock()
		defer x.mu.Unlock()
		if err != nil {
			x.err = fmt.Errorf("seed %d: %w", seed, err)
			return false
		}
		if !r.Held() && r.Failure.Property == scenario.Interrupted {
			return false
		}
		x.w.add(r)
		x.w.Took = took + int64(x.a.Now().Sub(begun))
		x.progress(x.w.Of)
		if x.c.Out != "" && x.a.Now().Sub(x.written) > 10*time.Second {
			x.written = x.a.Now()
			x.c.writeBooks(x.a, x.w) // again at the end, where an error counts
		}
		return true
	})
}

// ended reports whether no further run is to begin.
func (x *sweeping) ended(ctx context.Context) bool {
	return ctx.Err() != nil || x.c.For > 0 && x.a.Now().Sub(x.since) >= x.c.For
}

func (x *sweeping) progress(of int) {
	if !x.c.JSON && x.a.Progress != nil {
		x.a.Progress(x.s.Name, x.w.Seeds, of, len(x.w.Failures))
	}
}

// explore plays every schedule with few deviations, instead of seeds.
func (x *sweeping) explore(ctx context.Context, deviations int) {
	begun := x.a.Now()
	opt := x.c.options(ctx, x.a, x.s, x.c.From)
	opt.Strategy = ""
	opt.Watch = x.a.watched(x.s, x.c.From, func(who string) { x.stuck(x.c.From, who) })
	complete, err := scenario.Explore(x.s, opt, deviations, func(r *scenario.Result) bool {
		if !r.Held() && r.Failure.Property == scenario.Interrupted {
			return false
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.w.count(r)
		x.progress(x.c.Seeds)
		return x.w.Seeds < x.c.Seeds && !x.ended(ctx)
	})
	x.w.Took, x.w.Of, x.w.Complete = int64(x.a.Now().Sub(begun)), x.w.Seeds, complete
	switch {
	case err != nil && x.w.Seeds > 0:
		fmt.Fprintf(x.a.Stderr, "%s: %s: NOT DETERMINISTIC: %v\n", x.a.Name, x.s.Name, err)
		x.err = outcome(NotDeterministic)
	case err != nil:
		x.err = err
	}
}

// stuck keeps and prints what there is, because the program ends now: with the
// run in which a task does not yield, so that the sweep can go on behind it.
func (x *sweeping) stuck(seed uint64, who string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := scenario.Result{Scenario: x.s.Name, Plan: x.s.Plan, Seed: seed, Strategy: x.c.Strategy}
	if _, ok := exhaustive(r.Strategy); ok {
		r.Strategy += fmt.Sprintf(":%d", x.w.Seeds+1)
	}
	for _, name := range slices.Sorted(maps.Keys(x.c.Set)) {
		r.Params = append(r.Params, scenario.Setting{Name: name, Value: x.c.Set[name]})
	}
	x.w.addStuck(&r, who, x.a.replay(&r))
	x.w.settle(x.a)
	errs := []error{x.c.writeBooks(x.a, x.w), x.a.writeJUnit(x.c.JUnit, append(slices.Clone(x.before), x.w)), x.print()}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(x.a.Stderr, "%s: %v\n", x.a.Name, err)
	}
}

// exhaustive reads the number of deviations of a sweep over all schedules.
func exhaustive(strategy string) (deviations int, ok bool) {
	n, ok := strings.CutPrefix(strategy, "exhaustive:")
	if !ok || strings.Contains(n, ":") {
		return 0, false
	}
	deviations, err := strconv.Atoi(n)
	return deviations, err == nil && deviations >= 0
}
