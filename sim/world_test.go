package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

func TestRunEndsWhenNothingIsLeft(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	m.Go("sleeper", func() { rt.Sleep(context.Background(), m, time.Hour) })
	m.Go("stuck", func() { wait(m) })
	m.AfterFunc(math.MaxInt64, func() { t.Error("a timer at the end of time fired") })
	run(t, w)
	if w.Elapsed() != time.Hour || w.Tasks() != 1 {
		t.Errorf("at %v with %d tasks", w.Elapsed(), w.Tasks())
	}
	w.Machine("m").Go("late", func() {})
	run(t, w)
}

func TestRunForLeavesTheClockAtItsEnd(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	runFor(t, w, time.Second)
	var ticks []time.Duration
	ticker(w, m, time.Second, &ticks)
	runFor(t, w, 2500*time.Millisecond)
	if w.Elapsed() != 3500*time.Millisecond || len(ticks) != 2 || w.Now().Sub(0) != time.Hour+3500*time.Millisecond {
		t.Errorf("at %v after %v", w.Elapsed(), ticks)
	}
	runFor(t, w, 500*time.Millisecond)
	if len(ticks) != 3 {
		t.Errorf("what is due at the end did not happen: %v", ticks)
	}
	runFor(t, w, -time.Second)
	if w.Elapsed() != 4*time.Second {
		t.Errorf("time went to %v", w.Elapsed())
	}
}

func TestRunUntilSaysWhyItEnded(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	n := 0
	m.AfterInline(time.Second, func() { n++ })
	m.AfterInline(time.Minute, func() { n++ })
	is := func(want int) func() bool { return func() bool { return n == want } }
	for _, c := range []struct {
		want  int
		limit time.Duration
		err   error
		at    time.Duration
	}{
		{0, time.Hour, nil, 0},
		{1, time.Hour, nil, time.Second},
		{2, 10 * time.Second, sim.ErrTimeout, 11 * time.Second},
		{2, time.Hour, nil, time.Minute},
		{3, time.Hour, sim.ErrQuiet, time.Minute},
	} {
		if err := w.RunUntil(is(c.want), c.limit); err != c.err || w.Elapsed() != c.at {
			t.Errorf("%+v: %v at %v", c, err, w.Elapsed())
		}
	}
	m.AfterInline(0, func() { w.Fail(errCause) })
	if err := w.RunUntil(is(9), time.Hour); !errors.Is(err, errCause) {
		t.Errorf("with a failure: %v", err)
	}
}

