package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/scenario"
)

// swept is what a sweep of one scenario showed: its books, which are written
// to its folder, read again when it goes on, and merged with those of other
// shards.
type swept struct {
	Version   string            `json:"version"`
	Scenario  string            `json:"scenario"`
	Strategy  string            `json:"strategy"`
	Set       map[string]string `json:"set,omitempty"`
	Plan      string            `json:"plan,omitempty"` // a hash of its text
	From      uint64            `json:"from"`
	Total     int               `json:"total"` // seeds of all shards together
	Shard     int               `json:"shard"`
	Shards    int               `json:"shards"`
	Of        int               `json:"of"`    // seeds of this shard
	Seeds     int               `json:"seeds"` // of those, the ones that were played
	Done      []span            `json:"done"`  // which these are, by their number within the shard
	Held      int               `json:"held"`
	Paths     int               `json:"paths"`            // distinct trace hashes
	Hashes    []byte            `json:"hashes,omitempty"` // in the books only: these, of eight bytes each
	Events    int               `json:"events"`
	Simulated int64             `json:"simulated_ns"`
	NodeTime  int64             `json:"node_ns"` // simulated time, times the nodes that lived in it
	Took      int64             `json:"took_ns"`
	Complete  bool              `json:"complete,omitempty"` // of exhaustive: there are no more schedules
	Marks     map[string]uint64 `json:"marks"`
	Checks    map[string]uint64 `json:"checks"`
	Sometimes []string          `json:"sometimes"`
	Missed    []string          `json:"missed"` // what should have been met in some seed
	Coverage  []covered         `json:"coverage"`
	Failures  []group           `json:"failures"`

	hashes map[uint64]bool
	shards int    // of merged books: how many there should be
	have   []int  // and which there are
	lacks  string // of merged books: what is missing of the sweep
}

// span is numbers from From to To, both of them.
type span struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// covered is in how many runs a fault happened and a property was looked at.
type covered struct {
	Fault    string `json:"fault"`
	Property string `json:"property"`
	Runs     int    `json:"runs"`
	Violated int    `json:"violated"`
}

// group is the failures of one signature: the same property, with the same
// words but for the numbers in them.
type group struct {
	Signature string   `json:"signature"`
	Property  string   `json:"property"`
	Seeds     []uint64 `json:"seeds"`
	Seed      uint64   `json:"seed"` // of the shortest run, the one with the fewest events
	Strategy  string   `json:"strategy"`
	Events    int      `json:"events"`
	Internal  bool     `json:"internal,omitempty"`
	Again     string   `json:"again"`
	File      string   `json:"file,omitempty"`

	shortest *scenario.Result // the shortest run, if it was of this process
}

// shorter reports whether a run of so many events is to stand for the group.
func (g *group) shorter(events int, seed uint64) bool {
	return events < g.Events || events == g.Events && seed < g.Seed
}

// stuck is the property of a run whose task does not yield.
const stuck = "stuck"

func newSwept(name string, from uint64, total, shard, shards int) *swept {
	return &swept{
		Scenario: name, From: from, Total: total, Shard: shard, Shards: shards, Of: (total - shard + shards - 1) / shards,
		Marks: map[string]uint64{}, Checks: map[string]uint64{}, Sometimes: []string{}, Missed: []string{},
		Coverage: []covered{}, Failures: []group{}, Done: []span{}, hashes: map[uint64]bool{},
	}
}

// differs says in what two sweeps differ that are not the same one.
func (w *swept) differs(o *swept) string {
	switch {
	case w.Version != o.Version:
		return "version"
	case w.Scenario != o.Scenario:
		return "scenario"
	case w.Strategy != o.Strategy:
		return "--strategy"
	case !maps.Equal(w.Set, o.Set):
		return "--set"
	case w.From != o.From || w.Total != o.Total:
		return "--from or --seeds"
	case w.Plan != o.Plan:
		return "plan of that name"
	}
	return ""
}

