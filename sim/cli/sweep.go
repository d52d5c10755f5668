package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
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
	Seeds int           `help:"How many seeds." default:"100"`
	From  uint64        `help:"The first seed." default:"1"`
	Jobs  int           `help:"Runs at a time; one for each processor."`
	For   time.Duration `help:"Stop to begin runs after this long." placeholder:"D"`
	Shard string        `help:"Play only the I-th of N parts of the seeds: 0/4 to 3/4." placeholder:"I/N"`
	Out   string        `help:"Folder for a file for each kind of failure, to be replayed." placeholder:"DIR"`
}

// swept is what a sweep of one scenario showed.
type swept struct {
	Scenario  string            `json:"scenario"`
	Seeds     int               `json:"seeds"`
	Held      int               `json:"held"`
	Paths     int               `json:"paths"` // distinct trace hashes
	Events    int               `json:"events"`
	Simulated int64             `json:"simulated_ns"`
	Took      int64             `json:"took_ns"`
	Marks     map[string]uint64 `json:"marks"`
	Missed    []string          `json:"missed"` // what should have been met in some seed
	Failures  []group           `json:"failures"`

	hashes map[uint64]bool // for its length only
}

// group is the failures of one signature: the same property, with the same
// words but for the numbers in them.
type group struct {
	Signature string   `json:"signature"`
	Seeds     []uint64 `json:"seeds"`
	File      string   `json:"file,omitempty"`

	shortest *scenario.Result // the run with the fewest events
}

// Run plays the seeds and reports on all of them.
func (c *sweepCmd) Run(ctx context.Context, a *App) error {
	list, err := c.scenarios(a)
	if err != nil {
		return err
	}
	seeds, err := c.seeds()
	if err != nil {
		return err
	}
	if c.Jobs < 0 {
		return fmt.Errorf("--jobs=%d: want at least one, or none for one on each processor", c.Jobs)
	}
	if c.Out != "" {
		if err := a.MakeDir(c.Out); err != nil {
			return fmt.Errorf("--out=%s: %w", c.Out, err)
		}
	}
	worst := Held
	begun := a.Now()
	for _, s := range list {
		res, code, err := c.sweep(ctx, a, s, seeds, begun)
		if err != nil {
			return err
		}
		if c.JSON {
			err = writeJSON(a.Stdout, res)
		} else {
			c.print(a, res)
		}
		if err != nil {
			return err
		}
		worst = max(worst, code)
		if ctx.Err() != nil {
			fmt.Fprintf(a.Stderr, "%s: interrupted; what was played is above\n", a.Name)
			worst = max(worst, Internal)
			break
		}
	}
	if worst != Held {
		return outcome(worst)
	}
	return nil
}

// seeds are those of the shard.
func (c *sweepCmd) seeds() ([]uint64, error) {
	i, n := 0, 1
	if c.Shard != "" {
		first, second, ok := strings.Cut(c.Shard, "/")
		var err1, err2 error
		i, err1 = strconv.Atoi(first)
		n, err2 = strconv.Atoi(second)
		if !ok || err1 != nil || err2 != nil || n < 1 || i < 0 || i >= n {
			return nil, fmt.Errorf("--shard=%s: want I/N with I from 0 to N-1", c.Shard)
		}
	}
	if c.Seeds < 1 {
		return nil, fmt.Errorf("--seeds=%d: want at least one", c.Seeds)
	}
	var seeds []uint64
	for k := i; k < c.Seeds; k += n {
		seeds = append(seeds, c.From+uint64(k))
	}
	return seeds, nil
}

// sweep plays one scenario.
func (c *sweepCmd) sweep(ctx context.Context, a *App, s *scenario.Scenario, seeds []uint64, since time.Time) (*swept, int, error) {
	res := &swept{Scenario: s.Name, Marks: map[string]uint64{}, Missed: []string{}, Failures: []group{}, hashes: map[uint64]bool{}}
	var mu sync.Mutex //simvet:allow sync the workers of the sweep meet here, outside of every world
	var firstErr error
	code, done := Held, 0
	begun := a.Now()
	host.Each(c.Jobs, len(seeds), func(i int) bool {
		if ctx.Err() != nil || (c.For > 0 && a.Now().Sub(since) >= c.For) {
			return false
		}
		r, err := scenario.Play(s, c.options(ctx, a, seeds[i]))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			firstErr = err
			return false
		}
		if !r.Held() && r.Failure.Property == scenario.Interrupted {
			return false
		}
		res.add(r)
		code = max(code, verdict(r))
		if done++; !c.JSON && a.Progress != nil {
			a.Progress(s.Name, done, len(seeds), len(res.Failures))
		}
		return true
	})
	if firstErr != nil {
		return nil, 0, firstErr
	}
	res.Took = int64(a.Now().Sub(begun))
	for _, name := range s.Sometimes {
		if res.Marks[name] == 0 && res.Seeds == len(seeds) {
			res.Missed = append(res.Missed, name)
			code = max(code, Violated)
		}
	}
	for i := range res.Failures {
		g := &res.Failures[i]
		slices.Sort(g.Seeds)
		if c.Out == "" {
			continue
		}
		g.File = path.Join(c.Out, fmt.Sprintf("%s-%d.json", s.Name, g.shortest.Seed))
		if err := a.save(g.File, g.shortest); err != nil {
			fmt.Fprintf(a.Stderr, "%s: %v\n", a.Name, err)
			g.File = ""
		}
	}
	return res, code, nil
}

