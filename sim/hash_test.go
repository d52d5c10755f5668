package sim_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// chatter is a run with a bit of everything: five machines send numbers around,
// with timeouts, timers, log lines, random pauses, crashes and clock faults.
func chatter(t testing.TB, cfg sim.Config) *sim.World {
	w := newWorld(t, cfg)
	const n = 5
	ctx, cancel := w.Machine("m0").WithCancelCause(context.Background())
	in := make([]*rt.Queue[int], n)
	for i := range in {
		in[i] = rt.NewQueue[int](w.Machine(fmt.Sprint("m", i)), 4)
	}
	start := func(i int) {
		m := w.Machine(fmt.Sprint("m", i))
		m.Go("reader", func() {
			for {
				v, err := in[i].Get(ctx)
				if err != nil {
					return
				}
				m.Logger().Info("got", "v", v)
				if v > 0 {
					m.AfterFunc(time.Duration(m.Rand("delay").IntN(1e6)), func() {
						limit, done := m.WithTimeout(ctx, time.Millisecond)
						defer done()
						in[m.Rand("to").IntN(n)].Put(limit, v-1)
					})
				}
			}
		})
		m.Go("writer", func() {
			for range 20 {
				in[m.Rand("to").IntN(n)].Put(ctx, 5)
				rt.Sleep(ctx, m, time.Millisecond)
			}
		})
	}
	for i := range n {
		start(i)
	}
	w.At(3*time.Millisecond, "faults", func() {
		w.Machine("m1").Crash()
		w.Machine("m2").Pause()
		w.Machine("m3").Slow(time.Millisecond)
		w.Machine("m4").Drift(500)
	})
	w.At(7*time.Millisecond, "repairs", func() {
		w.Machine("m1").Restart()
		start(1)
		w.Machine("m2").Resume()
	})
	w.At(time.Second, "end", func() { cancel(nil) })
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if l := w.Leaks(); len(l) > 0 {
		t.Fatal("left:", l)
	}
	return w
}

func TestTheSameSeedGivesTheSameHash(t *testing.T) {
	first := chatter(t, sim.Config{Seed: 7})
	if first.Events() < 500 {
		t.Fatalf("only %d events: the program shows nothing", first.Events())
	}
	want := first.Hash()
	for _, procs := range []int{1, 2} {
		old := runtime.GOMAXPROCS(procs)
		chatter(t, sim.Config{Seed: 8}) // another seed before it changes nothing
		got := chatter(t, sim.Config{Seed: 7})
		runtime.GOMAXPROCS(old)
		if got.Hash() != want {
			t.Errorf("GOMAXPROCS %d: %v, want hash %016x", procs, got, want)
		}
	}
}

func TestTheHashDoesNotDependOnWhatOnlyWatches(t *testing.T) {
	want := chatter(t, sim.Config{Seed: 7}).Hash()
	n := 0
	for name, cfg := range map[string]sim.Config{
		"no sites":   {Seed: 7, NoSites: true},
		"lock sites": {Seed: 7, LockSites: true},
		"a trace":    {Seed: 7, Trace: func(sim.Record) { n++ }},
		"points":     {Seed: 7, Checkpoint: 1},
	} {
		if got := chatter(t, cfg).Hash(); got != want {
			t.Errorf("with %s the hash is %016x, want %016x", name, got, want)
		}
	}
	if n < 500 {
		t.Errorf("the trace has %d records", n)
	}
}

func TestSeedsAndStrategiesGiveDifferentHashes(t *testing.T) {
	seen := map[uint64]string{}
	for seed := range uint64(20) {
		for _, s := range []sim.Strategy{sim.Random(), sim.FIFO()} {
			w := chatter(t, sim.Config{Seed: seed, Strategy: s})
			if other, ok := seen[w.Hash()]; ok {
				t.Errorf("%v has the hash of %s", w, other)
			}
			seen[w.Hash()] = w.String()
		}
	}
}