// seed is the k-th seed of the shard, from 0.
func (w *swept) seed(k int) uint64 { return w.From + uint64(w.Shard+k*w.Shards) }

// left are the numbers of the seeds that were not played, in spans: there may
// be more than fit into memory.
func (w *swept) left() []span {
	var out []span
	next := 0
	for _, d := range append(slices.Clone(w.Done), span{w.Of, w.Of}) {
		if next < d.From {
			out = append(out, span{next, d.From - 1})
		}
		next = d.To + 1
	}
	return out
}

// nth is the i-th number of spans, from 0.
func nth(spans []span, i int) int {
	for _, x := range spans {
		n := x.To - x.From + 1
		if i < n {
			return x.From + i
		}
		i -= n
	}
	panic("cli: there are not so many seeds")
}

// did notes that the k-th seed was played. It is false when that is known.
func (w *swept) did(k int) bool {
	i, _ := slices.BinarySearchFunc(w.Done, k, func(d span, k int) int { return d.From - k })
	if i < len(w.Done) && w.Done[i].From == k || i > 0 && w.Done[i-1].To >= k {
		return false
	}
	w.Done = slices.Insert(w.Done, i, span{k, k})
	if i+1 < len(w.Done) && w.Done[i+1].From == k+1 {
		w.Done[i].To = w.Done[i+1].To
		w.Done = slices.Delete(w.Done, i+1, i+2)
	}
	if i > 0 && w.Done[i-1].To == k-1 {
		w.Done[i-1].To = w.Done[i].To
		w.Done = slices.Delete(w.Done, i, i+1)
	}
	return true
}

// number is which of the seeds of the shard a seed is.
func (w *swept) number(seed uint64) int { return int(seed-w.From) / w.Shards }

// add takes the run of a seed into the books.
func (w *swept) add(r *scenario.Result) {
	if w.did(w.number(r.Seed)) {
		w.count(r)
	}
}

// count is add for a run that is one of many under the same seed.
func (w *swept) count(r *scenario.Result) {
	w.Seeds++
	w.Events += r.Events
	w.Simulated += int64(r.Simulated)
	w.NodeTime += int64(r.Simulated) * int64(max(1, r.Nodes))
	w.hashes[r.Hash] = true
	w.Paths = len(w.hashes)
	for _, m := range r.Marks {
		w.Marks[m.Name] += m.N
	}
	for _, c := range r.Checks {
		w.Checks[c.Name] += c.N
	}
	w.cover(r)
	if r.Held() {
		w.Held++
		return
	}
	g := w.group(r.Failure.Signature(), r.Failure.Property)
	g.Seeds = append(g.Seeds, r.Seed)
	if len(g.Seeds) == 1 || g.shorter(r.Events, r.Seed) {
		g.shortest, g.Seed, g.Strategy, g.Events, g.Internal, g.File = r, r.Seed, r.Strategy, r.Events, r.Failure.Internal(), ""
	}
}

// addStuck takes a run into the books that will not come to its end.
func (w *swept) addStuck(r *scenario.Result, who, again string) {
	if _, ok := exhaustive(w.Strategy); !ok && !w.did(w.number(r.Seed)) {
		return
	}
	w.Seeds++
	f := scenario.Failure{Property: stuck, Err: errors.New(who + " does not yield")}
	g := w.group(f.Signature(), stuck)
	g.Seeds = append(g.Seeds, r.Seed)
	if len(g.Seeds) == 1 || r.Seed < g.Seed {
		g.Seed, g.Strategy, g.Internal, g.Again = r.Seed, r.Strategy, true, again
	}
}

// group returns the group with that signature, which may be a new one.
func (w *swept) group(signature, property string) *group {
	i := slices.IndexFunc(w.Failures, func(g group) bool { return g.Signature == signature })
	if i < 0 {
		i = len(w.Failures)
		w.Failures = append(w.Failures, group{Signature: signature, Property: property})
	}
	return &w.Failures[i]
}

