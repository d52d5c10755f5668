package link_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// raw is a peer that the test plays itself, frame by frame.
type raw struct {
	t       *testing.T
	s       *side
	conn    transport.Conn
	control transport.Stream
}

func hello(change func(*wire.Hello)) []byte {
	h := wire.Hello{MinVersion: wire.Version, MaxVersion: wire.Version, Role: wire.RolePeer, Realm: realm, Session: 1, MaxCalls: 100}
	if change != nil {
		change(&h)
	}
	return wire.AppendHello([]byte{wire.StreamControl}, &h)
}

// connect makes a connection without a word on it.
func (s *side) connect(t *testing.T, to *side) *raw {
	conn, err := s.tr.Dial(s.ctx, to.host.Addr(), to.id)
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t: t, s: s, conn: conn}
}

// open opens a stream and writes b on it.
func (r *raw) open(b []byte) transport.Stream {
	s, err := r.conn.OpenStream(r.s.ctx)
	if err != nil {
		r.t.Errorf("open: %v", err)
		return nil
	}
	if len(b) > 0 {
		s.Write(b)
	}
	return s
}

// admitted is a connection whose hello was answered.
func (s *side) admitted(t *testing.T, to *side) *raw {
	r := s.connect(t, to)
	r.control = r.open(hello(nil))
	if kind, _, err := wire.NewReader(r.control, wire.MaxControl).Next(); err != nil || kind != wire.KindWelcome {
		t.Errorf("the hello was answered with frame %d, %v", kind, err)
	}
	return r
}

// end waits for the end of the connection and returns what the peer said.
func (r *raw) end() *fault.Error {
	r.t.Helper()
	r.conn.AcceptStream(r.s.ctx)
	for range 100 {
		if r.conn.Context().Err() != nil {
			break
		}
		r.s.wait(time.Second)
	}
	var c *transport.CloseError
	if cause := context.Cause(r.conn.Context()); !errors.As(cause, &c) || !c.Remote {
		r.t.Errorf("the connection ended with %v", cause)
		return &fault.Error{}
	}
	return wire.ParseRefusal(c.Code, c.Reason)
}

func call(id uint64, name string, wait time.Duration) *wire.Call {
	body := make([]byte, header)
	body[7] = byte(id)
	ms := uint32(wait / time.Millisecond)
	body[8], body[9], body[10], body[11] = byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	return &wire.Call{ID: id, Budget: time.Minute, Name: name, Body: body}
}

// strangers runs a story of a side that plays a raw peer against b.
func strangers(t *testing.T, story func(t *testing.T, x *world, a, b *side)) {
	t.Helper()
	x := newWorld(1, "a", "b")
	a, b := x.sides[0], x.sides[1]
	for range 100 { // what the raw peer's calls are known by
		x.ops = append(x.ops, &op{id: uint64(len(x.ops)), from: a, back: true, deadline: 1 << 62})
	}
	b.listen()
	a.m.Go("story", func() { story(t, x, a, b) })
	if err := x.finish(); err != nil {
		t.Error(err, stackOf(err))
	}
	x.w.Close()
}

func TestWhoeverBreaksTheProtocolLosesTheLinkAndIsToldSo(t *testing.T) {
	bad := map[string]func(r *raw){
		"an unknown type of stream":           func(r *raw) { r.open([]byte{99}) },
		"a second control stream":             func(r *raw) { r.open(hello(nil)) },
		"a second hello":                      func(r *raw) { r.control.Write(hello(nil)[1:]) },
		"a welcome":                           func(r *raw) { r.control.Write(wire.AppendWelcome(nil, &wire.Welcome{Version: 1})) },
		"a reply on the control stream":       func(r *raw) { r.control.Write(wire.AppendReply(nil, 1, nil)) },
		"a malformed ping":                    func(r *raw) { r.control.Write([]byte{0, 0, 0, 2, wire.KindPing, 1}) },
		"the end of the control stream":       func(r *raw) { r.control.CloseWrite() },
		"a second stream for calls":           func(r *raw) { r.open([]byte{wire.StreamCalls}); r.open([]byte{wire.StreamCalls}) },
		"a reply on the stream of calls":      func(r *raw) { r.open(wire.AppendReply([]byte{wire.StreamCalls}, 1, nil)) },
		"the end of the stream of calls":      func(r *raw) { r.open([]byte{wire.StreamCalls}).CloseWrite() },
		"call number 0":                       func(r *raw) { r.open(wire.AppendCall([]byte{wire.StreamCalls}, call(0, "echo", 0))) },
		"a ping on a stream for a large call": func(r *raw) { r.open(wire.AppendPing([]byte{wire.StreamCall}, 1)) },
		"a ping on a stream for a reply":      func(r *raw) { r.open(wire.AppendPing([]byte{wire.StreamReply}, 1)) },
	}
	for name, do := range bad {
		t.Run(name, func(t *testing.T) {
			strangers(t, func(t *testing.T, x *world, a, b *side) {
				r := a.admitted(t, b)
				do(r)
				if f := r.end(); f.Kind != fault.Protocol {
					t.Errorf("closed with %v", f)
				}
			})
		})
	}
}

func TestAHelloThatCannotWorkIsRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct {
		name  string
		first []byte
		kind  fault.Kind
	}{
		{"another realm", hello(func(h *wire.Hello) { h.Realm = "org.example.other" }), fault.RealmMismatch},
		{"a later version", hello(func(h *wire.Hello) { h.MinVersion, h.MaxVersion = 7, 9 }), fault.Version},
		{"another stream first", []byte{wire.StreamCalls}, fault.Protocol},
		{"another frame first", wire.AppendPing([]byte{wire.StreamControl}, 1), fault.Protocol},
		{"a malformed hello", []byte{wire.StreamControl, 0, 0, 0, 2, wire.KindHello, 0}, fault.Protocol},
		{"silence", nil, fault.Unreachable},
		{"half a frame", []byte{wire.StreamControl, 0, 0}, fault.Unreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			strangers(t, func(t *testing.T, x *world, a, b *side) {
				r := a.connect(t, b)
				r.open(c.first)
				begun := x.w.Now()
				if f := r.end(); f.Kind != c.kind || x.w.Now().Sub(begun) > b.cfg.HelloTimeout+2*time.Second {
					t.Errorf("closed with %v after %v", f, x.w.Now().Sub(begun))
				}
			})
		})
	}
}

func TestADiallerLearnsWhyItWasRefused(t *testing.T) {
	x := newWorld(1, "a", "b")
	defer x.w.Close()
	a, b := x.sides[0], x.sides[1]
	a.cfg.Realm = "org.example.other"
	b.listen()
	a.m.Go("dial", func() {
		_, err := a.dial(b)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.RealmMismatch || !f.Remote {
			t.Errorf("from another realm: %v", err)
		}
		a.cfg.Realm = realm
		x.net.StallHandshakes(b.host, true)
		if _, err := a.dial(b); fault.KindOf(err) != fault.Unreachable {
			t.Errorf("nobody answers: %v", err)
		}
		x.net.StallHandshakes(b.host, false)
		x.net.FailHandshakes(b.host, true)
		if _, err := a.dial(b); fault.KindOf(err) != fault.Unreachable {
			t.Errorf("the handshake fails late: %v", err)
		}
	})
	if err := x.finish(); err != nil {
		t.Error(err)
	}
}

func TestASilentStreamCostsItsOpenerThatStreamAndNothingElse(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		r := a.admitted(t, b)
		silent := r.open(nil)
		calls := r.open(wire.AppendCall([]byte{wire.StreamCalls}, call(1, "echo", 0)))
		begun := x.w.Now()
		if kind, _, err := wire.NewReader(calls, wire.MaxFrame).Next(); err != nil || kind != wire.KindReply {
			t.Errorf("the call beside it: frame %d, %v", kind, err)
		}
		_, err := silent.Read(make([]byte, 1))
		var reset *transport.StreamError
		if took := x.w.Now().Sub(begun); !errors.As(err, &reset) && err != io.EOF || took < b.cfg.FirstByte || took > b.cfg.FirstByte+10*latency {
			t.Errorf("the silent stream: %v after %v", err, took)
		}
		if r.conn.Context().Err() != nil {
			t.Error("the link has ended")
		}
		silent.Close()
		r.conn.CloseWithError(0, "")
	})
}

