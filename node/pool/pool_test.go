package pool

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// conn is a connection without a network. Once asked to go away it ends after
// its drain time, or at the deadline, whichever is first.
type conn struct {
	x       *world
	peer    transport.PeerID
	dialled bool
	inc     uint64
	dead    bool          // gives no sign of life
	drain   time.Duration // from GoAway to its end
	slot    *Slot[*conn]
	known   bool // the test has its slot
	holds   int
	away    bool
	why     fault.Kind
	shed    bool // by a lower cap, or another policy
	refused error
	over    bool
	idleAt  int // the event since which nobody uses it; 0 when somebody does
}

func (c *conn) Peer() transport.PeerID { return c.peer }
func (c *conn) Dialled() bool          { return c.dialled }
func (c *conn) Incarnation() uint64    { return c.inc }

func (c *conn) Alive(ctx context.Context) bool {
	if c.dead {
		c.x.m.NewParker().Park(ctx)
		return false
	}
	return rt.Sleep(ctx, c.x.m, time.Millisecond) == nil && !c.over
}

func (c *conn) GoAway(why fault.Kind, _, deadline time.Duration) {
	if c.away {
		c.x.w.Fail(errors.New("a connection is asked to go away twice"))
	}
	c.away, c.why = true, why
	if c.x.onAway != nil {
		c.x.onAway(c)
	}
	if !c.over {
		c.x.m.AfterFunc(min(c.drain, deadline), c.end)
	}
}

func (c *conn) Refuse(err error) {
	if c.known || c.refused != nil {
		c.x.w.Fail(errors.New("a connection is refused that was admitted, or refused before"))
	}
	c.refused, c.over = err, true
}

// serve is what the task of an admitted connection does first.
func (c *conn) serve(s *Slot[*conn]) {
	c.slot, c.known = s, true
	if c.over {
		s.Gone()
	}
}

// end is the end of the connection.
func (c *conn) end() {
	if c.over {
		return
	}
	c.over = true
	if c.known {
		c.slot.Gone()
	}
}

// world is a pool on one simulated machine.
type world struct {
	w      *sim.World
	m      *sim.Machine
	p      *Pool[*conn]
	conns  []*conn
	dial   func(ctx context.Context, c *conn, addr transport.Addr) error
	onAway func(*conn)
	marks  map[string]int
}

func newWorld(seed uint64, cfg Config) *world {
	x := &world{w: sim.New(sim.Config{Seed: seed}), marks: map[string]int{}}
	x.m = x.w.Machine("m")
	x.p = x.pool(x.m, cfg)
	x.w.AfterEach(x.p.Check)
	x.w.AfterEach(x.p.Audit)
	return x
}

func (x *world) pool(m *sim.Machine, cfg Config) *Pool[*conn] {
	return New(cfg, Deps[*conn]{
		Runtime: m,
		Dial: func(ctx context.Context, peer transport.PeerID, addr transport.Addr) (*conn, error) {
			c := x.newConn(peer, true)
			if err := x.dial(ctx, c, addr); err != nil {
				c.over = true
				return nil, err
			}
			return c, nil
		},
		Run:  func(s *Slot[*conn]) { s.Conn.serve(s) },
		Mark: func(name string) { x.marks[name]++ },
	})
}

func (x *world) newConn(peer transport.PeerID, dialled bool) *conn {
	c := &conn{x: x, peer: peer, dialled: dialled, inc: 1}
	x.conns = append(x.conns, c)
	return c
}

// accept offers a connection to the pool and serves it if it is admitted.
func (x *world) accept(ctx context.Context, c *conn) error {
	s, err := x.p.Admit(ctx, c)
	if err != nil {
		c.Refuse(err)
		return err
	}
	c.serve(s)
	s.Done() // as a node does when it has said welcome
	return nil
}

// finish closes the pool and demands that nothing is left of it.
func (x *world) finish() error {
	x.m.Go("close", func() { x.p.Close(fault.Draining, time.Second) })
	if err := x.w.Run(); err != nil {
		return err
	}
	if l := x.w.Leaks(); len(l) > 0 {
		return fmt.Errorf("left: %v", l)
	}
	if s := x.p.Stats(); s.Open+s.InUse+s.Dialling+s.Waiting+s.Closing != 0 {
		return fmt.Errorf("after Close: %+v", s)
	}
	for _, c := range x.conns {
		if !c.over {
			return fmt.Errorf("a connection is open after Close")
		}
	}
	return nil
}

