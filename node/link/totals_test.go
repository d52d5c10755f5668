package link_test

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/node/wire"
)

// A stream that our answer has ended and its caller has not shows as half
// closed, with its age, until the caller or the node ends the other half.
func TestAStreamThatItsCallerDoesNotEndIsSeenAsHalfClosed(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		r := a.admitted(t, b)
		calm := b.links[0].Glance()
		asked := a.m.Now()
		s := r.open(wire.AppendCall([]byte{wire.StreamCall}, call(1, "echo", 0)))
		if kind, _, err := wire.NewReader(s, wire.MaxFrame).Next(); err != nil || kind != wire.KindReply {
			t.Errorf("answered with frame %d, %v", kind, err)
		}
		s2 := r.open(wire.AppendCall([]byte{wire.StreamCall}, call(2, "echo", 0)))
		s2.CloseWrite() // this caller does as it should
		a.wait(3 * time.Second)
		g := b.links[0].Glance()
		if calm.Halves.Entries != 0 || !calm.HalfClosed.IsZero() || g.Halves.Entries != 1 || g.HalfClosed.Before(asked) {
			t.Errorf("before: %+v, then: %+v since %v", calm.Halves, g.Halves, g.HalfClosed)
		}
		if age := b.m.Now().Sub(g.HalfClosed); age < 2900*time.Millisecond || age > 3100*time.Millisecond {
			t.Errorf("half closed for %v", age)
		}
		a.wait(10 * time.Second) // the write timeout: then it is cut
		if g := b.links[0].Glance(); g.Halves.Entries != 0 || !g.HalfClosed.IsZero() || g.In.Entries != 0 || !g.OldestCall.IsZero() {
			t.Errorf("at the end: %+v", g)
		}
		r.conn.CloseWithError(0, "")
	})
}
