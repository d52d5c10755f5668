package sim_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// run drives w and fails the test on a failure.
func run(t *testing.T, w *sim.World) {
	t.Helper()
	if err := w.Run(); err != nil {
		t.Fatal(err, "\n", err.(*sim.Failure).Stack)
	}
}

func runFor(t *testing.T, w *sim.World, d time.Duration) {
	t.Helper()
	if err := w.RunFor(d); err != nil {
		t.Fatal(err, "\n", err.(*sim.Failure).Stack)
	}
}

// ticker has m note the virtual time every period, by a timer that is set
// again each time.
func ticker(w *sim.World, m *sim.Machine, period time.Duration, ticks *[]time.Duration) {
	var tm rt.Timer
	tm = m.AfterFunc(period, func() {
		*ticks = append(*ticks, w.Elapsed())
		tm.Reset(period)
	})
}

func TestACrashEndsTasksTimersAndContexts(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	ctx, cancel := other.WithCancelCause(context.Background())
	happened := ""
	note := func(what string) func() { return func() { happened += what + " " } }
	m.AfterFunc(time.Second, note("task timer"))
	m.AfterInline(time.Second, note("inline timer"))
	m.AfterDone(ctx, note("hook"))
	limit, _ := m.WithTimeout(ctx, time.Second)
	m.Go("sleeper", func() { rt.Sleep(context.Background(), m, time.Second); note("sleeper")() })
	runFor(t, w, time.Millisecond)
	m.Crash()
	m.Crash()
	m.Go("late", note("late task"))
	m.AfterFunc(0, note("late timer"))
	m.AfterDone(ctx, note("late hook"))
	cancel(nil)
	run(t, w)
	if happened != "" || w.Elapsed() != time.Millisecond || len(w.Leaks()) != 0 {
		t.Errorf("happened: %q, at %v, left: %v", happened, w.Elapsed(), w.Leaks())
	}
	if limit.Err() != nil {
		t.Errorf("a context of the dead machine ended: %v", limit.Err())
	}
}

func TestARestartedMachineWorksAndOldTimersStayDead(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	old := m.AfterFunc(time.Second, func() { t.Error("a timer of the time before fired") })
	before := m.Now()
	m.Crash()
	runFor(t, w, time.Minute)
	m.Restart()
	if old.Reset(0) || old.Stop() || !m.Up() {
		t.Error("the old timer is pending, or the machine down")
	}
	woke := false
	m.Go("sleeper", func() { woke = rt.Sleep(context.Background(), m, time.Second) == nil })
	run(t, w)
	if !woke || m.Now().Sub(before) != time.Minute+time.Second {
		t.Errorf("woke: %v, after %v", woke, m.Now().Sub(before))
	}
}

