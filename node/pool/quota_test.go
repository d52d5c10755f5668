package pool

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// in brings a connection in that its peer has dialled.
func (x *world) in(t *testing.T, i int) *conn {
	t.Helper()
	c := x.newConn(peer(i), false)
	if err := x.accept(context.Background(), c); err != nil {
		t.Errorf("peer %d: %v", i, err)
	}
	return c
}

// out brings one in that we dial.
func (x *world) out(t *testing.T, i int) *conn {
	t.Helper()
	s, err := x.get(time.Second, peer(i), addr(i, 1))
	if err != nil {
		t.Errorf("peer %d: %v", i, err)
		return x.newConn(peer(i), true)
	}
	s.Done()
	return s.Conn
}

// acceptFor is accept with a deadline.
func (x *world) acceptFor(d time.Duration, c *conn) error {
	ctx, cancel := x.m.WithTimeout(context.Background(), d)
	defer cancel()
	return x.accept(ctx, c)
}

func away(list ...*conn) (out []bool) {
	for _, c := range list {
		out = append(out, c.away)
	}
	return out
}

func TestOverTheQuotaTheOldestIdleInboundOneMakesRoom(t *testing.T) {
	seeds(t, 20, Config{Cap: 5, MaxInbound: 2}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, nil)
		x.do(t, func() {
			dialled := []*conn{x.out(t, 1), x.out(t, 2)}
			a, b := x.in(t, 3), x.in(t, 4)
			a.slot.Use()
			a.slot.Done() // the youngest now
			c := x.in(t, 5)
			if a.away || !b.away || b.why != fault.Overload || b.slot.Reason() != reasonRoom {
				t.Errorf("away are %v, the older one for %v: %q", away(a, b), b.why, b.slot.Reason())
			}
			a.slot.Use()
			c.slot.Use()
			begun := x.m.Now()
			err := x.acceptFor(time.Second, x.newConn(peer(6), false))
			if fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) <= 0 || !strings.Contains(err.Error(), "peers may have dialled") || x.m.Now().Sub(begun) != time.Second {
				t.Errorf("while all inbound ones are in use: %v after %v", err, x.m.Now().Sub(begun))
			}
			if s := x.p.Stats(); s.Open != 4 || s.Inbound != 2 || s.InboundLimit != 2 || s.Evicted != 1 || s.Refused != 1 {
				t.Errorf("%+v", s)
			}
			x.m.AfterFunc(time.Second, c.slot.Done)
			if err := x.acceptFor(5*time.Second, x.newConn(peer(7), false)); err != nil || !c.away {
				t.Errorf("when one is idle again: %v, it is away: %v", err, c.away)
			}
			for _, d := range dialled {
				if d.away {
					t.Error("an inbound one has pushed out what we have dialled")
				}
			}
			a.slot.Done()
		})
	})
}

func TestUnderTheQuotaTheOldestOfAllMakesRoom(t *testing.T) {
	seeds(t, 5, Config{Cap: 3, MaxInbound: 2}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, nil)
		x.do(t, func() {
			a, b, c := x.out(t, 1), x.in(t, 2), x.out(t, 3)
			x.in(t, 4)
			if !a.away || b.away || c.away {
				t.Errorf("away are %v", away(a, b, c))
			}
			if x.out(t, 5); !b.away || c.away { // what we dial takes the oldest of all too
				t.Errorf("away are %v", away(a, b, c))
			}
		})
	})
}

func TestWhoWaitsForTheQuotaHoldsUpNobodyElse(t *testing.T) {
	seeds(t, 20, Config{Cap: 2, MaxInbound: 1, Waiting: 2}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, nil)
		x.do(t, func() {
			busy := x.in(t, 1)
			busy.slot.Use()
			refused := 0
			for i := range 2 {
				x.m.Go("inbound", func() {
					if err := x.acceptFor(time.Minute, x.newConn(peer(2+i), false)); err != nil {
						refused++
					}
				})
			}
			rt.Sleep(context.Background(), x.m, time.Second)
			begun := x.m.Now()
			first := x.out(t, 4) // there is room
			if s := x.p.Stats(); x.m.Now() != begun || s.Waiting != 2 || refused > 0 {
				t.Errorf("after %v: %+v, %d refused", x.m.Now().Sub(begun), s, refused)
			}
			first.slot.Use()
			const soon = 500 * time.Millisecond
			x.m.AfterFunc(soon, first.slot.Done)
			x.out(t, 5) // has to wait, and there is no place to wait in
			if !first.away || x.m.Now().Sub(begun) != soon || refused != 1 || x.p.Stats().Waiting != 1 {
				t.Errorf("after %v: %d refused, %+v", x.m.Now().Sub(begun), refused, x.p.Stats())
			}
			busy.slot.Done()
			rt.Sleep(context.Background(), x.m, time.Millisecond)
			if s := x.p.Stats(); !busy.away || s.Waiting != 0 || refused != 1 {
				t.Errorf("when the inbound one is idle: %+v, %d refused", s, refused)
			}
		})
	})
}

