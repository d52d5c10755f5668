package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
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
	worst := Held
	begun := a.Now()
	var all []*swept
	for _, s := range list {
		w, err := c.sweep(ctx, a, s, begun)
		if err != nil {
			return err
		}
		all = append(all, w)
		if c.JSON {
			err = writeJSON(a.Stdout, w)
		} else {
			a.printSwept(w, c.Coverage)
		}
		if err != nil {
			return err
		}
		worst = max(worst, w.code())
		if ctx.Err() != nil {
			fmt.Fprintf(a.Stderr, "%s: interrupted; what was played is above\n", a.Name)
			worst = max(worst, Internal)
			break
		}
	}
	if c.JUnit != "" {
		if err := a.WriteFile(c.JUnit, junit(all)); err != nil {
			return fmt.Errorf("--junit=%s: %w", c.JUnit, err)
		}
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
	if c.Seeds < 1 {
		return fmt.Errorf("--seeds=%d: want at least one", c.Seeds)
	}
	if c.Jobs < 0 {
		return fmt.Errorf("--jobs=%d: want at least one, or none for one on each processor", c.Jobs)
	}
	if c.Out != "" {
		if err := a.MakeDir(c.Out); err != nil {
			return fmt.Errorf("--out=%s: %w", c.Out, err)
		}
	}
	return nil
}

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

// sweep plays one scenario, as far as the books in the folder do not have it
// yet.
func (c *sweepCmd) sweep(ctx context.Context, a *App, s *scenario.Scenario, since time.Time) (*swept, error) {
	w, err := c.books(a, s)
	if err != nil {
		return nil, err
	}
	if n, ok := exhaustive(c.Strategy); ok {
		return w, c.explore(ctx, a, s, w, n)
	}
	left := w.left()
	var mu sync.Mutex //simvet:allow sync the workers of the sweep meet here, outside of every world
	var firstErr error
	begun, written, took := a.Now(), a.Now(), w.Took
	host.Each(c.Jobs, len(left), func(i int) bool {
		if ctx.Err() != nil || (c.For > 0 && a.Now().Sub(since) >= c.For) {
			return false
		}
		r, err := scenario.Play(s, c.options(ctx, a, left[i]))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			firstErr = err
			return false
		}
		if !r.Held() && r.Failure.Property == scenario.Interrupted {
			return false
		}
		w.add(r)
		w.Took = took + int64(a.Now().Sub(begun))
		if !c.JSON && a.Progress != nil {
			a.Progress(s.Name, w.Seeds, w.Of, len(w.Failures))
		}
		if c.Out != "" && a.Now().Sub(written) > 10*time.Second {
			written = a.Now()
			c.writeBooks(a, w) // again at the end, where an error counts
		}
		return true
	})
	if firstErr != nil {
		return nil, firstErr
	}
	w.finish(s)
	return w, c.keep(ctx, a, s, w)
}

// explore plays every schedule with few deviations, instead of seeds.
func (c *sweepCmd) explore(ctx context.Context, a *App, s *scenario.Scenario, w *swept, deviations int) error {
	begun := a.Now()
	opt := c.options(ctx, a, c.From)
	opt.Strategy = ""
	complete, err := scenario.Explore(s, opt, deviations, func(r *scenario.Result) bool {
		if !r.Held() && r.Failure.Property == scenario.Interrupted {
			return false
		}
		w.addSchedule(r)
		if !c.JSON && a.Progress != nil {
			a.Progress(s.Name, w.Seeds, c.Seeds, len(w.Failures))
		}
		return w.Seeds < c.Seeds && ctx.Err() == nil && (c.For == 0 || a.Now().Sub(begun) < c.For)
	})
	if err != nil {
		return err
	}
	w.Took, w.Of, w.Complete = int64(a.Now().Sub(begun)), w.Seeds, complete
	w.finish(s)
	return c.keep(ctx, a, s, w)
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

// books are those that an earlier sweep with the same options has left in the
// folder, or empty ones.
func (c *sweepCmd) books(a *App, s *scenario.Scenario) (*swept, error) {
	i, n, _ := c.shard()
	w := newSwept(s.Name, c.From, c.Seeds, i, n)
	w.Strategy, w.Set, w.Version = c.Strategy, c.Set, a.Version
	if c.Out == "" {
		return w, nil
	}
	data, err := a.ReadFile(c.booksFile(w))
	if err != nil {
		return w, nil // there are none
	}
	old := &swept{}
	if err := json.Unmarshal(data, old); err != nil {
		return nil, fmt.Errorf("%s: not the books of a sweep: %w", c.booksFile(w), err)
	}
	if why := old.differs(w); why != "" {
		return nil, fmt.Errorf("%s is from a sweep with another %s: choose another folder, or remove it", c.booksFile(w), why)
	}
	old.Of = w.Of
	return old, nil
}

func (c *sweepCmd) booksFile(w *swept) string {
	return path.Join(c.Out, fmt.Sprintf("sweep-%s-%d-of-%d.json", w.Scenario, w.Shard, w.Shards))
}

func (c *sweepCmd) writeBooks(a *App, w *swept) error {
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return a.WriteFile(c.booksFile(w), append(data, '\n'))
}

// keep writes the books, and a file for each kind of failure.
func (c *sweepCmd) keep(ctx context.Context, a *App, s *scenario.Scenario, w *swept) error {
	if c.Out == "" {
		return nil
	}
	for i := range w.Failures {
		g := &w.Failures[i]
		if g.shortest == nil {
			continue
		}
		file := path.Join(c.Out, fmt.Sprintf("%s-%d.json", s.Name, g.shortest.Seed))
		opt := c.options(ctx, a, g.shortest.Seed)
		opt.Strategy = g.shortest.Strategy
		if err := a.save(file, s, g.shortest, opt); err != nil {
			fmt.Fprintf(a.Stderr, "%s: %v\n", a.Name, err)
			continue
		}
		g.File = file
	}
	if err := c.writeBooks(a, w); err != nil {
		return fmt.Errorf("--out=%s: %w", c.Out, err)
	}
	return nil
}