func TestCheckpointsSayWhereTwoRunsPart(t *testing.T) {
	run := func(n int) []sim.Checkpoint {
		w := newWorld(t, sim.Config{Checkpoint: 1, Strategy: sim.FIFO()})
		m := w.Machine("m")
		for i := range 5000 {
			w.At(time.Duration(i), "step", func() {
				if i == n {
					m.Logger().Info("here")
				}
			})
		}
		w.Run()
		return w.Checkpoints()
	}
	a, b := run(-1), run(4000)
	if len(a) > 1024 || len(a) < 512 {
		t.Errorf("%d checkpoints", len(a))
	}
	for i := range a {
		if same := a[i] == b[i]; same != (a[i].Event <= 4000) {
			t.Errorf("the checkpoints after event %d: same is %v", a[i].Event, same)
		}
	}
}

// lastFirst picks the youngest, so that it differs from FIFO by nothing but
// its picks.
type lastFirst struct{ sim.Strategy }

func (lastFirst) Pick(ready []*sim.Task, _ bool) int { return len(ready) - 1 }

// hashOf runs what f sets up.
func hashOf(t *testing.T, cfg sim.Config, f func(w *sim.World, m *sim.Machine)) uint64 {
	t.Helper()
	if cfg.Strategy == nil {
		cfg.Strategy = sim.FIFO()
	}
	w := newWorld(t, cfg)
	f(w, w.Machine("m"))
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	return w.Hash()
}

// differ demands that two programs, which differ in one kind of decision only,
// have different hashes.
func differ(t *testing.T, a, b func(w *sim.World, m *sim.Machine)) {
	t.Helper()
	if hashOf(t, sim.Config{}, a) == hashOf(t, sim.Config{}, b) {
		t.Error("the hash does not tell them apart")
	}
}

func nothing(*sim.World, *sim.Machine) {}

func TestTheHashFoldsMachines(t *testing.T) {
	differ(t, func(w *sim.World, _ *sim.Machine) { w.Machine("a") }, func(w *sim.World, _ *sim.Machine) { w.Machine("b") })
}

func TestTheHashFoldsSpawns(t *testing.T) {
	differ(t, func(_ *sim.World, m *sim.Machine) { m.Go("a", func() {}) }, func(_ *sim.World, m *sim.Machine) { m.Go("b", func() {}) })
}

func TestTheHashFoldsPicks(t *testing.T) {
	program := func(_ *sim.World, m *sim.Machine) {
		m.Go("task", func() {})
		m.Go("task", func() {})
	}
	if hashOf(t, sim.Config{Strategy: sim.FIFO()}, program) == hashOf(t, sim.Config{Strategy: lastFirst{sim.FIFO()}}, program) {
		t.Error("the hash does not see which task was picked")
	}
}

func TestTheHashFoldsTimers(t *testing.T) {
	after := func(d time.Duration) func(*sim.World, *sim.Machine) {
		return func(_ *sim.World, m *sim.Machine) { m.AfterInline(d, func() {}) }
	}
	differ(t, after(1), after(2))
}

func TestTheHashFoldsFunctionsOfTheWorld(t *testing.T) {
	at := func(name string) func(*sim.World, *sim.Machine) {
		return func(w *sim.World, _ *sim.Machine) { w.At(1, name, func() {}) }
	}
	differ(t, at("a"), at("b"))
}

func TestTheHashFoldsRandomDraws(t *testing.T) {
	draw := func(n int) func(*sim.World, *sim.Machine) {
		return func(_ *sim.World, m *sim.Machine) {
			for range n {
				m.Rand("purpose").Uint64()
			}
		}
	}
	differ(t, draw(1), draw(2))
}

func TestTheHashFoldsTheOrderOfTimersOfOneInstant(t *testing.T) {
	// Who comes first among equals is all that the seed decides here.
	program := func(_ *sim.World, m *sim.Machine) {
		for range 10 {
			m.AfterInline(1, func() {})
		}
	}
	of := func(seed uint64) uint64 {
		return hashOf(t, sim.Config{Seed: seed, Strategy: sim.Random()}, program)
	}
	if of(1) == of(2) {
		t.Error("the hash does not see which timer fired first")
	}
}

