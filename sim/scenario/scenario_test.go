package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// story is a scenario of one function.
func story(play func(s *scenario.Stage)) *scenario.Scenario {
	return &scenario.Scenario{Name: "story", Shows: "a test", Limit: time.Minute, Play: play}
}

func mustPlay(t *testing.T, s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	t.Helper()
	r, err := scenario.Play(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantFailure demands that the story fails by that property.
func wantFailure(t *testing.T, property string, play func(s *scenario.Stage)) *scenario.Failure {
	t.Helper()
	r := mustPlay(t, story(play), scenario.Options{Seed: 1})
	if r.Held() {
		t.Fatalf("the run held, want a violation of %q", property)
	}
	if r.Failure.Property != property {
		t.Fatalf("violated: %q (%v), want %q", r.Failure.Property, r.Failure.Err, property)
	}
	return r.Failure
}

func TestAQuietStoryHolds(t *testing.T) {
	r := mustPlay(t, story(func(s *scenario.Stage) {
		s.Sleep(time.Second)
		s.Factf("slept %d s", 1)
	}), scenario.Options{Seed: 7})
	if !r.Held() || r.Simulated < time.Second || r.Hash == 0 || len(r.Facts) != 1 || r.Seed != 7 {
		t.Errorf("%+v", r)
	}
}

func TestACheckThatFailsEndsTheRun(t *testing.T) {
	after := false
	f := wantFailure(t, "one is two", func(s *scenario.Stage) {
		s.Check(1 == 2, "one is two", "it is %d", 1)
		s.Sleep(time.Second)
		after = true
	})
	if !strings.Contains(f.Err.Error(), "it is 1") {
		t.Errorf("it saw %v", f.Err)
	}
	if after {
		t.Error("the story went on after the violation")
	}
}

func TestAPropertyIsCheckedAfterEveryEvent(t *testing.T) {
	f := wantFailure(t, "low", func(s *scenario.Stage) {
		n := 0
		s.Always("low", func() error {
			if n > 2 {
				return fmt.Errorf("n is %d", n)
			}
			return nil
		})
		for range 10 {
			n++
			s.Sleep(time.Second)
		}
	})
	if f.At != 2*time.Second || f.Err.Error() != "n is 3" {
		t.Errorf("found %v at %v, want n is 3 at 2s, in the event that did it", f.Err, f.At)
	}
}

func TestAPropertyOfAPlaceIsCheckedAfterItsEvents(t *testing.T) {
	wantFailure(t, "low", func(s *scenario.Stage) {
		p, n := s.Place("p"), 0
		p.Always("low", func() error {
			if n > 0 {
				return errors.New("high")
			}
			return nil
		})
		p.Do("raise", func() { n++ })
	})
}

func TestAGaugeOverItsLimitIsAViolation(t *testing.T) {
	wantFailure(t, "size", func(s *scenario.Stage) {
		p, n := s.Place("p"), 0
		p.Gauge("size", 1, func() int { return n })
		p.Do("grow", func() { n = 2 })
	})
}

func TestTheHighestPeakOfAGaugeIsReported(t *testing.T) {
	r := mustPlay(t, story(func(s *scenario.Stage) {
		for i, name := range []string{"a", "b"} {
			p, n := s.Place(name), 0
			p.Gauge("size", 10, func() int { return n })
			p.Do("grow", func() { n = 3 + 4*i })
			p.Do("shrink", func() { n = 0 })
		}
	}), scenario.Options{})
	if len(r.Gauges) != 1 || r.Gauges[0].Peak != 7 || r.Gauges[0].Limit != 10 {
		t.Errorf("gauges: %+v", r.Gauges)
	}
}

func TestARecountIsMadeAtAStrideAndAtRest(t *testing.T) {
	counts := map[int]int{}
	for _, stride := range []int{1, 100} {
		mustPlay(t, story(func(s *scenario.Stage) {
			s.Recount("count", func() error { counts[stride]++; return nil })
			for range 50 {
				s.Sleep(time.Second)
			}
		}), scenario.Options{Stride: stride})
	}
	if counts[1] < 20 || counts[100] == 0 || counts[100] >= counts[1] {
		t.Errorf("recounts by stride: %v", counts)
	}
}

func TestAtEndIsDemandedWhenAllIsAtRest(t *testing.T) {
	wantFailure(t, "clean", func(s *scenario.Stage) {
		n := 0
		s.AtEnd("clean", func() error {
			if n > 0 {
				return errors.New("dirty")
			}
			return nil
		})
		s.Place("p").Go("late", func() {
			rt.Sleep(context.Background(), s.Place("p").Runtime(), time.Second)
			n++
		})
	})
}

func TestEventuallyWaitsAndGivesUp(t *testing.T) {
	r := mustPlay(t, story(func(s *scenario.Stage) {
		n := 0
		s.Go("later", func() { s.Sleep(3 * time.Second); n = 1 })
		s.Eventually(10*time.Second, "n rises", func() bool { return n == 1 })
	}), scenario.Options{})
	if !r.Held() {
		t.Error(r.Failure)
	}
	wantFailure(t, "never", func(s *scenario.Stage) {
		s.Eventually(time.Second, "never", func() bool { return false })
	})
}

func TestAStoryWithoutEndFailsAndSaysWhoWaits(t *testing.T) {
	f := wantFailure(t, "deadline", func(s *scenario.Stage) {
		rt.NewEvent(s.Runtime()).Wait(context.Background())
	})
	if len(f.Waiting) == 0 || !strings.Contains(f.Waiting[0], "scenario_test.go") {
		t.Errorf("who waits: %q", f.Waiting)
	}
}

func TestWhatIsLeftIsALeakWithItsLine(t *testing.T) {
	f := wantFailure(t, "leak", func(s *scenario.Stage) {
		p := s.Place("p")
		p.Runtime().Go("forgotten", func() { p.Runtime().NewParker().Park(context.Background()) })
	})
	if len(f.Leaks) != 1 || !strings.Contains(f.Leaks[0], "forgotten") || !strings.Contains(f.Leaks[0], "scenario_test.go") {
		t.Errorf("leaks: %q", f.Leaks)
	}
}

func TestAnOpenConnectionIsALeak(t *testing.T) {
	f := wantFailure(t, "leak", func(s *scenario.Stage) {
		a, b := s.Place("a"), s.Place("b")
		idA, idB := transport.PeerID{1}, transport.PeerID{2}
		tb := b.Transport(idB, transport.Config{})
		if _, err := tb.Listen(transport.ListenConfig{}); err != nil {
			t.Error(err)
		}
		a.Do("dial", func() {
			if _, err := a.Transport(idA, transport.Config{}).Dial(context.Background(), b.Addr(), idB); err != nil {
				t.Error(err)
			}
		})
	})
	if !strings.Contains(strings.Join(f.Leaks, "\n"), "conn") {
		t.Errorf("leaks: %q", f.Leaks)
	}
}

func TestAPanicIsInternalAndHasItsStack(t *testing.T) {
	f := wantFailure(t, "panic", func(s *scenario.Stage) {
		s.Place("p").Do("burst", func() { panic("burst") })
	})
	if !f.Internal() || !strings.Contains(f.Stack, "scenario_test") {
		t.Errorf("internal %v, stack %q", f.Internal(), f.Stack)
	}
}

func TestACrashEndsWhatRunsThere(t *testing.T) {
	r := mustPlay(t, story(func(s *scenario.Stage) {
		p := s.Place("p")
		job := p.Go("wait", func() { p.Runtime().NewParker().Park(context.Background()) })
		s.Sleep(time.Second)
		p.Crash()
		s.Check(!job.Wait() && job.Done(), "a crash ends a job", "it goes on")
		p.Restart()
		s.Check(p.Do("again", func() {}), "a place can be used again", "it cannot")
	}), scenario.Options{})
	if !r.Held() {
		t.Error(r.Failure)
	}
}

func TestMarksAreCounted(t *testing.T) {
	r := mustPlay(t, story(func(s *scenario.Stage) {
		s.Mark("b")
		s.Mark("a")
		s.Mark("b")
	}), scenario.Options{})
	if fmt.Sprint(r.Marks) != "[{a 1} {b 2}]" {
		t.Errorf("marks: %v", r.Marks)
	}
}

func TestParametersAreCheckedAndRead(t *testing.T) {
	s := story(func(s *scenario.Stage) {
		s.Factf("%d %v", s.Int("n"), s.Duration("d"))
	})
	s.Params = []scenario.Param{{Name: "n", Default: "3"}, {Name: "d", Default: "2s"}}
	r := mustPlay(t, s, scenario.Options{Set: map[string]string{"d": "5m"}})
	if r.Facts[0] != "3 5m0s" {
		t.Errorf("facts: %v", r.Facts)
	}
	for _, set := range []map[string]string{{"n": "x"}, {"n": "-1"}, {"d": "5"}, {"d": "-5s"}, {"m": "1"}} {
		if _, err := scenario.Play(s, scenario.Options{Set: set}); err == nil {
			t.Errorf("%v is taken", set)
		}
	}
	if _, err := scenario.Play(s, scenario.Options{Strategy: "luck"}); err == nil {
		t.Error("the strategy luck is taken")
	}
}

func TestDeferredFunctionsRunLastFirst(t *testing.T) {
	var order []int
	mustPlay(t, story(func(s *scenario.Stage) {
		for i := range 3 {
			s.Defer(func() { s.Sleep(time.Second); order = append(order, i) })
		}
	}), scenario.Options{})
	if fmt.Sprint(order) != "[2 1 0]" {
		t.Errorf("order: %v", order)
	}
}
