package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
)

// One timer is armed, fires and wakes a task that waits for it, a second of
// virtual time later. BenchmarkTimerOnTheMock of package realrt does the same
// on a clock.Mock; docs/decisions/002-the-clock.md has both figures.
func BenchmarkTimerInSimulation(b *testing.B) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	m := w.Machine("m")
	left := b.N
	m.Go("bench", func() {
		k := m.NewParker()
		for ; left > 0; left-- {
			m.AfterFunc(time.Second, k.Unpark)
			k.Park(context.Background())
		}
	})
	b.ResetTimer()
	if err := w.Run(); err != nil || left > 0 {
		b.Fatal(left, err)
	}
}