func TestTheHashFoldsLogLines(t *testing.T) {
	log := func(v int) func(*sim.World, *sim.Machine) {
		return func(_ *sim.World, m *sim.Machine) { m.Logger().Info("line", "v", v) }
	}
	differ(t, log(1), log(2))
}

func TestTheHashFoldsUnwinding(t *testing.T) {
	// The order in which tasks die is all that the seed decides here.
	program := func(w *sim.World, m *sim.Machine) {
		for range 10 {
			m.Go("victim", func() { m.NewParker().Park(context.Background()) })
		}
		w.At(1, "crash", m.Crash)
	}
	if hashOf(t, sim.Config{Seed: 1}, program) == hashOf(t, sim.Config{Seed: 2}, program) {
		t.Error("the hash does not see in which order tasks died")
	}
}

func TestTheHashFoldsCrashes(t *testing.T) {
	differ(t, nothing, func(_ *sim.World, m *sim.Machine) { m.Crash() })
}

func TestTheHashFoldsRestarts(t *testing.T) {
	differ(t, func(_ *sim.World, m *sim.Machine) { m.Crash() }, func(_ *sim.World, m *sim.Machine) { m.Crash(); m.Restart() })
}

func TestTheHashFoldsPauses(t *testing.T) {
	differ(t, nothing, func(_ *sim.World, m *sim.Machine) { m.Pause() })
}

func TestTheHashFoldsResumes(t *testing.T) {
	differ(t, func(_ *sim.World, m *sim.Machine) { m.Pause() }, func(_ *sim.World, m *sim.Machine) { m.Pause(); m.Resume() })
}

func TestTheHashFoldsSlowness(t *testing.T) {
	differ(t, func(_ *sim.World, m *sim.Machine) { m.Slow(1) }, func(_ *sim.World, m *sim.Machine) { m.Slow(2) })
}

func TestTheHashFoldsStepsOfTheWallClock(t *testing.T) {
	differ(t, nothing, func(_ *sim.World, m *sim.Machine) { m.StepWall(1) })
}

func TestTheHashFoldsStepsOfTheMonotonicClock(t *testing.T) {
	differ(t, nothing, func(_ *sim.World, m *sim.Machine) { m.StepMono(1) })
}

func TestTheHashFoldsDrift(t *testing.T) {
	differ(t, nothing, func(_ *sim.World, m *sim.Machine) { m.Drift(1) })
}

func TestTheHashFoldsDecisionsFromAbove(t *testing.T) {
	for _, k := range []sim.Kind{sim.KindDeliver, sim.KindDrop, sim.KindFault} {
		fold := func(b uint64) func(*sim.World, *sim.Machine) {
			return func(w *sim.World, m *sim.Machine) { w.Fold(k, m, 1, b) }
		}
		differ(t, fold(1), fold(2))
	}
}

func TestTheHashTellsKindsApart(t *testing.T) {
	fold := func(k sim.Kind) func(*sim.World, *sim.Machine) {
		return func(w *sim.World, m *sim.Machine) { w.Fold(k, m, 1, 1) }
	}
	differ(t, fold(sim.KindDeliver), fold(sim.KindDrop))
}

func TestTheHashFoldsNotes(t *testing.T) {
	note := func(text string) func(*sim.World, *sim.Machine) {
		return func(w *sim.World, m *sim.Machine) { w.Note(sim.KindNote, m, text) }
	}
	differ(t, note("a"), note("b"))
}

func TestTheHashTellsMachinesApart(t *testing.T) {
	// One draw of the same stream number is no matter here: the machine is.
	on := func(name string) func(*sim.World, *sim.Machine) {
		return func(w *sim.World, _ *sim.Machine) {
			a, b := w.Machine("a"), w.Machine("b")
			m := map[string]*sim.Machine{"a": a, "b": b}[name]
			w.Fold(sim.KindDeliver, m, 1, 1)
		}
	}
	differ(t, on("a"), on("b"))
}
