package scenarios_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// drawn draws one of the plans that a scenario stands for, by rapid: what
// fails is made smaller there first, and ends as a plan that simrun plays.
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

// few is swarm with less of everything, so that rapid gets through many.
const few = `
plan few
system mesh
set pool=2..10 clients=3..8
node n count=2..5
node c count=1..3 kind=client
link latency=0s..50ms jitter=0s..10ms loss=0%..3%
at 0s advertise n0 a
at 0s advertise n1 b
from 1s to 20s draw 0..3 advertise
from 1s to 20s draw 0..3 restart
from 2s to 28s draw 0..40 call
from 2s to 20s draw 0..8 fault
calm 30s
within 10s answered
within 3m reachable
`

func TestWhateverPlanIsDrawnTheMeshHolds(t *testing.T) {
	p, err := plan.Parse("few", []byte(few))
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.FromPlan(p, scenarios.Systems()...)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		one := drawn(t, s)
		r, err := scenario.Play(one, scenario.Options{Seed: rapid.Uint64().Draw(t, "seed"), Stride: 20})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Held() {
			t.Fatalf("seed %d: %v\n%v", r.Seed, r.Failure, one.Plan)
		}
	})
}
