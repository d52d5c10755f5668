package sim_test

import (
	"context"
	"testing"

	"github.com/maculamesh/macula/sim"
)

// handOver has a bug of depth two: it shows only when all of the reader runs
// while the writer is halfway, though ten others want to run too.
func handOver(t *testing.T, seed uint64, strategy sim.Strategy) (found bool) {
	t.Helper()
	w := sim.New(sim.Config{Seed: seed, Strategy: strategy})
	defer w.Close()
	m := w.Machine("m")
	halfway := false
	work := func(steps int) {
		p := m.NewParker()
		for range steps {
			m.AfterInline(0, p.Unpark)
			p.Park(context.Background())
		}
	}
	m.Go("writer", func() {
		work(5)
		halfway = true
		work(10)
		halfway = false
	})
	m.Go("reader", func() {
		before := halfway
		work(30)
		found = before && halfway
	})
	for range 10 {
		m.Go("other", func() { work(20) })
	}
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPCTFindsWhatNeedsFewChangesMoreOftenThanChance(t *testing.T) {
	const seeds = 400
	hits := map[string]int{}
	for seed := range uint64(seeds) {
		if handOver(t, seed, sim.Random()) {
			hits["random"]++
		}
		if handOver(t, seed, sim.PCT(3, 250)) {
			hits["pct"]++
		}
	}
	t.Logf("of %d seeds: random %d, pct %d", seeds, hits["random"], hits["pct"])
	if hits["pct"] == 0 || hits["pct"] < 2*hits["random"] {
		t.Errorf("pct finds it in %d seeds and random in %d of %d", hits["pct"], hits["random"], seeds)
	}
}

func TestPCTRepeatsAndVaries(t *testing.T) {
	run := func(seed uint64) uint64 {
		w := sim.New(sim.Config{Seed: seed, Strategy: sim.PCT(3, 100)})
		defer w.Close()
		m := w.Machine("m")
		for range 8 {
			m.Go("task", func() {
				for range 10 {
					m.Yield()
				}
			})
		}
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		return w.Hash()
	}
	hashes := map[uint64]bool{}
	for seed := range uint64(20) {
		h := run(seed)
		if run(seed) != h {
			t.Errorf("seed %d takes another path the second time", seed)
		}
		hashes[h] = true
	}
	if len(hashes) != 20 {
		t.Errorf("20 seeds take %d paths", len(hashes))
	}
}

// A task that spins until another one has run must not keep it from running.
func TestPCTLetsOthersRunWhileATaskSpins(t *testing.T) {
	for seed := range uint64(50) {
		w := sim.New(sim.Config{Seed: seed, Strategy: sim.PCT(2, 50), MaxEvents: 10_000})
		m := w.Machine("m")
		done := false
		m.Go("spins", func() {
			for !done {
				m.Yield()
			}
		})
		m.Go("other", func() { done = true })
		if err := w.Run(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		w.Close()
	}
}