// cover notes which faults of the plan met which properties.
func (w *swept) cover(r *scenario.Result) {
	for _, fault := range r.Faults {
		for _, c := range r.Checks {
			i := slices.IndexFunc(w.Coverage, func(x covered) bool { return x.Fault == fault && x.Property == c.Name })
			if i < 0 {
				i = len(w.Coverage)
				w.Coverage = append(w.Coverage, covered{Fault: fault, Property: c.Name})
			}
			w.Coverage[i].Runs++
			if !r.Held() && r.Failure.Property == c.Name {
				w.Coverage[i].Violated++
			}
		}
	}
}

// settle says what can only be said of the sweep as a whole, as far as it was
// played.
func (w *swept) settle(a *App) {
	w.Missed = []string{}
	for _, name := range w.Sometimes {
		if w.Marks[name] == 0 && w.Seeds == w.Of && w.Shards == 1 {
			w.Missed = append(w.Missed, name)
		}
	}
	for i := range w.Failures {
		g := &w.Failures[i]
		slices.Sort(g.Seeds)
		if g.shortest != nil {
			g.Again = a.replay(g.shortest)
		}
	}
	// Whoever reads the books alone needs this too.
	slices.SortFunc(w.Failures, func(a, b group) int { return strings.Compare(a.Signature, b.Signature) })
	slices.SortFunc(w.Coverage, func(a, b covered) int {
		if n := strings.Compare(a.Fault, b.Fault); n != 0 {
			return n
		}
		return strings.Compare(a.Property, b.Property)
	})
}

// code is the exit code of the sweep.
func (w *swept) code() int {
	code := Held
	if len(w.Missed) > 0 {
		code = Violated
	}
	for _, g := range w.Failures {
		code = max(code, Violated)
		if g.Internal {
			code = Internal
		}
	}
	return code
}

// printSwept is a sweep on a few lines.
func (a *App) printSwept(w *swept, coverage bool) {
	took := time.Duration(w.Took)
	runs := "seeds"
	if _, ok := exhaustive(w.Strategy); ok {
		runs = "schedules"
	}
	what := runs
	if w.Complete {
		what += ", all there are"
	}
	if w.Shards > 1 {
		what = fmt.Sprintf("%s of shard %d/%d", what, w.Shard, w.Shards)
	}
	played := fmt.Sprint(w.Seeds)
	if w.Seeds < w.Of {
		played = fmt.Sprintf("%d of %d", w.Seeds, w.Of)
	}
	fmt.Fprintf(a.Stdout, "%-16s %s %s, %d held, %d different paths; %v simulated (%s node-hours), %s events/s, %s seeds/s\n",
		w.Scenario, played, what, w.Held, w.Paths, time.Duration(w.Simulated).Round(time.Second), hours(w.NodeTime), perSecond(w.Events, took), perSecond(w.Seeds, took))
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
		fmt.Fprintf(a.Stdout, "  VIOLATED in %d %s: %s\n    again: %s\n", len(g.Seeds), runs, g.Signature, g.Again)
		if g.File != "" {
			fmt.Fprintf(a.Stdout, "    file:  %s\n    small: %s shrink %s\n", g.File, a.command(), g.File)
		}
	}
	if coverage {
		a.printCoverage(w)
	}
}

// printCoverage lists faults and properties, with the runs in which they met.
func (a *App) printCoverage(w *swept) {
	fault := ""
	for _, c := range w.Coverage {
		if c.Fault != fault {
			fault = c.Fault
			fmt.Fprintf(a.Stdout, "  %s\n", fault)
		}
		fmt.Fprintf(a.Stdout, "    %-64s %6d runs", c.Property, c.Runs)
		if c.Violated > 0 {
			fmt.Fprintf(a.Stdout, ", violated in %d", c.Violated)
		}
		fmt.Fprintln(a.Stdout)
	}
}

func hours(ns int64) string {
	tenths := ns / int64(6*time.Minute)
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}
