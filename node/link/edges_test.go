package link_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Who passes on a call is a node: a client that says so is refused, whatever
// its call claims, and what it claims reaches no handler.
func TestOnlyANodeMayPassOnTheCallsOfOthers(t *testing.T) {
	for _, role := range []wire.Role{wire.RoleClient, wire.RolePeer} {
		strangers(t, func(t *testing.T, x *world, a, b *side) {
			r := a.connect(t, b)
			r.control = r.open(hello(func(h *wire.Hello) { h.Role = role }))
			if kind, _, err := wire.NewReader(r.control, wire.MaxControl).Next(); err != nil || kind != wire.KindWelcome {
				t.Errorf("the hello was answered with frame %d, %v", kind, err)
			}
			claims := []wire.Call{{Hops: 1}, {Hops: 255}, {Flags: wire.FlagForwarded, Caller: b.id}, {Flags: wire.FlagForwarded, Caller: b.id, Hops: 255}, {}}
			frames := []byte{wire.StreamCalls}
			for i, claim := range claims {
				c := call(uint64(i+1), "echo", 0)
				c.Hops, c.Flags, c.Caller = claim.Hops, claim.Flags, claim.Caller
				frames = wire.AppendCall(frames, c)
			}
			rd := wire.NewReader(r.open(frames), wire.MaxFrame)
			for range claims {
				kind, payload, err := rd.Next()
				if err != nil {
					t.Error(err)
					break
				}
				if kind != wire.KindError {
					continue
				}
				if e, _ := wire.ParseError(payload); role == wire.RolePeer || e.ID == uint64(len(claims)) || e.Kind != fault.Unauthorized || e.Executed {
					t.Errorf("a call in role %d was refused with %+v", role, e)
				}
			}
			for i := range claims {
				honest := i == len(claims)-1
				if want := role == wire.RolePeer || honest; (x.ops[i+1].runs == 1) != want {
					t.Errorf("call %d in role %d: %d handlers ran", i+1, role, x.ops[i+1].runs)
				}
			}
			r.conn.CloseWithError(0, "")
		})
	}
}

// queued is what the side holds of messages for a peer.
func (s *side) queued(peer *side) ledger.Usage {
	for _, u := range s.ledger.Usage(s.ledger.Scope(realm, peer.id)) {
		if u.Class == ledger.Queue {
			return u
		}
	}
	return ledger.Usage{}
}

func TestALargeReplyForWhichThereIsNoRoomIsAnOverloadOfACallThatRan(t *testing.T) {
	room := func(bytes int64) func(a, b *side) {
		return func(_, b *side) {
			b.ledger = ledger.New(ledger.Config{Peer: ledger.Limits{Queue: ledger.Limit{Count: 32, Bytes: bytes}}})
		}
	}
	seeds(t, 5, room(64<<10), func(t *testing.T, x *world, a, b *side, l *link.Link) {
		_, err := x.call(l, a, "big", 0, 0, time.Second).result()
		wantKind(t, err, fault.Overload, true)
		if u := b.queued(a); u.Count != 0 || u.Bytes != 0 {
			t.Errorf("held after the refusal: %+v", u)
		}
		if _, err := x.call(l, a, "echo", 0, 0, time.Second).result(); err != nil {
			t.Errorf("a small reply: %v", err)
		}
	})
	seeds(t, 5, room(128<<10), func(t *testing.T, x *world, a, b *side, l *link.Link) {
		var peak int64
		x.w.AfterEach(func() error { peak = max(peak, b.queued(a).Bytes); return nil })
		for range 3 { // each finds what the one before has given back
			if _, err := x.call(l, a, "big", 0, 0, time.Second).result(); err != nil {
				t.Error(err)
			}
			a.wait(100 * time.Millisecond)
		}
		if u := b.queued(a); u.Count != 0 || peak < 100<<10 {
			t.Errorf("held after the replies: %+v, at most %d bytes", u, peak)
		}
	})
}

func TestAHandlerThatIgnoresItsContextDoesNotHoldTheLink(t *testing.T) {
	for _, size := range []int{0, 20 << 10} {
		seeds(t, 20, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
			o := x.call(l, a, "deaf", size, 20*time.Second, 30*time.Second)
			a.wait(100 * time.Millisecond)
			x.cut = x.w.Now()
			x.net.Kill(a.host, b.host)
			a.wait(time.Second)
			if o.running != 1 || !b.links[0].Ended().Fired() {
				t.Errorf("size %d: %d handlers run, the link has ended: %v", size, o.running, b.links[0].Ended().Fired())
			}
			_, err := o.result()
			wantKind(t, err, fault.Unreachable, true)
		})
	}
}

