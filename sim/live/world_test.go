package live_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func TestTasksExcludeEachOtherUntilTheyWait(t *testing.T) {
	w := newWorld(t)
	m := w.Machine("m")
	const tasks, rounds = 8, 200
	count, inside := 0, 0 // plain: the race detector watches
	err := play(t, w, m, func() {
		g := rt.NewGroup(m)
		for range tasks {
			g.Go("counter", func() {
				for range rounds {
					if inside++; inside != 1 {
						t.Errorf("%d tasks run at once", inside)
					}
					count++
					inside--
					m.Yield()
				}
			})
		}
		g.Wait(context.Background())
	})
	if err != nil || count != tasks*rounds {
		t.Errorf("counted to %d, %v", count, err)
	}
}

func TestATaskThatParksLetsOthersRun(t *testing.T) {
	w := newWorld(t)
	a, b := w.Machine("a"), w.Machine("b")
	p := a.NewParker()
	var order []string
	err := play(t, w, a, func() {
		b.Go("other", func() {
			order = append(order, "other")
			p.Unpark()
		})
		order = append(order, "first")
		p.Park(context.Background())
		order = append(order, "woken")
	})
	if err != nil || fmt.Sprint(order) != "[first other woken]" {
		t.Errorf("%v, %v", order, err)
	}
}

func TestAPermitThatComesBeforeTheTurnWins(t *testing.T) {
	w := newWorld(t)
	m := w.Machine("m")
	err := play(t, w, m, func() {
		p := m.NewParker()
		ctx, cancel := m.WithCancelCause(context.Background())
		over := false
		m.Go("parked", func() {
			if err := p.Park(ctx); err != nil {
				t.Errorf("Park: %v", err)
			}
			over = true
		})
		wait(m, func() bool { return strings.Contains(fmt.Sprint(w.Waiters()), "in Park") })
		cancel(nil)
		time.Sleep(5 * time.Millisecond) // its goroutine is awake by now, and waits for the turn
		p.Unpark()
		wait(m, func() bool { return over })
	})
	if err != nil {
		t.Error(err)
	}
}

// lazy is a context that is made when somebody asks for its end, as a node has
// for calls.
type lazy struct {
	context.Context
	m     rt.Runtime
	made  context.Context
	asked *int
}

func (c *lazy) Done() <-chan struct{} {
	if c.made == nil {
		*c.asked++ // plain: the race detector watches
		c.made, _ = c.m.WithCancelCause(c.Context)
	}
	return c.made.Done()
}

