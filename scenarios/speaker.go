package scenarios

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// largest is the size of the largest frame.
const largest = 1<<20 + wire.Overhead

// speaker is a stranger that was admitted, as a client or a peer, and goes on
// speaking by hand. Its methods are for tasks of its own place.
type speaker struct {
	*stranger
	frames  *wire.Reader     // of the control stream
	calls   transport.Stream // ours for calls, once it is open
	asked   *wire.Reader     // that of the node
	lastID  uint64
	version uint64
}

// newSpeaker puts a stranger at the place of that name, linked to a node, and
// lets the node admit it.
func newSpeaker(s *scenario.Stage, name string, to *member, tcfg transport.Config, role wire.Role) *speaker {
	x := &speaker{stranger: &stranger{s: s, place: s.Place(name), id: idOf(s, name)}}
	s.SetLink(to.place, x.place, scenario.Link{Latency: hop})
	x.trans = x.place.Transport(x.id, tcfg)
	s.Defer(func() { x.place.Do("close", func() { x.trans.Close() }) })
	x.do("hello", func(ctx context.Context) {
		err := x.hello(ctx, to, role)
		s.Check(err == nil, "a stranger is admitted", "%v", err)
	})
	return x
}

// hello makes a connection and is admitted.
func (x *speaker) hello(ctx context.Context, to *member, role wire.Role) (err error) {
	if err := x.connect(ctx, to); err != nil {
		return err
	}
	if x.control, err = x.open(ctx, helloOf(role, 1, 1000)); err != nil {
		return err
	}
	x.frames = wire.NewReader(x.control, wire.MaxControl)
	kind, _, err := x.frames.Next()
	if err == nil && kind != wire.KindWelcome {
		err = fmt.Errorf("frame %d is no welcome", kind)
	}
	return err
}

// open opens a stream, on which no write takes longer than a node waits for
// others, and writes b on it.
func (x *speaker) open(ctx context.Context, b []byte) (transport.Stream, error) {
	s, err := x.conn.OpenStream(ctx)
	if err == nil && len(b) > 0 {
		s.SetWriteDeadline(x.place.Runtime().Now().Add(2 * patience))
		_, err = s.Write(b)
	}
	return s, err
}

// advertise says that x provides a name, and returns what a client hears of
// that: 0 when it was taken.
func (x *speaker) advertise(name string, ttl time.Duration) (fault.Kind, error) {
	x.version++
	a := wire.Advertise{Name: name, Provider: x.id, Version: x.version, TTL: ttl}
	if _, err := x.control.Write(wire.AppendAdvertise(nil, &a)); err != nil {
		return 0, err
	}
	for {
		kind, payload, err := x.frames.Next()
		if err != nil {
			return 0, err
		}
		if kind != wire.KindAdvertiseAck {
			continue
		}
		ack, err := wire.ParseAdvertiseAck(payload)
		if err != nil || ack.Version == x.version {
			return ack.Kind, err
		}
	}
}

// withdraw takes an advertisement back.
func (x *speaker) withdraw(name string) error {
	x.version++
	_, err := x.control.Write(wire.AppendWithdraw(nil, &wire.Withdraw{Name: name, Provider: x.id, Version: x.version}))
	return err
}

// call is the frame of the next call.
func (x *speaker) call(name string, size int, budget time.Duration) []byte {
	x.lastID++
	return wire.AppendCall(nil, &wire.Call{ID: x.lastID, Budget: budget, Name: name, Body: make([]byte, size)})
}

// small writes frames on the stream of calls, which the first use opens.
func (x *speaker) small(ctx context.Context, frames []byte) (err error) {
	if x.calls == nil {
		x.calls, err = x.open(ctx, append([]byte{wire.StreamCalls}, frames...))
		return err
	}
	_, err = x.calls.Write(frames)
	return err
}

// large makes a call on a stream of its own and returns the kind of the frame
// that answers.
func (x *speaker) large(ctx context.Context, name string, size int, budget time.Duration) (byte, error) {
	s, err := x.open(ctx, append([]byte{wire.StreamCall}, x.call(name, size, budget)...))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	kind, _, err := wire.NewReader(s, largest).Next()
	return kind, err
}

// incoming takes the next stream that the node opens, and the call on it.
func (x *speaker) incoming(ctx context.Context) (transport.Stream, wire.Call, error) {
	s, rd, err := x.accept(ctx)
	if err != nil {
		return nil, wire.Call{}, err
	}
	c, err := nextCall(rd)
	return s, c, err
}

// asks takes the next call on the shared stream of the node.
func (x *speaker) asks(ctx context.Context) (wire.Call, error) {
	if x.asked == nil {
		_, rd, err := x.accept(ctx)
		if err != nil {
			return wire.Call{}, err
		}
		x.asked = rd
	}
	return nextCall(x.asked)
}

func (x *speaker) accept(ctx context.Context) (transport.Stream, *wire.Reader, error) {
	s, err := x.conn.AcceptStream(ctx)
	if err == nil {
		_, err = io.ReadFull(s, make([]byte, 1))
	}
	return s, wire.NewReader(s, largest), err
}

func nextCall(rd *wire.Reader) (wire.Call, error) {
	_, payload, err := rd.Next()
	if err != nil {
		return wire.Call{}, err
	}
	return wire.ParseCall(payload)
}