func TestOnCrashRunsBeforeTheTasksDie(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	var log []string
	m.OnCrash(func() { log = append(log, fmt.Sprint("dark, up is ", m.Up())) })
	remove := m.OnCrash(func() { log = append(log, "removed") })
	m.Go("victim", func() {
		defer func() { log = append(log, "died") }()
		wait(m)
	})
	run(t, w)
	remove()
	m.Restart()
	m.Crash()
	if want := []string{"dark, up is false", "died", "dark, up is false"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestAPausedMachineStandsStillAndCatchesUp(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	var log []string
	note := func(what string) func() { return func() { log = append(log, fmt.Sprint(w.Elapsed(), " ", what)) } }
	k := m.NewParker()
	m.Go("waits", func() { k.Park(context.Background()); note("task")() })
	m.AfterInline(2*time.Second, note("second"))
	m.AfterInline(1*time.Second, note("first"))
	m.AfterInline(20*time.Second, note("late"))
	stopped := m.AfterInline(3*time.Second, note("stopped"))
	moved := m.AfterInline(4*time.Second, note("moved"))
	other.AfterInline(time.Second, k.Unpark)
	other.AfterInline(4*time.Second, note("other"))
	runFor(t, w, time.Millisecond)
	m.Pause()
	before := m.Now()
	runFor(t, w, 10*time.Second)
	if !m.Paused() || m.Now().Sub(before) != 10*time.Second {
		t.Error("the clock stood still too")
	}
	if !stopped.Stop() || stopped.Stop() || !moved.Reset(20*time.Second) {
		t.Error("a timer that is put aside is not pending")
	}
	m.Resume()
	run(t, w)
	slices.SortStableFunc(log[1:4], func(a, b string) int { return 0 })
	for _, want := range []string{"4s other", "10.001s first", "10.001s second", "10.001s task", "20s late", "30.001s moved"} {
		if !slices.Contains(log, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if len(log) != 6 || slices.Index(log, "10.001s first") > slices.Index(log, "10.001s second") {
		t.Errorf("got %q", log)
	}
}

func TestAWorldWithAPausedMachineIsQuiet(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	var ticks []time.Duration
	ticker(w, m, time.Second, &ticks)
	m.Pause()
	run(t, w)
	if len(ticks) != 0 || len(w.Leaks()) != 1 {
		t.Errorf("%d ticks, left: %v", len(ticks), w.Leaks())
	}
	m.Crash()
	m.Restart()
	if m.Paused() || len(w.Leaks()) != 0 {
		t.Errorf("paused: %v, left: %v", m.Paused(), w.Leaks())
	}
}

func TestASlowMachineTakesItsTime(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	turns := func() time.Duration {
		start := w.Elapsed()
		m.Go("turns", func() {
			for range 100 {
				m.Yield()
			}
		})
		run(t, w)
		return w.Elapsed() - start
	}
	if d := turns(); d != 0 {
		t.Errorf("a fast machine took %v", d)
	}
	m.Slow(time.Millisecond)
	if d := turns(); d < 30*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("a slow machine took %v for 101 delays of at most 1ms", d)
	}
	m.Go("killed", func() { t.Error("ran after its machine had crashed") })
	m.Crash()
	m.Restart()
	m.Slow(0)
	if d := turns(); d != 0 {
		t.Errorf("a machine that is fast again took %v", d)
	}
}

func TestAStepOfTheWallClockMovesNothingElse(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	ctx, cancel := m.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	wall, now := m.Wall(), m.Now()
	for _, d := range []time.Duration{time.Hour, -25 * time.Hour} {
		m.StepWall(d)
		left, ok := rt.Remaining(m, ctx)
		if !ok || left != time.Minute || m.Now() != now {
			t.Errorf("remaining %v, %v; Now moved by %v", left, ok, m.Now().Sub(now))
		}
	}
	if d := m.Wall().Sub(wall); d != -24*time.Hour || !other.Wall().Equal(wall) {
		t.Errorf("the wall clock moved by %v", d)
	}
	run(t, w)
	if w.Elapsed() != time.Minute || ctx.Err() != context.DeadlineExceeded {
		t.Errorf("the timeout came at %v: %v", w.Elapsed(), ctx.Err())
	}
}

func TestAStepOfTheMonotonicClockMakesTimersDue(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, other := w.Machine("m"), w.Machine("other")
	var ticks, others []time.Duration
	ticker(w, m, time.Minute, &ticks)
	ticker(w, other, time.Minute, &others)
	wall, now := m.Wall(), m.Now()
	w.At(50*time.Second, "step", func() { m.StepMono(30 * time.Second) })
	runFor(t, w, 2*time.Minute)
	if want := []time.Duration{50 * time.Second, 110 * time.Second}; !slices.Equal(ticks, want) {
		t.Errorf("ticks at %v, want %v", ticks, want)
	}
	if want := []time.Duration{time.Minute, 2 * time.Minute}; !slices.Equal(others, want) {
		t.Errorf("another machine's ticks at %v, want %v", others, want)
	}
	if m.Now().Sub(now) != 150*time.Second || m.Wall().Sub(wall) != 2*time.Minute {
		t.Errorf("Now moved by %v, Wall by %v", m.Now().Sub(now), m.Wall().Sub(wall))
	}
}

func TestADriftingClockRunsFastOrSlow(t *testing.T) {
	w := newWorld(t, sim.Config{})
	fast, slow := w.Machine("fast"), w.Machine("slow")
	var fastTicks, slowTicks []time.Duration
	ticker(w, fast, 10*time.Second, &fastTicks)
	ticker(w, slow, 10*time.Second, &slowTicks)
	w.At(4*time.Second, "drift", func() {
		fast.Drift(200_000) // 6 s more take 5 s
		slow.Drift(-250_000)
	})
	runFor(t, w, 9*time.Second)
	if !slices.Equal(fastTicks, []time.Duration{9 * time.Second}) {
		t.Errorf("the fast one ticked at %v", fastTicks)
	}
	runFor(t, w, 3*time.Second)
	if !slices.Equal(slowTicks, []time.Duration{12 * time.Second}) {
		t.Errorf("the slow one ticked at %v", slowTicks)
	}
	now, wall := fast.Now(), fast.Wall()
	fast.Drift(0)
	if fast.Now() != now {
		t.Error("the end of the drift moved the clock")
	}
	runFor(t, w, time.Second)
	if fast.Now().Sub(now) != time.Second || fast.Wall().Sub(wall) != time.Second {
		t.Error("the clock drifts on")
	}
}

func TestMachinesHaveOriginsOfTheirOwn(t *testing.T) {
	w := newWorld(t, sim.Config{})
	if w.Machine("a").Now() == w.Machine("b").Now() {
		t.Error("two machines have the same")
	}
	if w.Machine("a") != w.Machine("a") || len(w.Machines()) != 2 {
		t.Error("a name stands for two machines")
	}
}

func TestAStreamDoesNotDependOnDrawsElsewhere(t *testing.T) {
	draw := func(disturb bool) [2]uint64 {
		w := newWorld(t, sim.Config{})
		if disturb {
			w.Machine("z").Rand("x").Uint64()
			w.Machine("m").Rand("y").Uint64()
			w.Rand("x").Uint64()
		}
		return [2]uint64{w.Machine("m").Rand("x").Uint64(), w.Rand("y").Uint64()}
	}
	if a := draw(false); a != draw(true) || a[0] == a[1] {
		t.Error("it does")
	}
}

func TestInvalidClockFaultsPanic(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	for name, f := range map[string]func(){
		"back":     func() { m.StepMono(-1) },
		"too fast": func() { m.Drift(500_001) },
		"too slow": func() { m.Drift(-500_001) },
	} {
		if !panics(f) {
			t.Errorf("%s: no panic", name)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestAStepOfTheClockReachesTimersOfAPausedMachine(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	fired := time.Duration(0)
	m.AfterInline(20*time.Second, func() { fired = w.Elapsed() })
	m.Pause()
	runFor(t, w, 2*time.Second)
	m.StepMono(15 * time.Second)
	runFor(t, w, time.Second)
	m.Resume()
	run(t, w)
	if fired != 5*time.Second {
		t.Errorf("fired at %v", fired)
	}
}