// add takes one run into the books.
func (w *swept) add(r *scenario.Result) {
	w.Seeds++
	w.Events += r.Events
	w.Simulated += int64(r.Simulated)
	w.hashes[r.Hash] = true
	w.Paths = len(w.hashes)
	for _, m := range r.Marks {
		w.Marks[m.Name] += m.N
	}
	if r.Held() {
		w.Held++
		return
	}
	sig := signature(r.Failure)
	i := slices.IndexFunc(w.Failures, func(g group) bool { return g.Signature == sig })
	if i < 0 {
		i = len(w.Failures)
		w.Failures = append(w.Failures, group{Signature: sig})
	}
	g := &w.Failures[i]
	g.Seeds = append(g.Seeds, r.Seed)
	if g.shortest == nil || r.Events < g.shortest.Events || r.Events == g.shortest.Events && r.Seed < g.shortest.Seed {
		g.shortest = r
	}
}

// signature is what two failures have in common that are the same bug, as far
// as words can tell.
func signature(f *scenario.Failure) string {
	number := regexp.MustCompile(`[0-9][0-9.]*(ns|µs|ms|s|m|h)?`)
	return number.ReplaceAllString(f.Property+": "+f.Err.Error(), "#")
}

// print is a sweep on a few lines.
func (c *sweepCmd) print(a *App, w *swept) {
	took := time.Duration(w.Took)
	fmt.Fprintf(a.Stdout, "%-16s %d seeds, %d held, %d different paths; %v simulated, %s events/s, %s seeds/s\n",
		w.Scenario, w.Seeds, w.Held, w.Paths, time.Duration(w.Simulated).Round(time.Second), perSecond(w.Events, took), perSecond(w.Seeds, took))
	var met []string
	for _, name := range slices.Sorted(maps.Keys(w.Marks)) {
		met = append(met, fmt.Sprintf("%s (%d)", name, w.Marks[name]))
	}
	if len(met) > 0 {
		fmt.Fprintf(a.Stdout, "  met: %s\n", strings.Join(met, ", "))
	}
	for _, name := range w.Missed {
		fmt.Fprintf(a.Stdout, "  NEVER MET: %s\n", name)
	}
	for i := range w.Failures {
		g := &w.Failures[i]
		fmt.Fprintf(a.Stdout, "  VIOLATED in %d seeds: %s\n    again: %s\n", len(g.Seeds), g.Signature, a.replay(g.shortest))
		if g.File != "" {
			fmt.Fprintf(a.Stdout, "    file:  %s\n", g.File)
		}
	}
}

// failure is a failure file: what is needed to play a run again, and what it
// showed.
type failure struct {
	Version   string            `json:"version"`
	Scenario  string            `json:"scenario"`
	Seed      uint64            `json:"seed"`
	Strategy  string            `json:"strategy"`
	Params    map[string]string `json:"params"`
	Signature string            `json:"signature"`
	Hash      string            `json:"hash"`
	Events    int               `json:"events"`
}

func (a *App) save(name string, r *scenario.Result) error {
	j := resultJSON(r, 0)
	data, err := json.MarshalIndent(failure{a.Version, r.Scenario, r.Seed, r.Strategy, j.Params, signature(r.Failure), j.Hash, r.Events}, "", "  ")
	if err != nil {
		return err
	}
	return a.WriteFile(name, append(data, '\n'))
}

type replayCmd struct {
	File string `arg:"" help:"A failure file that sweep --out wrote."`
	JSON bool   `help:"Print JSON." name:"json"`
}

// Run plays the run of the file again and says whether it is the same.
func (c *replayCmd) Run(a *App) error {
	data, err := a.ReadFile(c.File)
	if err != nil {
		return err
	}
	var f failure
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s is no failure file: %w", c.File, err)
	}
	s, err := a.find(f.Scenario)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	begun := a.Now()
	r, err := scenario.Play(s, scenario.Options{Seed: f.Seed, Strategy: f.Strategy, Set: f.Params, Watch: a.Watch})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.JSON {
		err = writeJSON(a.Stdout, resultJSON(r, a.Now().Sub(begun)))
	} else {
		err = a.printResult(r, a.Now().Sub(begun))
	}
	if err != nil {
		return err
	}
	hash := fmt.Sprintf("%016x", r.Hash)
	switch {
	case r.Held():
		fmt.Fprintf(a.Stderr, "it holds now; with version %s it was: %s\n", f.Version, f.Signature)
		return nil
	case signature(r.Failure) == f.Signature && hash == f.Hash:
		fmt.Fprintln(a.Stderr, "the same failure, decision by decision")
	case signature(r.Failure) == f.Signature:
		fmt.Fprintf(a.Stderr, "the same failure by another path: the code has changed since version %s\n", f.Version)
	default:
		fmt.Fprintf(a.Stderr, "another failure; with version %s it was: %s\n", f.Version, f.Signature)
	}
	return outcome(verdict(r))
}
