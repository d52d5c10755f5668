package shrink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/shrink"
)

// event is something that a plan for the toy has done.
type event struct {
	verb  string
	nodes []string
	word  string
	n     int64
	at    time.Duration
}

// story is what has happened so far.
type story []event

// did counts the events with a word.
func (t story) did(word string) (n int) {
	for _, e := range t {
		if e.word == word {
			n++
		}
	}
	return n
}

// when is the time of the first event with a word.
func (t story) when(word string) (time.Duration, bool) {
	for _, e := range t {
		if e.word == word {
			return e.at, true
		}
	}
	return 0, false
}

// toy is a system that does nothing but keep a story; rule is told of it after
// every event of it, and says by Stage.Check what must not happen.
func toy(rule func(s *scenario.Stage, t story)) *scenario.System {
	node := plan.Field{Name: "node", Kind: plan.Node}
	return &scenario.System{
		Name: "toy",
		Requests: []plan.Verb{
			{Name: "do", Args: []plan.Field{node, {Name: "word", Kind: plan.Name}}, Pairs: []plan.Field{
				{Name: "n", Kind: plan.Count, Default: "1"},
				{Name: "by", Kind: plan.Duration, Default: "0s", Least: -int64(100 * time.Hour)},
			}},
			{Name: "gather", Args: []plan.Field{{Name: "nodes", Kind: plan.Nodes}}},
			{Name: "race", Doc: "two tasks that are ready at once", Args: []plan.Field{node, {Name: "word", Kind: plan.Name}}},
		},
		Demands: []plan.Verb{{Name: "never"}, {Name: "told", Doc: "holds, but for what the rule says"}},
		Open: func(s *scenario.Stage) *scenario.Subject {
			begun := s.Runtime().Now()
			var t story
			tell := func(r *scenario.Request, word string, n int64) {
				e := event{verb: r.Verb.Name, word: word, n: n, at: s.Runtime().Now().Sub(begun)}
				for _, f := range r.Verb.Args {
					e.nodes = append(e.nodes, r.Nodes(f.Name)...)
				}
				t = append(t, e)
				rule(s, t)
			}
			return &scenario.Subject{
				Requests: map[string]func(*scenario.Request){
					"do": func(r *scenario.Request) {
						tell(r, r.Text("word"), r.Int("n")+r.Int("by"))
					},
					"gather": func(r *scenario.Request) { tell(r, "", 0) },
					"race": func(r *scenario.Request) {
						first := false
						r.At("node").Go("first", func() { first = true })
						r.At("node").Go("second", func() {
							if !first {
								tell(r, r.Text("word"), 0)
							}
						})
					},
				},
				Holds: map[string]func(*scenario.Request) error{
					"never": func(r *scenario.Request) error {
						rule(s, append(t, event{verb: "never", n: r.End.Lo}))
						return errNever
					},
					"told": func(*scenario.Request) error {
						rule(s, append(t, event{verb: "told"}))
						return nil
					},
				},
			}
		},
	}
}

type never struct{}

func (never) Error() string { return "it never does" }

var errNever = never{}

// parse reads a plan for the toy.
func parse(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse("toy.plan", []byte("plan toy\nsystem toy\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shrunk shrinks a plan that fails by a rule.
func shrunk(t *testing.T, text string, rule func(*scenario.Stage, story)) *shrink.Result {
	t.Helper()
	return shrunkBy(t, shrink.Case{Plan: parse(t, text), Seed: 1, Strategy: "fifo"}, shrink.Config{}, rule)
}

func shrunkBy(t *testing.T, c shrink.Case, cfg shrink.Config, rule func(*scenario.Stage, story)) *shrink.Result {
	t.Helper()
	y := toy(rule)
	cfg.Systems = []*scenario.System{y}
	r, err := shrink.Run(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fails(t, y, r)
	return r
}

// fails plays what shrinking has left once more: it must be the failure that
// the result tells of.
func fails(t *testing.T, y *scenario.System, r *shrink.Result) {
	t.Helper()
	s, err := scenario.FromPlan(r.Plan, y)
	if err != nil {
		t.Fatal(err)
	}
	again, err := scenario.Play(s, scenario.Options{Seed: r.Seed, Strategy: r.Strategy, Schedule: r.Schedule, Stride: shrink.Stride})
	if err != nil {
		t.Fatal(err)
	}
	if again.Held() || again.Failure.Error() != r.Run.Failure.Error() || again.Hash != r.Run.Hash {
		t.Errorf("played again it shows %v, hash %x; shrinking saw %v, hash %x", again.Failure, again.Hash, r.Run.Failure, r.Run.Hash)
	}
}

// left demands which lines are left, but for those that every plan has.
func left(t *testing.T, r *shrink.Result, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.Plan.String()), "\n")
	if have := strings.Join(lines[2:], "\n"); have != strings.Join(want, "\n") {
		t.Errorf("left is\n%s\nwant\n%s", have, strings.Join(want, "\n"))
	}
}

// minimal demands that the result says that no line can go.
func minimal(t *testing.T, r *shrink.Result) {
	t.Helper()
	if !r.Minimal || len(r.Otherwise) > 0 {
		t.Errorf("minimal: %v, without some lines it fails otherwise: %v", r.Minimal, r.Otherwise)
	}
}

// not fails a run in which all words have happened.
func not(words ...string) func(*scenario.Stage, story) {
	return func(s *scenario.Stage, t story) {
		all := true
		for _, w := range words {
			all = all && t.did(w) > 0
		}
		s.Check(!all, "they never meet", "%s did", strings.Join(words, " and "))
	}
}
