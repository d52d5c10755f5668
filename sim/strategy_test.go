package sim_test

import (
	"slices"
	"testing"

	"github.com/maculamesh/macula/sim"
)

// tiesAfter returns the first ties that a strategy draws when it has been
// asked for so many picks before.
func tiesAfter(s sim.Strategy, picks int) []uint32 {
	s.Reset(7)
	ready := make([]*sim.Task, 3)
	for i := range ready {
		ready[i] = &sim.Task{}
	}
	for range picks {
		s.Pick(ready, true)
	}
	var ties []uint32
	for range 5 {
		ties = append(ties, s.Tie())
	}
	return ties
}

func TestPicksDoNotShiftTies(t *testing.T) {
	for _, s := range []sim.Strategy{sim.Random(), sim.PCT(3, 100)} {
		want := tiesAfter(s, 0)
		for picks := range 20 {
			if got := tiesAfter(s, picks); !slices.Equal(got, want) {
				t.Errorf("%s: after %d picks the ties are %d, want %d", s.Name(), picks, got, want)
			}
		}
		if want[0] == want[1] {
			t.Errorf("%s: the ties do not vary: %d", s.Name(), want)
		}
	}
}

func TestEveryStrategyRepeatsAndVaries(t *testing.T) {
	counts := sim.Counting(sim.Random())
	chatter(t, sim.Config{Seed: 1, Strategy: counts})
	rec := sim.Recording(sim.Random(), 0)
	chatter(t, sim.Config{Seed: 1, Strategy: rec})
	for name, f := range map[string]func() sim.Strategy{
		"random":     sim.Random,
		"fifo":       sim.FIFO,
		"pct":        func() sim.Strategy { return sim.PCT(3, 500) },
		"urw":        func() sim.Strategy { return sim.URW(counts) },
		"counting":   func() sim.Strategy { return sim.Counting(sim.Random()) },
		"recording":  func() sim.Strategy { return sim.Recording(sim.Random(), 0) },
		"replaying":  func() sim.Strategy { return sim.Replaying(rec.Decisions(), rec.TieSeed()) },
		"exhaustive": func() sim.Strategy { return sim.Exhaustive(1) },
	} {
		hashes := map[uint64]bool{}
		for seed := range uint64(10) {
			first := chatter(t, sim.Config{Seed: seed, Strategy: f()})
			again := chatter(t, sim.Config{Seed: seed, Strategy: f()})
			if first.String() != again.String() {
				t.Errorf("%s: seed %d takes another path the second time: %v and %v", name, seed, first, again)
			}
			hashes[first.Hash()] = true
		}
		if len(hashes) != 10 {
			t.Errorf("%s: 10 seeds take %d paths", name, len(hashes))
		}
	}
}

// What a strategy does by itself with another seed, in a program that draws
// nothing.
func TestChanceInAStrategyComesFromTheSeed(t *testing.T) {
	counts := sim.Counting(sim.Random())
	program := func(_ *sim.World, m *sim.Machine) {
		for range 8 {
			m.Go("task", func() {
				for range 10 {
					m.Yield()
				}
			})
		}
	}
	hashOf(t, sim.Config{Strategy: counts}, program)
	for name, f := range map[string]func() sim.Strategy{
		"random": sim.Random,
		"pct":    func() sim.Strategy { return sim.PCT(3, 80) },
		"urw":    func() sim.Strategy { return sim.URW(counts) },
	} {
		hashes := map[uint64]bool{}
		for seed := range uint64(20) {
			hashes[hashOf(t, sim.Config{Seed: seed, Strategy: f()}, program)] = true
		}
		if len(hashes) != 20 {
			t.Errorf("%s: 20 seeds take %d paths", name, len(hashes))
		}
	}
}
