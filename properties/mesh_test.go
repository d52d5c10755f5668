package properties_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/properties"
	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// meshes are the scenarios of properties.Meshes.
func meshes(t *testing.T) []*scenario.Scenario {
	var out []*scenario.Scenario
	for _, text := range properties.Meshes() {
		p, err := plan.Parse("mesh", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.FromPlan(p, scenarios.Systems()...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// drawn draws one of the plans that a scenario stands for, by rapid: what
// fails is made smaller there first.
func drawn(t *rapid.T, s *scenario.Scenario) *scenario.Scenario {
	p, err := plan.Expand(s.Plan, s.System.Vocabulary(), func(line string) plan.Choose {
		return func(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(t, line) }
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := scenario.FromPlan(p, scenarios.Systems()...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stride is how often what is counted is recounted: as often as shrink does at
// first, so that it sees the same.
const stride = 20

// Over all topologies, limits, links, works and faults: the standing
// invariants hold, and every one of them was looked at.
func TestWhateverMeshIsDrawnTheInvariantsHold(t *testing.T) {
	all := meshes(t)
	looked := map[string]uint64{}
	var last *failed // rapid ends with the smallest one
	defer func() {
		if last != nil && t.Failed() {
			last.report(t)
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		s := all[rapid.IntRange(0, len(all)-1).Draw(t, "mesh")]
		one := drawn(t, s)
		r, err := scenario.Play(one, scenario.Options{Seed: rapid.Uint64().Draw(t, "seed"), Stride: stride})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Checks {
			looked[c.Name] += c.N
		}
		if !r.Held() {
			last = &failed{plan: one.Plan, seed: r.Seed}
			t.Fatalf("seed %d: %v", r.Seed, r.Failure)
		}
	})
	for _, s := range all { // whatever was drawn, each was played
		if f := look(t, s, looked); f != nil && last == nil {
			last = f
		}
	}
	for _, i := range properties.Invariants() {
		for _, name := range i.By {
			if looked[name] == 0 {
				t.Errorf("%s: %q was never looked at", i.Name, name)
			}
		}
	}
}

// look plays one seed of a mesh, counts what was looked at, and returns what
// failed, if it did.
func look(t *testing.T, s *scenario.Scenario, looked map[string]uint64) (f *failed) {
	r, err := scenario.Play(s, scenario.Options{Seed: 1, Stride: stride})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Held() {
		t.Errorf("%s, seed 1: %v", s.Name, r.Failure)
		f = &failed{plan: r.Plan, seed: r.Seed}
	}
	for _, c := range r.Checks {
		looked[c.Name] += c.N
		if c.N == 0 {
			t.Errorf("%s, seed 1: %q was never looked at", s.Name, c.Name)
		}
	}
	return f
}

// What the invariants stand for has to be what the document says of it.
func TestEveryInvariantStandsOnPropertiesThatThereAre(t *testing.T) {
	standing := map[string]bool{}
	for _, p := range properties.Standing() {
		if standing[p.Name] || p.Says == "" || p.Checker == "" {
			t.Errorf("%s is listed twice, or says nothing", p.Name)
		}
		standing[p.Name] = true
	}
	used := map[string]bool{}
	all := properties.Invariants()
	if len(all) != 10 {
		t.Errorf("%d invariants, want 10", len(all))
	}
	for _, i := range all {
		if len(i.By) == 0 {
			t.Errorf("nothing stands for %s", i.Name)
		}
		for _, name := range i.By {
			used[name] = true
		}
	}
	for _, name := range []string{"panic", "leak", properties.EveryLooked, "the network is sound", "the network's books agree"} {
		delete(standing, name) // of the world, not of the mesh
	}
	for name := range standing {
		if !used[name] {
			t.Errorf("%q stands for no invariant", name)
		}
	}
}