// The acceptor leaves before it has said welcome: the dialler is told what the
// GOAWAY says.
func TestADiallerThatIsSentAwayBeforeItsWelcomeLearnsWhy(t *testing.T) {
	for _, why := range []fault.Kind{fault.Draining, fault.Overload} {
		x := newWorld(1, "a", "b")
		a, b := x.sides[0], x.sides[1]
		lis, err := b.tr.Listen(transport.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		b.m.Go("acceptor", func() {
			conn, err := lis.Accept(b.ctx)
			if err != nil {
				t.Error(err)
				return
			}
			s, err := conn.AcceptStream(b.ctx)
			if err != nil {
				t.Error(err)
				return
			}
			s.Write(wire.AppendGoAway(nil, &wire.GoAway{Kind: why, RetryAfter: 3 * time.Second}))
			conn.AcceptStream(b.ctx) // until the dialler has closed
		})
		a.m.Go("dial", func() {
			_, err := a.dial(b)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != why || f.RetryAfter != 3*time.Second || !f.Remote || f.Executed {
				t.Errorf("sent away for %v: %v", why, err)
			}
		})
		if err := x.finish(); err != nil {
			t.Error(err, stackOf(err))
		}
		x.w.Close()
	}
}

// Another connection asks whether this one is alive, which is admitted and has
// not said welcome yet: the dialler hears the welcome first.
func TestALinkIsNotAskedForASignOfLifeBeforeItsWelcome(t *testing.T) {
	x := newWorld(1, "a", "b")
	defer x.w.Close()
	a, b := x.sides[0], x.sides[1]
	lis, err := b.tr.Listen(transport.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	alive, asked := false, false
	b.m.Go("acceptor", func() {
		conn, err := lis.Accept(b.ctx)
		if err != nil {
			t.Error(err)
			return
		}
		l, err := link.Accept(b.ctx, b.deps(), b.cfg, conn)
		if err != nil {
			t.Error(err)
			return
		}
		b.m.Go("rival", func() {
			ctx, cancel := b.m.WithTimeout(b.ctx, time.Second)
			defer cancel()
			alive, asked = l.Alive(ctx), true
		})
		b.wait(100 * time.Millisecond)
		if err := l.Welcome(); err != nil {
			t.Error(err)
		}
		b.serve(l)
	})
	a.m.Go("dial", func() {
		if _, err := a.dial(b); err != nil {
			t.Error(err)
		}
	})
	if err := x.finish(); err != nil {
		t.Error(err, stackOf(err))
	}
	if !asked || !alive {
		t.Errorf("asked: %v, alive: %v", asked, alive)
	}
}

// timers lists the timers for the deadlines of calls that are armed at a side.
func (s *side) timers() (armed []string) {
	for _, l := range s.x.w.Leaks() {
		if l.Machine == s.m.Name() && l.Kind == "timer" && strings.Contains(l.Site, "alarm.go") {
			armed = append(armed, l.String())
		}
	}
	return armed
}

// A link ends in the instant in which one call has used up its budget, and
// another one has an hour left.
func TestNoTimerIsArmedAfterTheEndOfItsLink(t *testing.T) {
	seen := 0
	seeds(t, 100, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		x.call(l, a, "deaf", 0, 10*time.Second, time.Hour)
		short := x.call(l, a, "deaf", 0, 10*time.Second, time.Second)
		a.wait(100 * time.Millisecond)
		left, _ := rt.Remaining(b.m, short.ctx)
		seen += len(b.timers())
		x.cut = x.w.Now().Add(left)
		b.m.AfterFunc(left, func() { b.links[0].Close(fault.Draining, 0) })
		a.wait(left + time.Second)
		if !b.links[0].Ended().Fired() {
			t.Error("the link has not ended")
		}
		if armed := b.timers(); len(armed) > 0 {
			t.Errorf("armed after the end: %v", armed)
		}
	})
	if seen == 0 {
		t.Error("the timer of the link was never seen")
	}
}

// The task that reads the calls stands still while the link ends, and has one
// more call in its buffer.
func TestNoCallEntersALinkThatHasEnded(t *testing.T) {
	strangers(t, func(t *testing.T, x *world, a, b *side) {
		r := a.admitted(t, b)
		b.routed = func(in *link.Inbound) {
			b.routed = nil
			b.m.Go("close", func() { in.Link.Close(fault.Draining, 0) })
			b.wait(time.Second)
		}
		frames := wire.AppendCall([]byte{wire.StreamCalls}, call(1, "slow", time.Second))
		sooner := call(2, "slow", time.Second)
		sooner.Budget = 30 * time.Second
		r.open(wire.AppendCall(frames, sooner))
		a.wait(2 * time.Second)
		l := b.links[0]
		if _, theirs := l.Calls(); !l.Ended().Fired() || theirs != 0 || len(b.timers()) != 0 {
			t.Errorf("ended: %v, %d calls of the peer are in the table, armed: %v", l.Ended().Fired(), theirs, b.timers())
		}
		if n := x.ops[2].runs; b.routed != nil || n != 0 {
			t.Errorf("after the end %d handlers began", n)
		}
	})
}
