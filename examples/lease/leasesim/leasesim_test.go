package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/shrink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	p, err := plan.Parse("test.plan", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.FromPlan(p, system())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sweep plays seeds 1 to n and returns the results in their order.
func sweep(t *testing.T, s *scenario.Scenario, n int, set map[string]string) []*scenario.Result {
	t.Helper()
	out := make([]*scenario.Result, n)
	host.Each(0, n, func(i int) bool {
		r, err := scenario.Play(s, scenario.Options{Seed: uint64(i + 1), Set: set})
		if err != nil {
			t.Error(err)
		}
		out[i] = r
		return err == nil
	})
	if t.Failed() {
		t.FailNow()
	}
	return out
}

func TestTheLeaseIsSafeAndLiveInEverySeed(t *testing.T) {
	for _, text := range []string{quietPlan, leasePlan} {
		s := parse(t, text)
		t.Run(s.Name, func(t *testing.T) {
			met := map[string]uint64{}
			paths := map[uint64]bool{}
			seeds := 200
			if testing.Short() { // as under the race detector; then not everything has to be met
				seeds = 20
			}
			for _, r := range sweep(t, s, seeds, nil) {
				if !r.Held() {
					t.Errorf("seed %d: %v", r.Seed, r.Failure)
				}
				for _, m := range r.Marks {
					met[m.Name] += m.N
				}
				paths[r.Hash] = true
			}
			for _, name := range s.Sometimes {
				if met[name] == 0 && !testing.Short() {
					t.Errorf("%q was never met", name)
				}
			}
			if len(paths) != seeds {
				t.Errorf("%d seeds took %d paths", seeds, len(paths))
			}
		})
	}
}

func TestASeedIsTheSameRunAgain(t *testing.T) {
	s := parse(t, leasePlan)
	first, second := sweep(t, s, 5, nil), sweep(t, s, 5, nil)
	for i := range first {
		if first[i].Hash != second[i].Hash {
			t.Errorf("seed %d: hash %016x, and then %016x", i+1, first[i].Hash, second[i].Hash)
		}
	}
}

// The mistakes, what finds them, and in how many seeds at most.
var bugs = []struct {
	name, set, property string
	seeds               int
}{
	{"the lease is counted from the answer", "1", exclusive, 200},
	{"the server answers before the token is on disk", "2", tokens, 200},
}

func TestEachBugIsFoundAndShrinksToItsCause(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of runs for each bug; the protocol itself is played with -short too")
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			found := find(t, b.property, b.seeds, map[string]string{"bug": b.set})
			small, err := shrink.Run(*found, shrink.Config{Systems: []*scenario.System{system()}})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v\n%v\n%d runs\n%v\n%v", small.Before, small.After, small.Runs, small.Plan, small.Run.Failure)
			if small.After.Faults > 3 || small.After.Lines > 12 || !small.Minimal {
				t.Errorf("it did not get small: %v, minimal: %v", small.After, small.Minimal)
			}
			for i := range small.Plan.Lines {
				if r := without(small, i); r != nil && !r.Held() && r.Failure.Property == b.property {
					t.Errorf("it fails without %q too: %v", small.Plan.Lines[i].String(), r.Failure)
				}
			}
			small.Plan.Set("bug", "0")
			r, err := scenario.Play(parse(t, small.Plan.String()), scenario.Options{Seed: small.Seed})
			if err != nil || !r.Held() {
				t.Errorf("without the bug: %v, %v", err, r.Failure)
			}
		})
	}
}

// find is the shortest of the runs that violate a property.
func find(t *testing.T, property string, seeds int, set map[string]string) *shrink.Case {
	t.Helper()
	s := parse(t, leasePlan)
	var best *scenario.Result
	for _, r := range sweep(t, s, seeds, set) {
		if !r.Held() && r.Failure.Property == property && (best == nil || r.Events < best.Events) {
			best = r
		}
	}
	if best == nil {
		t.Fatalf("%q held in %d seeds", property, seeds)
	}
	t.Logf("found in seed %d: %v", best.Seed, best.Failure)
	return &shrink.Case{Plan: best.Plan, Seed: best.Seed, Strategy: best.Strategy}
}

// without plays a small case without one of its lines, or returns nil when
// what is left is no plan.
func without(c *shrink.Result, line int) *scenario.Result {
	p := c.Plan.Clone()
	p.Lines = append(p.Lines[:line], p.Lines[line+1:]...)
	s, err := scenario.FromPlan(p, system())
	if err != nil {
		return nil
	}
	r, err := scenario.Play(s, scenario.Options{Seed: c.Seed, Strategy: c.Strategy, Schedule: c.Schedule})
	if err != nil {
		return nil
	}
	return r
}

func TestParametersThatMakeNoSenseAreRefused(t *testing.T) {
	s := parse(t, quietPlan)
	for _, set := range []map[string]string{{"bug": "3"}, {"disk": "101"}, {"ttl": "0s"}, {"ttl": "5"}} {
		if _, err := scenario.Play(s, scenario.Options{Set: set}); err == nil {
			t.Errorf("%v is taken", set)
		}
	}
	if _, err := scenario.Play(s, scenario.Options{Set: map[string]string{"bug": "3"}}); err == nil || !strings.Contains(err.Error(), "bug is 0, 1 or 2") {
		t.Errorf("the error is %v", err)
	}
}