func TestAtRunsOnTheScheduler(t *testing.T) {
	w := newWorld(t, sim.Config{})
	runFor(t, w, time.Minute)
	var log []string
	note := func(what string) func() { return func() { log = append(log, fmt.Sprint(what, w.Elapsed())) } }
	past := w.At(time.Second, "past", note("past "))
	w.At(2*time.Minute, "future", note("future "))
	stopped := w.At(2*time.Minute, "stopped", note("stopped "))
	stopped.Stop()
	run(t, w)
	if want := []string{"past 1m0s", "future 2m0s"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
	past.Reset(time.Second)
	run(t, w)
	if log[len(log)-1] != "past 2m1s" {
		t.Errorf("got %q", log)
	}
	w.At(0, "parks", func() { wait(w.Machine("m")) })
	if err := w.Run(); err == nil || !strings.Contains(err.Error(), "Park outside of a task") {
		t.Errorf("Run: %v", err)
	}
}

func TestChecksRunAfterEveryEventAndAtAStride(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	each, strides := 0, 0
	w.AfterEach(func() error { each++; return nil })
	w.Every(10, func() error { strides++; return nil })
	m.Go("yields", func() {
		for range 34 {
			m.Yield()
		}
	})
	run(t, w)
	if each != 35 || w.Events() != 35 || strides != 4 {
		t.Errorf("%d events, %d checks after each, %d at stride 10 and in the end", w.Events(), each, strides)
	}
}

func TestACheckThatDoesNotHoldEndsTheRun(t *testing.T) {
	for name, set := range map[string]func(w *sim.World, check func() error){
		"AfterEach": (*sim.World).AfterEach,
		"Every":     func(w *sim.World, check func() error) { w.Every(1, check) },
	} {
		w := newWorld(t, sim.Config{})
		m := w.Machine("m")
		set(w, func() error {
			if w.Elapsed() >= 5*time.Second {
				return errCause
			}
			return nil
		})
		var ticks []time.Duration
		ticker(w, m, time.Second, &ticks)
		err := w.Run()
		var f *sim.Failure
		if !errors.As(err, &f) || f.Kind != sim.FailCheck || f.At != 5*time.Second || f.Event != uint64(w.Events()) || !errors.Is(err, errCause) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecountRunsAtQuiescence(t *testing.T) {
	w := newWorld(t, sim.Config{})
	w.Every(1000, func() error { return errCause })
	if err := w.Run(); !errors.Is(err, errCause) {
		t.Errorf("Run: %v", err)
	}
}

func TestFailEndsTheRunAfterTheEventAndTheFirstStays(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	went := false
	m.Go("fails", func() {
		w.Fail(nil)
		w.Fail(errCause)
		w.Fail(errors.New("another"))
		went = true
		m.Yield()
		t.Error("the run went on")
	})
	err := w.Run()
	var f *sim.Failure
	if !errors.As(err, &f) || f.Err != errCause || f.Task != "fails" || !strings.Contains(f.Stack, "world_test.go") || !went {
		t.Errorf("Run: %v", err)
	}
	if w.RunFor(time.Second) != err || w.Elapsed() != 0 {
		t.Error("a failed world goes on")
	}
	if s := err.Error(); s != "sim: check at 0s, event 1, machine m, task fails#1: the cause" {
		t.Error(s)
	}
}

func TestAPanicOnTheSchedulerIsAFailure(t *testing.T) {
	for name, set := range map[string]func(w *sim.World, m *sim.Machine){
		"inline": func(_ *sim.World, m *sim.Machine) { m.AfterInline(0, func() { explode(errCause) }) },
		"At":     func(w *sim.World, _ *sim.Machine) { w.At(0, "explodes", func() { explode(errCause) }) },
		"check":  func(w *sim.World, _ *sim.Machine) { w.AfterEach(func() error { explode(errCause); return nil }) },
	} {
		w := newWorld(t, sim.Config{})
		m := w.Machine("m")
		m.Go("task", func() { m.Yield() })
		set(w, m)
		err := w.Run()
		var f *sim.Failure
		if !errors.As(err, &f) || f.Kind != sim.FailPanic || !errors.Is(err, errCause) || !strings.HasPrefix(f.Stack, "github.com/maculamesh/macula/sim_test.explode") {
			t.Errorf("%s: %v, stack %q", name, err, f.Stack)
		}
	}
}

func TestFailNowInACheckEndsTheTestAndLeavesTheWorldClosable(t *testing.T) {
	w := sim.New(sim.Config{})
	m := w.Machine("m")
	m.Go("task", func() { wait(m) })
	w.AfterEach(func() error { new(testing.T).SkipNow(); return nil })
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.Close()
		w.Run()
		t.Error("Run returned")
	}()
	<-done
	if w.Tasks() != 0 {
		t.Error("Close left a task")
	}
}

func TestLimitsEndARun(t *testing.T) {
	w := newWorld(t, sim.Config{MaxEvents: 100})
	m := w.Machine("m")
	m.Go("spins", func() {
		for {
			m.Yield()
		}
	})
	if err := w.Run(); !errors.Is(err, sim.ErrMaxEvents) || w.Events() != 100 {
		t.Errorf("after %d events: %v", w.Events(), err)
	}
	w = newWorld(t, sim.Config{MaxTime: time.Minute})
	var ticks []time.Duration
	ticker(w, w.Machine("m"), time.Second, &ticks)
	if err := w.Run(); !errors.Is(err, sim.ErrMaxTime) || w.Elapsed() != time.Minute || len(ticks) != 59 {
		t.Errorf("at %v after %d ticks: %v", w.Elapsed(), len(ticks), err)
	}
}

func TestDrivingTheWorldFromInsidePanics(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	n := 0
	drive := func() {
		for _, f := range []func(){func() { w.Run() }, func() { w.RunFor(1) }, w.Close} {
			if panics(f) {
				n++
			}
		}
	}
	m.Go("task", drive)
	m.AfterInline(0, drive)
	run(t, w)
	if n != 6 {
		t.Errorf("%d of 6 calls panicked", n)
	}
}

func TestFIFOTakesTasksAndTimersInTheirOrder(t *testing.T) {
	w := newWorld(t, sim.Config{Strategy: sim.FIFO()})
	m := w.Machine("m")
	var log []int
	for i := range 20 {
		m.Go("task", func() {
			log = append(log, i)
			m.Yield()
			log = append(log, 100+i)
		})
		m.AfterInline(time.Second, func() { log = append(log, 200+i) })
	}
	run(t, w)
	if !slices.IsSorted(log) || len(log) != 60 {
		t.Errorf("got %v", log)
	}
}

func TestRandomReachesEveryOrder(t *testing.T) {
	tasks, timers := map[string]bool{}, map[string]bool{}
	for seed := range uint64(200) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("m")
		var ran, fired []byte
		for _, c := range []byte("abc") {
			m.Go("task", func() { ran = append(ran, c) })
			m.AfterInline(1, func() { fired = append(fired, c) })
		}
		run(t, w)
		tasks[string(ran)], timers[string(fired)] = true, true
	}
	if len(tasks) != 6 || len(timers) != 6 {
		t.Errorf("%d orders of tasks and %d of timers, want 6", len(tasks), len(timers))
	}
}

func TestATimerThatIsDueCanComeBeforeOrAfterATask(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(50) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("m")
		var log []byte
		m.Go("task", func() { log = append(log, 'a') })
		m.AfterInline(0, func() { log = append(log, 'b') })
		run(t, w)
		seen[string(log)] = true
	}
	if len(seen) != 2 {
		t.Errorf("saw %v", seen)
	}
}

