package sim_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// parked starts a task that runs f, and lets the world go on until it waits.
func parked(t *testing.T, w *sim.World, m *sim.Machine, f func()) {
	t.Helper()
	m.Go("victim", f)
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
}

// wait parks for ever.
func wait(m *sim.Machine) { m.NewParker().Park(context.Background()) }

func TestAKilledTaskCannotRecover(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	var log []string
	parked(t, w, m, func() {
		func() {
			defer func() { log = append(log, fmt.Sprintf("recover: %v", recover())) }()
			wait(m)
			log = append(log, "Park returned")
		}()
		log = append(log, "the task went on")
	})
	m.Crash()
	if want := []string{"recover: <nil>"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
	if w.Tasks() != 0 || m.Tasks() != 0 {
		t.Errorf("%d tasks are left", w.Tasks())
	}
}

func TestAllDeferredFunctionsOfAKilledTaskRun(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	var log []string
	parked(t, w, m, func() {
		defer func() { log = append(log, "outer") }()
		defer func() {
			log = append(log, "parks")
			wait(m)
			log = append(log, "Park returned")
		}()
		defer func() {
			log = append(log, "yields")
			m.Yield()
			log = append(log, "Yield returned")
		}()
		defer func() {
			log = append(log, "sleeps")
			rt.Sleep(context.Background(), m, time.Second)
			log = append(log, "Sleep returned")
		}()
		wait(m)
	})
	m.Crash()
	if want := []string{"sleeps", "yields", "parks", "outer"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestNothingThatADyingTaskDoesReachesTheWorld(t *testing.T) {
	trace := &strings.Builder{}
	w := newWorld(t, sim.Config{Trace: sim.TraceTo(trace)})
	m, other := w.Machine("m"), w.Machine("other")
	ctx, cancel := other.WithCancelCause(context.Background())
	k := other.NewParker()
	pending := other.AfterInline(time.Hour, func() {})
	woken, started := false, false
	other.Go("waits for a parker", func() { k.Park(context.Background()); woken = true })
	other.Go("waits for a context", func() { other.NewParker().Park(ctx); woken = true })
	m.Go("victim", func() {
		defer func() {
			begin := func() { started = true }
			k.Unpark()
			cancel(errors.New("a dying task"))
			other.Go("child", begin)
			m.Go("child", begin)
			other.AfterFunc(0, begin)
			other.AfterInline(0, begin)
			other.AfterDone(ctx, begin)
			w.At(0, "child", begin)
			other.Logger().Error("a dying task")
			other.Rand("purpose").Uint64()
			pending.Reset(0)
			pending.Stop()
			other.Crash()
			other.Pause()
			other.Slow(time.Second)
			other.StepWall(time.Second)
			w.Fold(sim.KindFault, other, 1, 1)
			w.Note(sim.KindNote, other, "a dying task")
			w.Fail(errors.New("a dying task"))
		}()
		wait(m)
	})
	if err := w.RunFor(time.Second); err != nil {
		t.Fatal(err)
	}
	trace.Reset()
	m.Crash()
	for line := range strings.Lines(trace.String()) {
		if kind := strings.Fields(line)[2]; !slices.Contains([]string{"crash", "unwind", "ignored", "end"}, kind) {
			t.Errorf("in the trace: %s", line)
		}
	}
	if err := w.RunFor(time.Second); err != nil || woken || started || ctx.Err() != nil || !other.Up() {
		t.Errorf("Run: %v, woken: %v, started: %v, context: %v, up: %v", err, woken, started, ctx.Err(), other.Up())
	}
	if !pending.Stop() {
		t.Error("the dying task stopped a timer")
	}
	if !strings.Contains(trace.String(), "ignored") {
		t.Error("the trace does not show what was ignored")
	}
}

func TestADyingTaskMovesNoRandomStreamOn(t *testing.T) {
	next := func(draw bool) uint64 {
		w := newWorld(t, sim.Config{})
		m := w.Machine("m")
		parked(t, w, m, func() {
			defer func() {
				if draw {
					m.Rand("purpose").Uint64()
				}
			}()
			wait(m)
		})
		m.Crash()
		return m.Rand("purpose").Uint64()
	}
	if next(true) != next(false) {
		t.Error("it did")
	}
}

func TestTheOrderOfDeathsIsDrawnFromTheSeed(t *testing.T) {
	order := func(seed uint64) string {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("m")
		var died []string
		for i := range 8 {
			m.Go("victim", func() {
				defer func() { died = append(died, fmt.Sprint(i)) }()
				wait(m)
			})
		}
		w.Run()
		m.Crash()
		return strings.Join(died, "")
	}
	if order(1) != order(1) || order(1) == order(2) || len(order(1)) != 8 {
		t.Errorf("seed 1: %s and %s, seed 2: %s", order(1), order(1), order(2))
	}
}

func TestATaskThatHasNotBegunDiesWithoutRunning(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ran := false
	m.Go("victim", func() { ran = true })
	m.Crash()
	m.Restart()
	if err := w.Run(); err != nil || ran || w.Tasks() != 0 {
		t.Errorf("Run: %v, ran: %v, %d tasks", err, ran, w.Tasks())
	}
}

func TestATaskCanCrashItsOwnMachine(t *testing.T) {
	for name, end := range map[string]func(m *sim.Machine){"Crash": (*sim.Machine).Crash, "Restart": (*sim.Machine).Restart} {
		w := newWorld(t, sim.Config{})
		m := w.Machine("m")
		var log []string
		m.Go("other", func() {
			defer func() { log = append(log, "other") }()
			wait(m)
		})
		m.Go("self", func() {
			defer func() {
				m.Go("child", func() { log = append(log, "a child of the dead") })
				log = append(log, "self")
			}()
			m.Yield()
			end(m)
			log = append(log, "went on")
		})
		if err := w.Run(); err != nil {
			t.Fatal(name, err)
		}
		if want := []string{"other", "self"}; !slices.Equal(log, want) || w.Tasks() != 0 {
			t.Errorf("%s: got %q, want %q; %d tasks", name, log, want, w.Tasks())
		}
		if m.Up() != (name == "Restart") {
			t.Errorf("%s: up is %v", name, m.Up())
		}
	}
}

func TestATaskCanCrashAnotherMachineAndGoOn(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	var log []string
	other.Go("victim", func() {
		defer func() { log = append(log, "died") }()
		wait(other)
	})
	m.Go("killer", func() {
		m.Yield()
		other.Crash()
		log = append(log, "killed")
		m.Yield()
		log = append(log, "went on")
	})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"died", "killed", "went on"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestAPanicWhileDyingIsKeptAndFailsNothing(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	outer := false
	parked(t, w, m, func() {
		defer func() { outer = true }()
		defer func() { panic("in a deferred function") }()
		wait(m)
	})
	m.Crash()
	if err := w.Run(); err != nil || !outer {
		t.Errorf("Run: %v, the outer deferred function ran: %v", err, outer)
	}
	if u := w.Unwound(); len(u) != 1 || !strings.Contains(u[0].Error(), "in a deferred function") {
		t.Errorf("Unwound: %v", u)
	}
	parked(t, w, w.Machine("n"), func() {})
}

func TestCloseUnwindsTasksAndEndsTheWorld(t *testing.T) {
	w := sim.New(sim.Config{})
	m := w.Machine("m")
	dark, died, ran := false, false, false
	m.OnCrash(func() { dark = !died })
	m.Go("victim", func() {
		defer func() { died = true }()
		wait(m)
	})
	m.AfterInline(time.Hour, func() { ran = true })
	w.RunFor(time.Second)
	w.Close()
	w.Close()
	m.Go("late", func() { ran = true })
	m.AfterFunc(0, func() { ran = true }).Stop()
	w.At(0, "late", func() { ran = true })
	if err := w.Run(); err != nil || !dark || !died || ran || w.Tasks() != 0 {
		t.Errorf("Run: %v, dark first: %v, died: %v, ran: %v", err, dark, died, ran)
	}
}

func TestGoexitInATaskFailsTheRunAndNotTheScheduler(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	deferred := false
	m.Go("exits", func() {
		defer func() { deferred = true }()
		m.Yield()
		runtime.Goexit()
	})
	var f *sim.Failure
	if err := w.Run(); !errors.As(err, &f) || f.Kind != sim.FailExit || f.Task != "exits" || !deferred {
		t.Errorf("Run: %v, deferred: %v", err, deferred)
	}
}

func TestFailNowInATaskFailsTheRunAndNotTheScheduler(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	m.Go("fails", func() { new(testing.T).SkipNow() })
	if err := w.Run(); err == nil {
		t.Error("Run returned nil")
	}
}

func TestAPanicInATaskIsAFailureWithItsStack(t *testing.T) {
	cause := errors.New("the cause")
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	m.Go("panics", func() {
		m.Yield()
		explode(cause)
	})
	var f *sim.Failure
	err := w.Run()
	if !errors.As(err, &f) || f.Kind != sim.FailPanic || f.Machine != "m" || f.Task != "panics" || !errors.Is(err, cause) {
		t.Fatalf("Run: %v", err)
	}
	if first, _, _ := strings.Cut(f.Stack, "\n"); !strings.Contains(first, "explode (sim/kill_test.go:") {
		t.Errorf("the stack begins with %q", first)
	}
	if w.Run() != err || w.Failed() != err {
		t.Error("the failure does not stay")
	}
}

func explode(err error) { panic(err) }

func TestWhatAKilledTaskWaitedForServesOthers(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	k := other.NewParker()
	ctx, cancel := other.WithCancelCause(context.Background())
	parked(t, w, m, func() { k.Park(ctx) })
	m.Crash()
	var err error
	other.Go("next", func() { err = k.Park(ctx) })
	run(t, w)
	cancel(errCause)
	run(t, w)
	if err != errCause {
		t.Errorf("Park: %v", err)
	}
}
