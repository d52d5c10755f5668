package scenario_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
)

// drifting is a story that does something else every other time, after so many
// events.
func drifting(events int, also func(s *scenario.Stage)) *scenario.Scenario {
	runs := 0
	return story(func(s *scenario.Stage) {
		runs++
		odd := runs%2 == 1
		for range events {
			s.Sleep(time.Millisecond)
		}
		s.Mark("same")
		if !odd {
			also(s)
		}
	})
}

func compare(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Difference {
	t.Helper()
	d, err := scenario.Compare(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCompareNamesTheFirstDecisionThatDiffers(t *testing.T) {
	for _, events := range []int{0, 5000} { // less and more than a turn
		d := compare(t, drifting(events, func(s *scenario.Stage) { s.Mark("only every other time") }), scenario.Options{Seed: 1})
		if d == nil || d.First == nil || d.Second == nil {
			t.Fatalf("the difference is %v", d)
		}
		if d.Second.Kind != sim.KindNote || d.Second.Text != "only every other time" || d.First.Kind == sim.KindNote {
			t.Errorf("they part at %v and %v", d.First, d.Second)
		}
		if len(d.Before) != 3 || d.Before[2].Text != "same" {
			t.Errorf("before that, both did %v", d.Before)
		}
		if d.Same < uint64(events) || d.Second.At != time.Duration(events)*time.Millisecond {
			t.Errorf("they part after %d decisions, at %v", d.Same, d.Second.At)
		}
		for _, want := range []string{fmt.Sprintf("event %d", d.First.Event), "both: ", "first run: ", "second run: ", "only every other time", "director [scenario#1]"} {
			if !strings.Contains(d.String(), want) {
				t.Errorf("%q is missing in\n%v", want, d)
			}
		}
	}
}

func TestCompareSaysWhatMadeATaskRun(t *testing.T) {
	d := compare(t, drifting(3, func(s *scenario.Stage) { s.Sleep(time.Hour) }), scenario.Options{Seed: 1})
	if d == nil || !strings.Contains(d.String(), "runs, made ready by timer") {
		t.Errorf("the difference is %v", d)
	}
}

func TestCompareFindsNothingInASteadyStory(t *testing.T) {
	steady := story(func(s *scenario.Stage) {
		for range 3000 {
			s.Sleep(time.Millisecond)
		}
	})
	if d := compare(t, steady, scenario.Options{Seed: 1}); d != nil {
		t.Errorf("a steady story differs: %v", d)
	}
}

func TestCompareLooksAtWhatADecisionWas(t *testing.T) {
	runs := 0
	d := compare(t, story(func(s *scenario.Stage) { runs++; s.Mark(fmt.Sprint("run ", runs)) }), scenario.Options{Seed: 1})
	if d == nil || d.First == nil || d.First.Text != "run 1" || d.Second.Text != "run 2" {
		t.Errorf("the difference is %v", d)
	}
}

func TestCompareEndsWhereTheRunsPart(t *testing.T) {
	runs, steps := 0, 0
	d := compare(t, story(func(s *scenario.Stage) {
		runs++
		s.Mark(fmt.Sprint("run ", runs))
		for range 100_000 {
			s.Sleep(time.Millisecond)
			steps++
		}
	}), scenario.Options{Seed: 1})
	if d == nil || steps > 5000 {
		t.Errorf("they part at once, and it took %d steps to see that: %v", steps, d)
	}
}

func TestCompareSaysThatARunIsOver(t *testing.T) {
	runs := 0
	longer := story(func(s *scenario.Stage) {
		runs++
		second := runs == 2
		s.AtEnd("it comes to an end", func() error {
			if second {
				s.Mark("more")
			}
			return nil
		})
	})
	d := compare(t, longer, scenario.Options{Seed: 1})
	if d == nil || d.First != nil || d.Second == nil || !strings.Contains(d.String(), "first run:  is over") {
		t.Errorf("the difference is %v", d)
	}
}

func TestCompareEndsBothRuns(t *testing.T) {
	asked := 0
	long := story(func(s *scenario.Stage) {
		for {
			s.Sleep(time.Millisecond)
		}
	})
	d, err := scenario.Compare(long, scenario.Options{Seed: 1, Stop: func() bool { asked++; return asked > 20 }})
	if d != nil || err == nil || !strings.Contains(err.Error(), "stopped") || asked > 21 {
		t.Errorf("%v, %v; it was asked %d times", d, err, asked)
	}
	if _, err := scenario.Compare(long, scenario.Options{Strategy: "luck"}); err == nil {
		t.Error("the strategy luck is taken")
	}
}