func peer(i int) transport.PeerID { return transport.PeerID{byte(i)} }

func addr(peer, i int) transport.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(peer)}), uint16(i))
}

// seeds runs the test's body in many worlds.
func seeds(t *testing.T, n int, cfg Config, body func(t *testing.T, x *world)) {
	t.Helper()
	for seed := range uint64(n) {
		x := newWorld(seed, cfg)
		body(t, x)
		if err := x.finish(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		x.w.Close()
		if t.Failed() {
			return
		}
	}
}

// do runs f as a task and lets everything happen within a minute.
func (x *world) do(t *testing.T, f func()) {
	t.Helper()
	x.m.Go("test", f)
	if err := x.w.RunFor(time.Minute); err != nil {
		t.Fatal(err, err.(*sim.Failure).Stack)
	}
}

// get is Get with a deadline.
func (x *world) get(d time.Duration, peer transport.PeerID, addrs ...transport.Addr) (*Slot[*conn], error) {
	ctx, cancel := x.m.WithTimeout(context.Background(), d)
	defer cancel()
	return x.p.Get(ctx, peer, addrs...)
}

func after(x *world, d time.Duration, err error) func(context.Context, *conn, transport.Addr) error {
	return func(ctx context.Context, _ *conn, _ transport.Addr) error {
		if cause := rt.Sleep(ctx, x.m, d); cause != nil {
			return cause
		}
		return err
	}
}

func TestTheLastWaiterMayLeaveAsTheDialSucceeds(t *testing.T) {
	got, left := 0, 0
	seeds(t, 300, Config{}, func(t *testing.T, x *world) {
		x.dial = func(_ context.Context, _ *conn, _ transport.Addr) error {
			return rt.Sleep(context.Background(), x.m, time.Second) // too late to notice that its context ends
		}
		x.do(t, func() {
			s, err := x.get(time.Second, peer(1), addr(1, 1))
			switch {
			case err == nil:
				got++
				s.Done()
			case fault.KindOf(err) == fault.Deadline:
				left++
			default:
				t.Error(err)
			}
		})
		c := x.conns[0]
		if (c.refused == nil) != c.known || x.p.Stats().InUse != 0 {
			t.Errorf("refused: %v, served: %v, %+v", c.refused, c.known, x.p.Stats())
		}
	})
	if got == 0 || left == 0 {
		t.Errorf("the race went one way only: %d got it, %d left", got, left)
	}
}

func TestADialEndsWithItsLastWaiterAndNotBefore(t *testing.T) {
	seeds(t, 20, Config{}, func(t *testing.T, x *world) {
		x.dial = after(x, time.Hour, nil)
		for i := range 3 {
			x.m.Go("get", func() {
				if _, err := x.get(time.Duration(i+1)*time.Second, peer(1), addr(1, i)); fault.KindOf(err) != fault.Deadline {
					t.Error(err)
				}
			})
		}
		x.w.RunFor(2500 * time.Millisecond)
		if s := x.p.Stats(); s.Dialling != 1 || s.Dials != 1 {
			t.Errorf("three callers for one peer: %+v", s)
		}
		x.w.RunFor(time.Second)
		if s := x.p.Stats(); s.Dialling != 0 || x.w.Tasks() != 0 || s.DialErrors != 0 {
			t.Errorf("after the last one left: %+v, %d tasks", s, x.w.Tasks())
		}
	})
}

func TestADialThatEndsLateDoesNotUndoItsSuccessor(t *testing.T) {
	seeds(t, 20, Config{}, func(t *testing.T, x *world) {
		x.dial = func(_ context.Context, c *conn, _ transport.Addr) error {
			rt.Sleep(context.Background(), x.m, time.Second) // does not notice that its context ends
			if c == x.conns[0] {
				return fault.New("dial", fault.Unreachable, "nobody there")
			}
			return nil
		}
		x.do(t, func() {
			x.get(500*time.Millisecond, peer(1), addr(1, 1))
			x.m.Go("second", func() {
				if s, err := x.get(5*time.Second, peer(1), addr(1, 1)); err != nil {
					t.Error(err)
				} else {
					s.Done()
				}
			})
			rt.Sleep(context.Background(), x.m, 700*time.Millisecond) // the first one has ended, the second one goes on
			s, err := x.get(5*time.Second, peer(1))
			if err != nil || x.p.Stats().Dials != 2 {
				t.Errorf("%v, %+v", err, x.p.Stats())
				return
			}
			s.Done()
		})
	})
}

func TestAddressesOfLaterCallersAreTried(t *testing.T) {
	seeds(t, 50, Config{}, func(t *testing.T, x *world) {
		good := addr(1, 2)
		x.dial = func(ctx context.Context, _ *conn, a transport.Addr) error {
			if err := rt.Sleep(ctx, x.m, time.Second); err != nil || a == good {
				return err
			}
			return fault.New("dial", fault.Unreachable, "nobody there")
		}
		for i := range 2 {
			x.do2(t, func() {
				s, err := x.get(5*time.Second, peer(1), addr(1, i+1))
				if err != nil {
					t.Error(err)
					return
				}
				s.Done()
			})
		}
		x.do(t, func() {})
		if s := x.p.Stats(); s.Dials != 2 || s.DialErrors != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// do2 starts f without letting time pass.
func (x *world) do2(t *testing.T, f func()) {
	t.Helper()
	x.m.Go("test", f)
	if err := x.w.RunFor(0); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedDialIsNotRepeatedBeforeItsBackoffUnlessTheAddressIsNew(t *testing.T) {
	seeds(t, 20, Config{}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, fault.New("dial", fault.Unreachable, "nobody there"))
		x.do(t, func() {
			x.get(time.Second, peer(1), addr(1, 1))
			_, err := x.get(time.Second, peer(1), addr(1, 1))
			wait := fault.RetryAfter(err)
			if fault.KindOf(err) != fault.Unreachable || wait <= 0 || x.p.Stats().Dials != 1 {
				t.Errorf("within the backoff: %v, %+v", err, x.p.Stats())
			}
			x.get(time.Second, peer(2), addr(2, 1))
			if x.p.Stats().Dials != 2 {
				t.Error("the backoff of one peer holds for another")
			}
			x.get(time.Second, peer(1), addr(1, 1), addr(1, 2))
			if n := x.p.Stats().Dials; n != 4 {
				t.Errorf("with a new address: %d dials", n)
			}
			_, err = x.get(time.Second, peer(1), addr(1, 2))
			longer := fault.RetryAfter(err)
			if longer <= 0 {
				t.Errorf("after the second failure: %v", err)
			}
			rt.Sleep(context.Background(), x.m, longer)
			x.get(time.Second, peer(1), addr(1, 1))
			if n := x.p.Stats().Dials; n != 5 {
				t.Errorf("after the backoff: %d dials", n)
			}
		})
	})
}

func TestARefusalSaysWhenToComeBack(t *testing.T) {
	seeds(t, 5, Config{}, func(t *testing.T, x *world) {
		x.dial = after(x, 0, &fault.Error{Op: "peer", Kind: fault.Overload, RetryAfter: time.Minute, Remote: true})
		x.do(t, func() {
			if _, err := x.get(time.Second, peer(1), addr(1, 1)); fault.KindOf(err) != fault.Overload {
				t.Error(err)
			}
			_, err := x.get(time.Second, peer(1), addr(1, 1))
			if d := fault.RetryAfter(err); d < 59*time.Second {
				t.Errorf("%v", err)
			}
		})
	})
}

func TestAFailedDialCostsNobodyAnything(t *testing.T) {
	seeds(t, 20, Config{Cap: 1}, func(t *testing.T, x *world) {
		x.do(t, func() {
			if err := x.accept(context.Background(), x.newConn(peer(1), false)); err != nil {
				t.Error(err)
			}
			x.dial = after(x, time.Second, fault.New("dial", fault.Unreachable, "nobody there"))
			if _, err := x.get(5*time.Second, peer(2), addr(2, 1)); err == nil {
				t.Error("the dial went well")
			}
			if c := x.conns[0]; c.away || c.over {
				t.Error("the dial that failed has cost a connection")
			}
			x.dial = after(x, time.Second, nil)
			s, err := x.get(5*time.Second, peer(2), addr(2, 1), addr(2, 2))
			if err != nil || !x.conns[0].away {
				t.Errorf("the dial that went well: %v, evicted %v", err, x.conns[0].away)
				return
			}
			s.Done()
		})
	})
}

func TestWhoIsInUseIsNotEvictedAndTheNewcomerWaits(t *testing.T) {
	used, evicted := 0, 0
	seeds(t, 300, Config{Cap: 1}, func(t *testing.T, x *world) {
		first := x.newConn(peer(1), false)
		x.do2(t, func() { x.accept(context.Background(), first) })
		x.do2(t, func() {
			rt.Sleep(context.Background(), x.m, time.Second)
			if !first.slot.Use() {
				evicted++
				return
			}
			used++
			rt.Sleep(context.Background(), x.m, time.Second)
			if first.away {
				t.Error("evicted in use")
			}
			first.slot.Done()
		})
		x.do(t, func() {
			rt.Sleep(context.Background(), x.m, time.Second)
			ctx, cancel := x.m.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := x.accept(ctx, x.newConn(peer(2), false)); err != nil {
				t.Error(err)
			}
		})
		if !first.away || first.why != fault.Overload {
			t.Error("the idle one has not made room")
		}
	})
	if used == 0 || evicted == 0 {
		t.Errorf("the race went one way only: %d used, %d evicted", used, evicted)
	}
}

func TestANewcomerThatFindsNoRoomIsTurnedAwayAtItsDeadline(t *testing.T) {
	seeds(t, 5, Config{Cap: 1, Waiting: 1}, func(t *testing.T, x *world) {
		x.do(t, func() {
			c := x.newConn(peer(1), false)
			x.accept(context.Background(), c)
			c.slot.Use()
			begun := x.m.Now()
			ctx, cancel := x.m.WithTimeout(context.Background(), time.Second)
			defer cancel()
			x.m.Go("third", func() {
				rt.Sleep(context.Background(), x.m, time.Millisecond)
				if err := x.accept(ctx, x.newConn(peer(3), false)); fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) <= 0 || x.m.Now().Sub(begun) != time.Millisecond {
					t.Errorf("with too many that wait: %v", err)
				}
			})
			err := x.accept(ctx, x.newConn(peer(2), false))
			if fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) <= 0 || x.m.Now().Sub(begun) != time.Second {
				t.Errorf("%v after %v", err, x.m.Now().Sub(begun))
			}
			c.slot.Done()
		})
	})
}

func TestWhoWaitsBehindOneThatGivesUpIsServed(t *testing.T) {
	seeds(t, 20, Config{Cap: 2}, func(t *testing.T, x *world) {
		x.do(t, func() {
			busy := []*conn{x.newConn(peer(1), false), x.newConn(peer(2), false)}
			for _, c := range busy {
				x.accept(context.Background(), c)
				c.slot.Use()
			}
			short, cancel := x.m.WithTimeout(context.Background(), time.Second)
			defer cancel()
			x.m.Go("gives up", func() { x.accept(short, x.newConn(peer(3), false)) })
			rt.Sleep(context.Background(), x.m, 100*time.Millisecond)
			begun := x.m.Now()
			again := x.newConn(peer(1), false) // replaces the one of its own peer, whatever else is full
			again.inc = 2
			if err := x.accept(context.Background(), again); err != nil || x.m.Now().Sub(begun) > time.Second {
				t.Errorf("%v after %v", err, x.m.Now().Sub(begun))
			}
			for _, c := range busy {
				c.slot.Done()
			}
		})
	})
}

func TestADeadRivalIsReplacedAndALivingOneStays(t *testing.T) {
	self := transport.PeerID{0xff}
	for _, dead := range []bool{true, false} {
		seeds(t, 20, Config{Self: self}, func(t *testing.T, x *world) {
			x.dial = after(x, 0, nil)
			x.do(t, func() {
				// Accepted from the smaller id: it wins against one that we dial.
				old := x.newConn(peer(1), false)
				old.dead = dead
				x.accept(context.Background(), old)
				c := x.newConn(peer(1), true)
				err := x.accept(context.Background(), c)
				if dead && (err != nil || !old.away || old.why != fault.Superseded) {
					t.Errorf("a dead rival: %v, away %v", err, old.away)
				}
				if !dead && (fault.KindOf(err) != ErrDuplicate || old.away) {
					t.Errorf("a living rival: %v, away %v", err, old.away)
				}
			})
		})
	}
}

func TestDeadRivalsAreNotDroppedBeyondTheLimitOfClosingOnes(t *testing.T) {
	seeds(t, 20, Config{Self: transport.PeerID{0xff}, Closing: 1}, func(t *testing.T, x *world) {
		x.do(t, func() {
			for i := range 3 {
				old := x.newConn(peer(i), false)
				old.dead = true
				x.accept(context.Background(), old)
			}
			slow := time.Duration(x.m.Rand("test").IntN(3)) * time.Second
			for i := range 3 {
				x.conns[i].drain = slow
				x.m.Go("newcomer", func() {
					if err := x.accept(context.Background(), x.newConn(peer(i), true)); err != nil {
						t.Error(err)
					}
				})
			}
		})
		if s := x.p.Stats(); s.Superseded != 3 || s.Open != 3 {
			t.Errorf("%+v", s)
		}
		for _, c := range x.conns[:3] {
			if why := c.slot.Reason(); why != "another connection has taken over" {
				t.Errorf("the reason is %q", why)
			}
		}
	})
}

func TestReapClosesWhatWasIdleTooLong(t *testing.T) {
	seeds(t, 5, Config{Closing: 2}, func(t *testing.T, x *world) {
		x.do(t, func() {
			for i := range 5 {
				x.accept(context.Background(), x.newConn(peer(i), false))
				rt.Sleep(context.Background(), x.m, time.Second)
			}
			x.conns[1].slot.Use()
			x.conns[0].slot.Use()
			x.conns[0].slot.Done() // the youngest now
			limit := x.m.Now().Add(-1500 * time.Millisecond)
			reap := func(max, want int) {
				t.Helper()
				if n := x.p.Reap(x.m.Now(), limit, max); n != want {
					t.Errorf("Reap closed %d, not %d", n, want)
				}
			}
			reap(1, 1)
			reap(9, 1)
			for i, c := range x.conns {
				if c.away != (i == 2 || i == 3) {
					t.Errorf("connection %d: away is %v", i, c.away)
				}
				if why := c.slot.Reason(); c.away != (why == "idle") {
					t.Errorf("connection %d: away is %v for the reason %q", i, c.away, why)
				}
			}
			rt.Sleep(context.Background(), x.m, time.Minute)
			reap(9, 0)
			x.conns[1].slot.Done()
			limit = mono.Time(1)
			reap(9, 0)
		})
	})
}

func TestNobodyGetsAConnectionThatThePeerWantsToLeave(t *testing.T) {
	seeds(t, 20, Config{}, func(t *testing.T, x *world) {
		x.dial = after(x, time.Millisecond, nil)
		x.do(t, func() {
			old := x.newConn(peer(1), false)
			x.accept(context.Background(), old)
			old.slot.Leave()
			if old.slot.Use() {
				t.Error("it was taken for use")
			}
			s, err := x.get(time.Second, peer(1), addr(1, 1))
			if err != nil || s.Conn == old || !old.away {
				t.Errorf("%v, the old one is away: %v", err, old.away)
				return
			}
			s.Done()
		})
	})
}

func TestCloseTurnsEverybodyAwayAtOnce(t *testing.T) {
	seeds(t, 50, Config{Cap: 1, Dials: 1}, func(t *testing.T, x *world) {
		x.dial = after(x, time.Hour, nil)
		draining := func(err error) {
			if fault.KindOf(err) != fault.Draining || x.w.Elapsed() != time.Second {
				t.Errorf("%v at %v", err, x.w.Elapsed())
			}
		}
		x.do2(t, func() {
			c := x.newConn(peer(1), false)
			x.accept(context.Background(), c)
			c.slot.Use()
			x.m.Go("newcomer", func() { draining(x.accept(context.Background(), x.newConn(peer(2), false))) })
			for i := range 2 { // the second one waits for a place among the dials
				x.m.Go("caller", func() {
					_, err := x.get(time.Minute, peer(3+i), addr(3+i, 1))
					draining(err)
				})
			}
		})
		x.w.RunFor(time.Second)
		x.do2(t, func() { x.p.Close(fault.Draining, 0) })
		x.do(t, func() {
			if _, err := x.p.Get(context.Background(), peer(1)); fault.KindOf(err) != fault.Draining {
				t.Errorf("Get after Close: %v", err)
			}
		})
	})
}