func TestLogLinesGoToTheTraceWithVirtualTime(t *testing.T) {
	out := &bytes.Buffer{}
	w := newWorld(t, sim.Config{Trace: sim.TraceTo(out, sim.KindLog), LogLevel: slog.LevelWarn})
	m := w.Machine("m")
	m.Go("logs", func() {
		rt.Sleep(context.Background(), m, 1500*time.Millisecond)
		m.Logger().Info("below the level")
		m.Logger().With("a", 1).WithGroup("g").Warn("a line", "b", "two words")
	})
	run(t, w)
	want := `1.5s log     m [logs#1] level=WARN msg="a line" a=1 g.b="two words"` + "\n"
	if got := out.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheTraceSaysWhatMadeATaskReady(t *testing.T) {
	var causes []string
	w := newWorld(t, sim.Config{Strategy: sim.FIFO(), Trace: func(r sim.Record) {
		if r.Kind == sim.KindPick && r.Task == "waits" {
			causes = append(causes, sim.Cause(r.B).String())
		}
	}})
	m := w.Machine("m")
	k := m.NewParker()
	m.Go("waits", func() {
		k.Park(context.Background())
		k.Park(context.Background())
		m.Yield()
	})
	m.Go("wakes", k.Unpark)
	m.AfterInline(1, k.Unpark)
	run(t, w)
	if want := []string{"its start", "task 2", "timer 1", "its own yield"}; !slices.Equal(causes, want) {
		t.Errorf("got %q, want %q", causes, want)
	}
}