// A connection in either direction may replace one in the other: the count
// follows, and the quota holds.
func TestTheQuotaCountsWhatReplacesAnother(t *testing.T) {
	seeds(t, 20, Config{Self: transport.PeerID{0xff}, Cap: 9, MaxInbound: 1}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, nil)
		inbound := func(want int) {
			t.Helper()
			if s := x.p.Stats(); s.Inbound != want {
				t.Errorf("%d inbound, want %d of %d", s.Inbound, want, s.Open)
			}
		}
		x.do(t, func() {
			ours := x.out(t, 1)
			inbound(0)
			theirs := x.in(t, 1) // of the smaller id
			inbound(1)
			if !ours.away {
				t.Error("both have stayed")
			}
			theirs.slot.Leave()
			again := x.out(t, 1)
			inbound(0)
			other := x.in(t, 2)
			inbound(1)
			if err := x.acceptFor(time.Second, x.newConn(peer(1), false)); fault.KindOf(err) != ErrDuplicate || again.away || other.away {
				t.Errorf("of the smaller id, over the quota: %v, away are %v", err, away(again, other))
			}
			anew := x.newConn(peer(1), false)
			anew.inc = 2
			other.slot.Use()
			if err := x.acceptFor(time.Second, anew); fault.KindOf(err) != fault.Overload || again.away {
				t.Errorf("of a peer that has started anew, the quota in use: %v, away is %v", err, again.away)
			}
			other.slot.Done()
			anew = x.newConn(peer(1), false)
			anew.inc = 2
			if err := x.acceptFor(time.Second, anew); err != nil || again.why != fault.Superseded || other.why != fault.Overload {
				t.Errorf("of a peer that has started anew: %v, the others went for %v and %v", err, again.why, other.why)
			}
			inbound(1)
		})
	})
}

func TestALowerQuotaShedsIdleInboundOnesFirst(t *testing.T) {
	for quota, want := range map[int][]bool{
		4: {false, false, false, false}, 3: {false, false, true, false}, 2: {false, true, true, false}, 1: {false, true, true, true}, 0: {false, false, false, false},
	} {
		seeds(t, 5, Config{Cap: 9, MaxInbound: 5}, func(t *testing.T, x *world) {
			x.dial = after(x, 0, nil)
			x.do(t, func() {
				ours := []*conn{x.out(t, 1), x.out(t, 2)}
				in := []*conn{x.in(t, 3), x.in(t, 4), x.in(t, 5), x.in(t, 6)}
				in[1].slot.Use()
				in[1].slot.Done() // younger than that of 5
				in[0].slot.Use()
				in[3].slot.Use()
				busy := x.out(t, 7) // the youngest of those in use
				busy.slot.Use()
				n := 0
				for _, gone := range want {
					if gone {
						n++
					}
				}
				if shed := x.p.SetLimits(9, quota, time.Second); shed != n || x.p.Stats().Shedding != n {
					t.Errorf("quota %d: %d were shed, not %d", quota, shed, n)
				}
				for i, c := range in {
					if c.away != want[i] || c.away && c.slot.Reason() != reasonLimit {
						t.Errorf("quota %d: away are %v, the reason is %q", quota, away(in...), c.slot.Reason())
					}
				}
				for _, c := range append(ours, busy) {
					if c.away {
						t.Errorf("quota %d: one that we have dialled was shed", quota)
					}
				}
				busy.slot.Done()
				in[0].slot.Done()
				in[3].slot.Done()
			})
		})
	}
}

func TestAHigherQuotaIsRoomForThoseWhoWait(t *testing.T) {
	seeds(t, 5, Config{Cap: 9, MaxInbound: 1}, func(t *testing.T, x *world) {
		x.do(t, func() {
			c := x.in(t, 1)
			c.slot.Use()
			begun := x.m.Now()
			x.m.AfterFunc(time.Second, func() { x.p.SetLimits(9, 2, time.Second) })
			if err := x.acceptFor(time.Minute, x.newConn(peer(2), false)); err != nil || x.m.Now().Sub(begun) != time.Second || c.away {
				t.Errorf("%v after %v", err, x.m.Now().Sub(begun))
			}
			c.slot.Done()
		})
	})
}
