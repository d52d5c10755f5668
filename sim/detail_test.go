package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
)

// packetWorld folds one packet, with detail or without, and returns the hash.
func packetWorld(trace func(sim.Record), fold func(w *sim.World, m *sim.Machine)) uint64 {
	w := sim.New(sim.Config{Trace: trace})
	defer w.Close()
	m := w.Machine("n2")
	w.At(time.Second, "packet", func() { fold(w, m) })
	w.Run()
	return w.Hash()
}

func TestDetailIsInTheTraceAndNotInTheHash(t *testing.T) {
	asked, line := 0, ""
	detailed := func(w *sim.World, m *sim.Machine) {
		w.FoldDetail(sim.KindDeliver, m, 7, 8, func(r *sim.Record) {
			asked++
			r.Peer, r.Took, r.Text = "n1", 20*time.Millisecond, "data to 1200"
		})
	}
	bare := packetWorld(nil, func(w *sim.World, m *sim.Machine) { w.Fold(sim.KindDeliver, m, 7, 8) })
	if got := packetWorld(nil, detailed); got != bare || asked != 0 {
		t.Errorf("without a trace: hash %x, want %x; detail was asked for %d times", got, bare, asked)
	}
	trace := func(r sim.Record) {
		if r.Kind == sim.KindDeliver {
			line = r.String()
			if r.A != 7 || r.B != 8 {
				t.Errorf("the numbers are %d and %d", r.A, r.B)
			}
		}
	}
	if got := packetWorld(trace, detailed); got != bare || asked != 1 {
		t.Errorf("with a trace: hash %x, want %x; detail was asked for %d times", got, bare, asked)
	}
	if !strings.HasSuffix(line, "1s deliver n2 from n1 after 20ms data to 1200") {
		t.Errorf("the line is %q", line)
	}
}

func TestWhatADyingTaskSendsIsNoDetail(t *testing.T) {
	w := sim.New(sim.Config{Trace: func(sim.Record) {}})
	defer w.Close()
	m := w.Machine("m")
	m.Go("victim", func() {
		defer w.FoldDetail(sim.KindDeliver, m, 1, 1, func(*sim.Record) { t.Error("a dying task was heard") })
		m.NewParker().Park(context.Background())
	})
	w.At(time.Second, "crash", m.Crash)
	w.Run()
}
