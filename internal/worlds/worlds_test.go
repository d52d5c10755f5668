package worlds_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/maculamesh/macula/internal/worlds"
	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/scenario"
)

var update = flag.Bool("update", false, "write what netsim says to testdata")

// held fails the test for a run that did not hold.
func held(t *testing.T, r *scenario.Result, err error) *scenario.Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Failure; f != nil {
		t.Errorf("%v\nleft: %v\nwaiting: %v\n%s", f, f.Leaks, f.Waiting, f.Stack)
	}
	return r
}

// world is one of the three.
type world struct {
	name string
	play func(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Result
}

var netsimWorld = world{"netsim", func(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	set := map[string]string{}
	for name, v := range s.Live { // as the other two have it
		set[name] = v
	}
	opt.Set = set
	r, err := scenario.Play(s, opt)
	return held(t, r, err)
}}

var bubbleWorld = world{"bubble", func(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	return inBubble(t, s, opt, nil)
}}

var loopbackWorld = world{"loopback", func(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	w := worlds.Loopback(opt.Seed)
	defer w.Close()
	r, err := scenario.PlayIn(w, s, opt)
	return held(t, r, err)
}}

func inBubble(t *testing.T, s *scenario.Scenario, opt scenario.Options, rec *worlds.Record) (res *scenario.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := worlds.Bubble(opt.Seed, rec)
		defer w.Close()
		r, err := scenario.PlayIn(w, s, opt)
		res = held(t, r, err)
	})
	return res
}

// same compares texts line by line.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("%s: line %d is\n%s\nwant\n%s", what, i+1, a, b)
		}
	}
}

// TestAStoryComesToTheSameInThreeWorlds plays the story of whole nodes, with
// many seeds where time is virtual.
func TestAStoryComesToTheSameInThreeWorlds(t *testing.T) {
	t.Parallel()
	const file = "testdata/three-worlds.txt"
	if *update {
		var out strings.Builder
		netsimWorld.play(t, worlds.Story(&out), scenario.Options{Seed: 1})
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		world
		seeds uint64
	}{{netsimWorld, 20}, {bubbleWorld, 4}, {loopbackWorld, 1}} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				x.seeds = 1
			}
			for seed := range x.seeds {
				var out strings.Builder
				x.play(t, worlds.Story(&out), scenario.Options{Seed: seed + 1})
				same(t, fmt.Sprintf("seed %d", seed+1), out.String(), string(want))
			}
		})
	}
}

// outcome is what a plan came to that has to be the same in every world: its
// verdict, what was looked at, what it says, and with peaks how full tables were
// at most.
func outcome(r *scenario.Result, facts, peaks bool) string {
	lines := []string{fmt.Sprintf("held: %v", r.Held())}
	for _, c := range r.Checks {
		lines = append(lines, "looked at: "+c.Name)
	}
	if facts {
		lines = append(lines, r.Facts...)
	}
	for _, g := range r.Gauges {
		if peaks && g.Limit >= 0 {
			lines = append(lines, fmt.Sprintf("%s: %d of %d", g.Name, g.Peak, g.Limit))
		}
	}
	slices.Sort(lines[1:])
	return strings.Join(slices.Compact(lines), "\n")
}

// TestPlansComeToTheSame plays plans of the mesh over netsim and over QUIC. In
// those with faults that meet calls, which of these succeed is up to the world.
func TestPlansComeToTheSame(t *testing.T) {
	t.Parallel()
	for _, p := range []struct {
		name         string
		facts, peaks bool
		also         []world
	}{
		{"client-limit", true, true, []world{bubbleWorld, loopbackWorld}},
		{"service-ttl", true, true, []world{bubbleWorld}},
		{"stream-cleanup", true, true, []world{bubbleWorld}},
		{"caller-death", true, true, []world{bubbleWorld}},
		{"pool-order", true, true, []world{bubbleWorld}},
		{"mesh-4", false, false, []world{bubbleWorld}},
		{"swarm-10", false, false, []world{bubbleWorld}},
	} {
		t.Run(p.name, func(t *testing.T) {
			i := slices.IndexFunc(scenarios.All(), func(s *scenario.Scenario) bool { return s.Name == p.name })
			if i < 0 {
				t.Fatal("there is no such scenario")
			}
			s := scenarios.All()[i]
			want := outcome(netsimWorld.play(t, s, scenario.Options{Seed: 1}), p.facts, p.peaks)
			for _, w := range p.also {
				t.Run(w.name, func(t *testing.T) {
					same(t, w.name, outcome(w.play(t, s, scenario.Options{Seed: 1}), p.facts, p.peaks), want)
				})
			}
		})
	}
}