func TestAContextIsAskedForItsEndByWhoHasTheTurn(t *testing.T) {
	w := newWorld(t)
	m := w.Machine("m")
	asked := 0
	err := play(t, w, m, func() {
		parent, cancel := m.WithCancelCause(context.Background())
		defer cancel(nil)
		g := rt.NewGroup(m)
		for range 8 {
			g.Go("sleeper", func() {
				for range 20 {
					rt.Sleep(&lazy{Context: parent, m: m, asked: &asked}, m, time.Microsecond)
				}
			})
		}
		g.Wait(context.Background())
	})
	if err != nil || asked == 0 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// TestACrashEndsWhateverWaits lets tasks wait in every way, and crashes their
// machine.
func TestACrashEndsWhateverWaits(t *testing.T) {
	w := newWorld(t)
	story, m := w.Machine("story"), w.Machine("m")
	other := listens(w, "other", transport.Config{})
	tr := w.Network().Host("m").Transport(m, idOf("m"), transport.Config{})
	m.OnCrash(w.Network().Host("m").Crash)
	var unwound []string
	fired, alarm := false, story.NewParker()
	waits := func(name string, f func()) {
		m.Go(name, func() {
			defer func() {
				unwound = append(unwound, name)
				m.Go("posthumous", func() { fired = true })
				m.AfterFunc(0, func() { fired = true })
				alarm.Unpark()
				tr.Close() // waits, so it does not return
				t.Errorf("%s goes on after it was killed", name)
			}()
			f()
			t.Errorf("%s returns", name)
		})
	}
	err := play(t, w, story, func() {
		waits("parked", func() { m.NewParker().Park(context.Background()) })
		waits("asleep", func() { rt.Sleep(context.Background(), m, time.Hour) })
		waits("accepting", func() {
			l, _ := tr.Listen(transport.ListenConfig{})
			l.Accept(context.Background())
		})
		waits("reading", func() {
			c, err := tr.Dial(context.Background(), other.addr, other.id)
			if err != nil {
				t.Error(err)
				return
			}
			s, _ := c.OpenStream(context.Background())
			s.Read(make([]byte, 1))
		})
		m.AfterFunc(time.Hour, func() {})
		wait(story, func() bool { return strings.Count(fmt.Sprint(w.Waiters()), "in Read") == 1 })
		if m.Tasks() != 4 {
			t.Errorf("%d tasks: %v", m.Tasks(), w.Waiters())
		}
		m.Crash()
		if m.Tasks() != 0 || m.Up() {
			t.Errorf("%d tasks after the crash", m.Tasks())
		}
		slices.Sort(unwound)
		if got := fmt.Sprint(unwound); got != "[accepting asleep parked reading]" {
			t.Errorf("unwound: %s", got)
		}
		m.Restart()
		back := false
		m.Go("back", func() { back = true })
		wait(story, func() bool { return back })
		if fired {
			t.Error("what a dying task has started runs")
		}
		over, cancel := story.WithTimeout(context.Background(), 0)
		defer cancel()
		if alarm.Park(over) == nil {
			t.Error("a dying task wakes others")
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestATaskCanCrashItsOwnMachine(t *testing.T) {
	w := newWorld(t)
	story, m := w.Machine("story"), w.Machine("m")
	err := play(t, w, story, func() {
		m.Go("sibling", func() { m.NewParker().Park(context.Background()) })
		m.Go("suicide", func() {
			m.Crash()
			t.Error("Crash returns to a task of the machine")
		})
		wait(story, func() bool { return !m.Up() && m.Tasks() == 0 })
	})
	if err != nil {
		t.Error(err)
	}
}

// run plays a story that is written in Go.
func run(t *testing.T, opt scenario.Options, f func(s *scenario.Stage)) *scenario.Result {
	t.Helper()
	r, err := scenario.PlayIn(newWorld(t), &scenario.Scenario{Name: "story", Play: f}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func want(t *testing.T, r *scenario.Result, property string) {
	t.Helper()
	switch {
	case property == "" && !r.Held():
		t.Errorf("%v\n%v\n%v\n%s", r.Failure, r.Failure.Leaks, r.Failure.Waiting, r.Failure.Stack)
	case property != "" && (r.Held() || r.Failure.Property != property):
		t.Errorf("got %v, want a violation of %q", r.Failure, property)
	}
}

func TestAPropertyThatBreaksBetweenTwoWaitsIsSeen(t *testing.T) {
	broken := false
	r := run(t, scenario.Options{}, func(s *scenario.Stage) {
		s.Always("it is whole", func() error {
			if broken {
				return errors.New("it is broken")
			}
			return nil
		})
		p := s.Place("p")
		p.Do("quick", func() {
			broken = true // nobody sees this
			broken = false
			p.Runtime().Yield()
			broken = true
			p.Runtime().Yield() // everybody sees that
			t.Error("the run goes on")
		})
	})
	want(t, r, "it is whole")
}

func TestAGaugeAboveItsLimitIsSeen(t *testing.T) {
	r := run(t, scenario.Options{}, func(s *scenario.Stage) {
		p, n := s.Place("p"), 0
		p.Gauge("things", 2, func() int { return n })
		for range 3 {
			p.Do("more", func() { n++ })
		}
	})
	want(t, r, "things")
}

func TestAPanicOfATaskIsSeen(t *testing.T) {
	r := run(t, scenario.Options{}, func(s *scenario.Stage) {
		s.Place("p").Do("panics", func() { panic("for a reason") })
	})
	want(t, r, "panic")
	if !strings.Contains(r.Failure.Error(), "for a reason") {
		t.Error(r.Failure)
	}
}

func TestARunEndsWhenItIsStopped(t *testing.T) {
	stop := false
	r := run(t, scenario.Options{Stop: func() bool { return stop }}, func(s *scenario.Stage) {
		stop = true
		s.Runtime().NewParker().Park(context.Background())
	})
	want(t, r, scenario.Interrupted)
}

func TestAStoryThatComesToNothingIsSeen(t *testing.T) {
	r := run(t, scenario.Options{}, func(s *scenario.Stage) {
		s.Runtime().NewParker().Park(context.Background())
	})
	want(t, r, "deadline")
	if len(r.Failure.Waiting) != 1 || !strings.Contains(r.Failure.Waiting[0], "world_test.go") {
		t.Errorf("who waits: %v", r.Failure.Waiting)
	}
}

func TestWhatIsLeftIsALeak(t *testing.T) {
	for name, f := range map[string]func(p *scenario.Place){
		"task parked": func(p *scenario.Place) {
			p.Go("parked", func() { p.Runtime().NewParker().Park(context.Background()) })
		},
		"context WithCancelCause": func(p *scenario.Place) {
			parent, _ := p.Runtime().WithCancelCause(context.Background())
			p.Runtime().WithCancelCause(parent)
		},
		"context hook AfterDone": func(p *scenario.Place) {
			ctx, _ := p.Runtime().WithCancelCause(context.Background())
			p.Runtime().AfterDone(ctx, func() {})
		},
	} {
		r := run(t, scenario.Options{}, func(s *scenario.Stage) {
			p := s.Place("p")
			p.Do("leaks", func() { f(p) })
			s.Sleep(time.Millisecond)
		})
		want(t, r, "leak")
		if got := fmt.Sprint(r.Failure.Leaks); !strings.Contains(got, "p: "+name) || !strings.Contains(got, "world_test.go") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestClocksCanBeSet(t *testing.T) {
	w := newWorld(t)
	m := w.Machine("m")
	err := play(t, w, m, func() {
		ctx, cancel := m.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		wall, now := m.Wall(), m.Now()
		m.StepWall(-24 * time.Hour)
		if d := wall.Sub(m.Wall()); d < 23*time.Hour {
			t.Errorf("the calendar went back by %v", d)
		}
		if left, ok := rt.Remaining(m, ctx); !ok || left < 59*time.Minute || left > time.Hour {
			t.Errorf("the deadline is in %v after a step of the calendar", left)
		}
		fired := false
		m.AfterFunc(2*time.Hour, func() { fired = true })
		m.StepMono(3 * time.Hour)
		if m.Now().Sub(now) < 3*time.Hour {
			t.Errorf("%v have passed", m.Now().Sub(now))
		}
		m.NewParker().Park(ctx)
		if ctx.Err() != context.DeadlineExceeded {
			t.Error(ctx.Err())
		}
		wait(m, func() bool { return fired })
		m.Drift(500_000)
		at := m.Now()
		begun := w.Elapsed()
		rt.Sleep(context.Background(), m, 30*time.Millisecond)
		if took, mine := w.Elapsed()-begun, m.Now().Sub(at); mine < 30*time.Millisecond || took > mine*9/10 {
			t.Errorf("%v passed for the machine, and %v", mine, took)
		}
		m.Drift(0)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAMachineThatStandsStillDoesNothing(t *testing.T) {
	w := newWorld(t)
	story, m := w.Machine("story"), w.Machine("m")
	steps := 0
	err := play(t, w, story, func() {
		over := false
		m.Go("walk", func() {
			for !over {
				steps++
				rt.Sleep(context.Background(), m, time.Millisecond)
			}
		})
		wait(story, func() bool { return steps > 3 })
		m.Pause()
		at := steps
		rt.Sleep(context.Background(), story, 30*time.Millisecond)
		if steps != at {
			t.Errorf("%d steps while it stood still", steps-at)
		}
		m.Resume()
		wait(story, func() bool { return steps > at })
		over = true
		wait(story, func() bool { return m.Tasks() == 0 })
	})
	if err != nil {
		t.Error(err)
	}
}

// wait waits until cond holds; the patience of play bounds it.
func wait(r rt.Runtime, cond func() bool) {
	for !cond() {
		rt.Sleep(context.Background(), r, time.Millisecond)
	}
}

func TestRareThingsAreDoneOnPurpose(t *testing.T) {
	w := newWorld(t)
	m := w.Machine("m")
	err := play(t, w, m, func() {
		if rt.Buggify(m, "point") {
			t.Error("a point fires that nobody has asked to")
		}
		w.SetBuggify(sim.Buggify{Active: 1_000_000, Fire: 1_000_000})
		if !rt.Buggify(m, "point") || len(w.Buggified()) != 1 || w.Buggified()[0].Fired != 1 {
			t.Errorf("it does not fire: %v", w.Buggified())
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestASystemWithSimulatedDisksIsRefused(t *testing.T) {
	_, err := scenario.PlayIn(newWorld(t), &scenario.Scenario{Name: "kept", System: &scenario.System{Name: "disks", Disks: true}}, scenario.Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot be played live") {
		t.Error(err)
	}
}

func TestALiveParameterIsADefault(t *testing.T) {
	got := ""
	s := &scenario.Scenario{
		Name: "story", Params: []scenario.Param{{Name: "a", Default: "1"}, {Name: "b", Default: "1"}, {Name: "c", Default: "1"}},
		Live: map[string]string{"a": "2", "b": "2"},
		Play: func(s *scenario.Stage) { got = fmt.Sprint(s.Int("a"), s.Int("b"), s.Int("c"), s.Live()) },
	}
	if _, err := scenario.PlayIn(newWorld(t), s, scenario.Options{Set: map[string]string{"b": "3"}}); err != nil || got != "2 3 1 true" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAMutexHeldAcrossWhatMayParkFailsTheRun(t *testing.T) {
	for name, f := range map[string]func(m scenario.Machine){
		"Sleep":      func(m scenario.Machine) { rt.Sleep(context.Background(), m, 0) },
		"Gate.Pass":  func(m scenario.Machine) { rt.NewGate(m, true).Pass(context.Background()) },
		"Group.Wait": func(m scenario.Machine) { rt.NewGroup(m).Wait(context.Background()) },
	} {
		w := newWorld(t)
		m := w.Machine("m")
		mu := rt.NewMutex(m)
		err := play(t, w, m, func() {
			mu.Lock()
			defer mu.Unlock()
			f(m)
		})
		if err == nil || !strings.Contains(err.Error(), "with an rt.Mutex held") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
