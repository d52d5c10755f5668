package sim_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/rt/rttest"
	"github.com/maculamesh/macula/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newWorld returns a world that is closed at the end of the test.
func newWorld(t testing.TB, cfg sim.Config) *sim.World {
	w := sim.New(cfg)
	t.Cleanup(w.Close)
	return w
}

// suiteWorld drives the conformance suite on a machine.
type suiteWorld struct {
	*sim.Machine
	t *testing.T
}

// Run demands that the run holds and that nothing is left, exactly.
func (s suiteWorld) Run(f func()) {
	s.Go("main", f)
	if err := s.World().Run(); err != nil {
		s.t.Error(err, "\n", err.(*sim.Failure).Stack)
	}
	for _, l := range s.World().Leaks() {
		s.t.Error("left:", l)
	}
}

func TestAMachineConforms(t *testing.T) {
	for _, c := range []struct {
		name  string
		seed  uint64
		strat func() sim.Strategy
	}{
		{"random", 1, sim.Random}, {"another seed", 2, sim.Random}, {"fifo", 1, sim.FIFO},
	} {
		t.Run(c.name, func(t *testing.T) {
			rttest.Run(t, func(t *testing.T) rttest.World {
				w := newWorld(t, sim.Config{Seed: c.seed, Strategy: c.strat()})
				return suiteWorld{w.Machine("m"), t}
			})
		})
	}
}

func TestASlowDriftingMachineConforms(t *testing.T) {
	rttest.Run(t, func(t *testing.T) rttest.World {
		w := newWorld(t, sim.Config{Seed: 3})
		m := w.Machine("m")
		m.Drift(-70_000)
		m.Slow(3_000)
		return suiteWorld{m, t}
	})
}
