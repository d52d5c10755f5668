package link_test

import (
	"context"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// stuck is a transport on whose streams nothing is written while the gate is
// shut.
type stuck struct {
	transport.Transport
	gate *rt.Gate
}

type stuckConn struct {
	transport.Conn
	gate *rt.Gate
}

type stuckStream struct {
	transport.Stream
	gate *rt.Gate
}

func (t stuck) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	c, err := t.Transport.Dial(ctx, addr, want)
	if err != nil {
		return nil, err
	}
	return stuckConn{c, t.gate}, nil
}

func (c stuckConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.Conn.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return stuckStream{s, c.gate}, nil
}

func (s stuckStream) Write(b []byte) (int, error) {
	s.gate.Pass(context.Background())
	return s.Stream.Write(b)
}

// A call that found no room until its deadline was not executed, whoever keeps
// that deadline. One that got room at the last moment may be: then the peer hears
// that it was given up after it has heard the call, and not before.
func TestACallThatWaitedForRoomUntilItsDeadlineWasNotExecuted(t *testing.T) {
	for seed := range uint64(40) {
		x := newWorld(seed, "a", "b")
		a, b := x.sides[0], x.sides[1]
		gate := rt.NewGate(a.m, true)
		a.tr = stuck{a.tr, gate}
		a.cfg.QueueBytes = 1000
		b.listen()
		a.m.Go("story", func() {
			l, err := a.dial(b)
			if err != nil {
				t.Errorf("seed %d: dial: %v", seed, err)
				return
			}
			x.call(l, a, "echo", 0, 0, time.Second)
			a.wait(100 * time.Millisecond)
			gate.Shut()
			x.call(l, a, "echo", 1000, 0, 10*time.Second) // is being written
			a.wait(10 * time.Millisecond)
			x.call(l, a, "echo", 1000, 0, 10*time.Second) // has the room
			a.wait(10 * time.Millisecond)
			waits := []*op{x.call(l, a, "slow", 1000, time.Second, time.Second), x.call(l, a, "slow", 1000, time.Second, time.Second)}
			a.wait(time.Second) // ends as they do, or just before or after
			gate.Open()
			for _, o := range waits {
				_, err := o.result()
				a.wait(100 * time.Millisecond)
				if fault.KindOf(err) == fault.Deadline && fault.Executed(err) == (o.runs == 0) {
					t.Errorf("seed %d: call %d: %v (executed: %v), and %d handlers ran", seed, o.id, err, fault.Executed(err), o.runs)
				}
			}
		})
		if err := x.finish(); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, stackOf(err))
		}
		x.w.Close()
		if t.Failed() {
			return
		}
	}
}
