package pool

import (
	"context"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// pair is two pools that dial each other over a wire with a latency. The two
// ends of a connection are two conns.
type pair struct {
	x     *world
	pools [2]*Pool[*conn]
	ids   [2]transport.PeerID
	other map[*conn]*conn
}

func newPair(seed uint64, ids [2]transport.PeerID, quota [2]int) *pair {
	p := &pair{x: &world{w: sim.New(sim.Config{Seed: seed}), marks: map[string]int{}}, ids: ids, other: map[*conn]*conn{}}
	p.x.m = p.x.w.Machine("m")
	for i := range p.pools {
		q := New(Config{Self: ids[i], MaxInbound: quota[i]}, Deps[*conn]{
			Runtime: p.x.m,
			Dial: func(ctx context.Context, peer transport.PeerID, _ transport.Addr) (*conn, error) {
				return p.dial(ctx, i, peer)
			},
			Run:  func(s *Slot[*conn]) { s.Conn.serve(s) },
			Mark: func(name string) { p.x.marks[name]++ },
		})
		p.pools[i] = q
		p.x.w.AfterEach(q.Check)
		p.x.w.AfterEach(q.Audit)
	}
	p.x.onAway = func(c *conn) {
		// The other end hears of it, and both end.
		c.drain = p.latency()
		if o := p.other[c]; o != nil {
			p.x.m.AfterFunc(c.drain, o.end)
		}
	}
	return p
}

func (p *pair) latency() time.Duration {
	return time.Duration(5+p.x.m.Rand("latency").IntN(3)) * time.Millisecond
}

// dial is a connection attempt of pool i: there, admission, and back.
func (p *pair) dial(ctx context.Context, i int, to transport.PeerID) (*conn, error) {
	mine, theirs := p.x.newConn(to, true), p.x.newConn(p.ids[i], false)
	p.other[mine], p.other[theirs] = theirs, mine
	if err := rt.Sleep(ctx, p.x.m, p.latency()); err != nil {
		mine.over, theirs.over = true, true
		return nil, err
	}
	s, err := p.pools[1-i].Admit(ctx, theirs)
	if err != nil {
		theirs.Refuse(err)
	} else {
		theirs.serve(s)
		s.Done()
	}
	rt.Sleep(context.Background(), p.x.m, p.latency())
	if theirs.over {
		mine.over = true
		if err == nil {
			err = fault.New("link", theirs.why, "closed meanwhile")
		}
		return nil, err
	}
	return mine, nil
}

func TestSimultaneousDialsSettleOnTheOneOfTheSmallerID(t *testing.T) {
	refused, replaced := dialsMeet(t, false)
	if refused == 0 || replaced == 0 {
		t.Errorf("the dials met one way only: %d refused, %d replaced", refused, replaced)
	}
}

// When the larger id has its quota full, its own one stays: that is not over it.
func TestSimultaneousDialsSettleOnOneWhenTheQuotaIsFull(t *testing.T) {
	if refused, _ := dialsMeet(t, true); refused == 0 {
		t.Error("the dials have not met")
	}
}

// dialsMeet lets two pools dial each other. It returns in how many worlds one
// was refused for the other, and in how many it was replaced. With full, a call
// of a third peer fills the quota of the larger id.
func dialsMeet(t *testing.T, full bool) (refused, replaced int) {
	for seed := range uint64(300) {
		ids := [2]transport.PeerID{peer(1), peer(2)}
		if seed%2 == 1 {
			ids[0], ids[1] = ids[1], ids[0]
		}
		quota, ends, larger := [2]int{}, 2, 1-int(seed%2)
		if full {
			quota[larger], ends = 1, 3
		}
		p := newPair(seed, ids, quota)
		if full {
			third := p.x.newConn(peer(9), false)
			p.x.m.Go("third", func() {
				s, err := p.pools[larger].Admit(context.Background(), third)
				if err != nil {
					t.Error(err)
					return
				}
				third.serve(s) // and stays in use
			})
			p.x.w.RunFor(0)
		}
		for i := range p.pools {
			p.x.m.Go("caller", func() {
				// Hardly ever at the same time, always before the other is done.
				rt.Sleep(context.Background(), p.x.m, time.Duration(p.x.m.Rand("start").IntN(5))*time.Millisecond)
				ctx, cancel := p.x.m.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				s, err := p.pools[i].Get(ctx, ids[1-i], addr(1-i, 1))
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				rt.Sleep(ctx, p.x.m, time.Second)
				s.Done()
			})
		}
		if err := p.x.w.RunFor(time.Minute); err != nil {
			t.Fatal(err)
		}
		a, okA := p.pools[0].Lookup(ids[1])
		b, okB := p.pools[1].Lookup(ids[0])
		switch {
		case !okA || !okB:
			t.Errorf("seed %d: connected are %v and %v", seed, okA, okB)
		case p.other[a] != b:
			t.Errorf("seed %d: the two ends have kept different connections", seed)
		case full:
			if a.dialled != (compareIDs(ids[0], ids[1]) > 0) {
				t.Errorf("seed %d: the one over the quota has stayed", seed)
			}
		case p.x.marks["duplicate refused"] > 0 || p.pools[0].Stats().Superseded+p.pools[1].Stats().Superseded > 0:
			if a.dialled != (compareIDs(ids[0], ids[1]) < 0) {
				t.Errorf("seed %d: of two connections the one of the larger id has stayed", seed)
			}
		}
		if p.x.marks["duplicate refused"] > 0 {
			refused++
		}
		if p.pools[0].Stats().Superseded+p.pools[1].Stats().Superseded > 0 {
			replaced++
		}
		open := 0
		for _, c := range p.x.conns {
			if !c.over {
				open++
			}
		}
		if open != ends {
			t.Errorf("seed %d: %d ends are open", seed, open)
		}
		for _, q := range p.pools {
			p.x.m.Go("close", func() { q.Close(fault.Draining, time.Second) })
		}
		if err := p.x.w.Run(); err != nil {
			t.Fatal(err)
		}
		if l := p.x.w.Leaks(); len(l) > 0 {
			t.Errorf("seed %d: left %v", seed, l)
		}
		p.x.w.Close()
		if t.Failed() {
			break
		}
	}
	return refused, replaced
}