func TestACallIDThatIsInUseIsRefused(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		r := a.admitted(t, b)
		twice := wire.AppendCall([]byte{wire.StreamCalls}, call(1, "slow", time.Second))
		s := r.open(wire.AppendCall(twice, call(1, "echo", 0)))
		rd := wire.NewReader(s, wire.MaxFrame)
		kind, payload, err := rd.Next()
		if err != nil || kind != wire.KindError {
			t.Errorf("frame %d, %v", kind, err)
			return
		}
		if e, err := wire.ParseError(payload); err != nil || e.ID != 1 || e.Kind != fault.Protocol || e.Executed {
			t.Errorf("refused with %+v, %v", e, err)
		}
		if kind, _, err := rd.Next(); err != nil || kind != wire.KindReply {
			t.Errorf("the first call was answered with frame %d, %v", kind, err)
		}
		if x.ops[1].runs != 1 {
			t.Errorf("%d handlers ran", x.ops[1].runs)
		}
		r.conn.CloseWithError(0, "")
	})
}

// A peer does not keep to the limit that it was told: it gets overloads, and
// no more handlers than the limit run.
func TestAPeerThatIgnoresItsLimitIsRefusedAndNotServed(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		b.cfg.MaxCalls = 4
		r := a.admitted(t, b)
		frames := []byte{wire.StreamCalls}
		for id := range uint64(20) {
			frames = wire.AppendCall(frames, call(id+1, "slow", time.Second))
		}
		rd := wire.NewReader(r.open(frames), wire.MaxFrame)
		kinds := map[byte]int{}
		for range 20 {
			kind, payload, err := rd.Next()
			if err != nil {
				t.Error(err)
				return
			}
			kinds[kind]++
			if kind == wire.KindError {
				if e, _ := wire.ParseError(payload); e.Kind != fault.Overload || e.Executed || e.RetryAfter <= 0 {
					t.Errorf("%+v", e)
				}
			}
		}
		if kinds[wire.KindReply] != 4 || kinds[wire.KindError] != 16 || b.server.Counts().Peak != 4 {
			t.Errorf("answers by kind: %v; most handlers at a time: %d", kinds, b.server.Counts().Peak)
		}
		r.conn.CloseWithError(0, "")
	})
}

// Who does not read its answers loses the link by the write deadline; another
// peer of the same node does not notice.
func TestAPeerThatDoesNotReadItsAnswersHurtsOnlyItself(t *testing.T) {
	x := newWorld(1, "a", "b", "deaf")
	defer x.w.Close()
	for range 100 {
		x.ops = append(x.ops, &op{id: uint64(len(x.ops)), from: x.sides[2], back: true, deadline: 1 << 62})
	}
	a, b, deaf := x.sides[0], x.sides[1], x.sides[2]
	b.cfg.MaxCalls = 16
	b.listen()
	var ended time.Duration
	deaf.m.Go("deaf", func() {
		r := deaf.admitted(t, b)
		s := r.open([]byte{wire.StreamCalls})
		begun := x.w.Elapsed()
		for id := range uint64(40) {
			c := call(id+1, "echo", 0)
			c.Body = append(c.Body, make([]byte, 15<<10)...)
			if _, err := s.Write(wire.AppendCall(nil, c)); err != nil {
				break
			}
		}
		r.end()
		ended = x.w.Elapsed() - begun
	})
	a.m.Go("good", func() {
		l, err := a.dial(b)
		if err != nil {
			t.Error(err)
			return
		}
		for range 250 {
			begun := x.w.Now()
			if _, err := x.call(l, a, "echo", 0, 0, time.Second).result(); err != nil || x.w.Now().Sub(begun) > 10*latency {
				t.Errorf("%v after %v", err, x.w.Now().Sub(begun))
			}
			a.wait(50 * time.Millisecond)
		}
	})
	if err := x.finish(); err != nil {
		t.Error(err, stackOf(err))
	}
	if limit := b.cfg.WriteTimeout; ended < limit || ended > 2*limit {
		t.Errorf("the link of the deaf one ended after %v, the write deadline is %v", ended, limit)
	}
}

func TestAPingIsAnsweredOnTheControlStream(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		r := a.admitted(t, b)
		r.control.Write(wire.AppendPing(nil, 42))
		kind, payload, err := wire.NewReader(r.control, wire.MaxControl).Next()
		if id, perr := wire.ParsePong(payload); err != nil || kind != wire.KindPong || id != 42 || perr != nil {
			t.Errorf("frame %d, id %d, %v %v", kind, id, err, perr)
		}
		r.conn.CloseWithError(0, "")
	})
}

var _ link.Usage = (*usage)(nil)
