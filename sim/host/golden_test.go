package host_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// golden is the hash of busy with seed 1. This package is tested with and
// without the race detector, so the same value in both says that the detector
// changes nothing. It changes when the engine decides otherwise than before:
// then the new value belongs here.
const golden = 0x1847d3290b17797e

// busy is a world in which everything happens that is folded into the hash.
func busy(t *testing.T, seed uint64) uint64 {
	t.Helper()
	w := sim.New(sim.Config{Seed: seed})
	defer w.Close()
	machines := []*sim.Machine{w.Machine("a"), w.Machine("b"), w.Machine("c")}
	q := rt.NewQueue[int](machines[0], 4)
	for i, m := range machines {
		m.Go("producer", func() {
			for k := range 50 {
				ctx, cancel := m.WithTimeout(context.Background(), time.Duration(m.Rand("wait").IntN(20))*time.Millisecond)
				q.Put(ctx, k)
				cancel()
				rt.Sleep(context.Background(), m, time.Duration(m.Rand("sleep").IntN(5))*time.Millisecond)
			}
			m.Logger().Info("done", "machine", i)
		})
		m.Go("consumer", func() {
			for {
				ctx, cancel := m.WithTimeout(context.Background(), 100*time.Millisecond)
				_, err := q.Get(ctx)
				cancel()
				if err != nil {
					return
				}
				m.Yield()
			}
		})
	}
	w.At(20*time.Millisecond, "crash", func() { machines[1].Crash() })
	w.At(30*time.Millisecond, "restart", func() { machines[1].Restart() })
	w.At(40*time.Millisecond, "pause", func() { machines[2].Pause() })
	w.At(50*time.Millisecond, "resume", func() { machines[2].Resume() })
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	return w.Hash()
}

func TestTheHashIsTheSameInEveryBuildAndAtEveryGOMAXPROCS(t *testing.T) {
	for _, procs := range []int{1, 2, 4} {
		prev := runtime.GOMAXPROCS(procs)
		busy(t, uint64(procs)+10) // another seed before it changes nothing
		got := busy(t, 1)
		runtime.GOMAXPROCS(prev)
		if got != golden {
			t.Errorf("GOMAXPROCS=%d: hash %s, want %#x", procs, fmt.Sprintf("%#x", got), uint64(golden))
		}
	}
}
