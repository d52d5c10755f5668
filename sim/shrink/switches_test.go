package shrink_test

import (
	"slices"
	"testing"

	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/shrink"
)

// failing returns a case that fails under the strategy random.
func failing(t *testing.T, text string, rule func(*scenario.Stage, story)) shrink.Case {
	t.Helper()
	c := shrink.Case{Plan: parse(t, text), Strategy: "random"}
	s, err := scenario.FromPlan(c.Plan, toy(rule))
	if err != nil {
		t.Fatal(err)
	}
	for c.Seed = 1; c.Seed < 100; c.Seed++ {
		r, err := scenario.Play(s, scenario.Options{Seed: c.Seed, Strategy: c.Strategy})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Held() {
			return c
		}
	}
	t.Fatal("no seed fails")
	return c
}

func TestOneContextSwitchThatIsNeededIsAllThatIsLeft(t *testing.T) {
	r := shrunkBy(t, failing(t, crowded("at 10s race n1 a"), not("a")), shrink.Config{}, not("a"))
	left(t, r, "node n1", "at 0s race n1 a")
	minimal(t, r)
	if r.Schedule == nil || len(r.Schedule.Decisions) != 1 || r.After.Switches != 1 {
		t.Errorf("%v; the schedule is %v", r.After, r.Schedule)
	}
}

func TestEveryContextSwitchThatIsLeftIsNeeded(t *testing.T) {
	text := crowded("at 10s race n1 a", "at 10s race n2 b", "at 20s race n3 c")
	rule := not("a", "b", "c")
	r := shrunkBy(t, failing(t, text, rule), shrink.Config{}, rule)
	left(t, r, "node n1", "node n2", "node n3", "at 0s race n1 a", "at 0s race n2 b", "at 0s race n3 c")
	minimal(t, r)
	s, err := scenario.FromPlan(r.Plan, toy(rule))
	if err != nil {
		t.Fatal(err)
	}
	all := r.Schedule.Decisions
	if len(all) < 3 || len(all) != r.After.Switches {
		t.Errorf("%v; the schedule is %v: three races need three", r.After, all)
	}
	for i, d := range all {
		less := &scenario.Schedule{Decisions: slices.Delete(slices.Clone(all), i, i+1), TieSeed: r.Schedule.TieSeed}
		if again, err := scenario.Play(s, scenario.Options{Seed: r.Seed, Schedule: less}); err != nil || !again.Held() {
			t.Errorf("without %v it does not hold: %v", d, err)
		}
	}
}

func TestWhatFailsWithoutAContextSwitchHasNone(t *testing.T) {
	r := shrunkBy(t, failing(t, crowded("at 10s do n1 a"), not("a")), shrink.Config{}, not("a"))
	left(t, r, "node n1", "at 0s do n1 a")
	if r.Strategy != "fifo" || r.Schedule != nil || r.After.Switches != 0 {
		t.Errorf("%v; strategy %s, schedule %v", r.After, r.Strategy, r.Schedule)
	}
}

func TestWhatNeedsNoContextSwitchAnyMoreHasNone(t *testing.T) {
	// With the noise it takes a race, without it nothing but b.
	rule := func(s *scenario.Stage, t story) {
		s.Check(t.did("a") == 0 && (t.did("b") == 0 || t.did("noise") > 0), "neither a nor b", "one of them")
	}
	c := failing(t, "node n0\nat 1s do n0 noise\nat 2s race n0 a\nat 2s do n0 b\n", rule)
	r := shrunkBy(t, c, shrink.Config{}, rule)
	left(t, r, "node n0", "at 0s do n0 b")
	if r.Strategy != "fifo" || r.Schedule != nil {
		t.Errorf("strategy %s, schedule %v", r.Strategy, r.Schedule)
	}
}

func TestALineThatWasNeededForTheScheduleGoesWithIt(t *testing.T) {
	// Without the noise the two tasks are alone, and seeds that let the second
	// one run first are among those that are tried; with only one seed it is the
	// recorded schedule that keeps them in that order.
	c := failing(t, "node n0\nat 1s do n0 noise\nat 1s do n0 noise\nat 1s race n0 a\n", not("a"))
	r := shrunkBy(t, c, shrink.Config{Seeds: 1}, not("a"))
	left(t, r, "node n0", "at 0s race n0 a")
	if r.After.Switches != 1 {
		t.Errorf("%v; the schedule is %v", r.After, r.Schedule)
	}
}

func TestARecordedScheduleIsShrunkToo(t *testing.T) {
	c := failing(t, crowded("at 10s race n1 a"), not("a"))
	s, err := scenario.FromPlan(c.Plan, toy(not("a")))
	if err != nil {
		t.Fatal(err)
	}
	run, err := scenario.Play(s, scenario.Options{Seed: c.Seed, Strategy: c.Strategy, Record: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	c.Strategy, c.Schedule = "fifo", run.Schedule // the strategy does not count
	r := shrunkBy(t, c, shrink.Config{}, not("a"))
	left(t, r, "node n1", "at 0s race n1 a")
	if r.Before.Switches < 10 || r.After.Switches != 1 {
		t.Errorf("%v, then %v", r.Before, r.After)
	}
}
