package netsim_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// chaos is a few machines that do everything that transport offers, at random,
// while everything that netsim can do happens to them.
type chaos struct {
	t      *testing.T
	w      *sim.World
	net    *netsim.Net
	nodes  []*chaosNode
	bodies int // streams that carried their bytes to the end
	calm   bool
}

type chaosNode struct {
	c    *chaos
	m    *sim.Machine
	host *netsim.Host
	id   transport.PeerID
	tr   transport.Transport
}

var chaosConfig = transport.Config{
	HandshakeTimeout: 300 * time.Millisecond,
	IdleTimeout:      time.Second,
	StreamWindow:     4 << 10,
	ConnWindow:       6 << 10,
	MaxStreams:       3,
	AcceptQueue:      2,
}

func newChaos(t *testing.T, seed uint64, trace func(sim.Record)) *chaos {
	w := sim.New(sim.Config{Seed: seed, MaxEvents: 5e6, Trace: trace})
	link := netsim.Link{
		Latency: 2 * time.Millisecond, Jitter: 3 * time.Millisecond, Tail: netsim.Percent(1), TailLatency: 4 * time.Millisecond,
		Loss: netsim.Percent(2), Reorder: netsim.Percent(5), Bandwidth: 1 << 20, Queue: 6 << 10, MTU: 1500,
	}
	c := &chaos{t: t, w: w, net: netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: recorder{w}, Link: link})}
	for i := range 4 {
		n := &chaosNode{c: c, m: w.Machine(fmt.Sprintf("n%d", i)), id: transport.PeerID{byte(i + 1)}}
		n.host = c.net.Host(n.m.Name())
		n.m.OnCrash(n.host.Crash)
		c.nodes = append(c.nodes, n)
		n.start()
	}
	w.AfterEach(c.net.Check)
	w.Every(20, c.net.Audit)
	return c
}

// start begins the life of a node: it serves, and it bothers the others.
func (n *chaosNode) start() {
	n.tr = n.host.Transport(n.m, n.id, chaosConfig)
	tr := n.tr
	n.m.Go("serve", func() {
		l, err := tr.Listen(transport.ListenConfig{Admit: func(transport.Addr, bool) transport.Verdict {
			return transport.Verdict(n.m.Rand("admit").IntN(12) % 3 % (1 + n.m.Rand("admit").IntN(3)))
		}})
		for err == nil {
			var conn transport.Conn
			if conn, err = l.Accept(context.Background()); err == nil {
				n.m.Go("serve conn", func() { n.serve(conn) })
			}
		}
	})
	for range 3 {
		n.m.Go("bother", func() { n.bother(tr) })
	}
}

func (n *chaosNode) pause(r *rand.Rand, longest time.Duration) {
	rt.Sleep(context.Background(), n.m, time.Duration(r.Int64N(int64(longest))))
}

func (n *chaosNode) serve(conn transport.Conn) {
	r := n.m.Rand("serve")
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		n.m.Go("serve stream", func() { n.use(r, s) })
	}
}

func (n *chaosNode) bother(tr transport.Transport) {
	r := n.m.Rand("bother")
	for !n.c.calm {
		n.pause(r, 20*time.Millisecond)
		to := n.c.nodes[r.IntN(len(n.c.nodes))]
		want := to.id
		if r.IntN(20) == 0 {
			want[5] = 1
		}
		ctx, cancel := n.m.WithTimeout(context.Background(), time.Duration(r.IntN(400))*time.Millisecond)
		conn, err := tr.Dial(ctx, to.host.Addr(), want)
		if err == nil {
			n.talk(ctx, r, conn)
		}
		cancel()
	}
}

func (n *chaosNode) talk(ctx context.Context, r *rand.Rand, conn transport.Conn) {
	if r.IntN(2) == 0 {
		n.m.Go("serve conn", func() { n.serve(conn) })
	}
	g := rt.NewGroup(n.m)
	for range r.IntN(6) {
		g.Go("stream", func() {
			if s, err := conn.OpenStream(ctx); err == nil {
				n.use(r, s)
			}
		})
	}
	if r.IntN(3) > 0 {
		g.Wait(context.Background())
	}
	n.pause(r, 20*time.Millisecond)
	conn.CloseWithError(transport.Code(r.IntN(100)), "enough")
	g.Wait(context.Background())
	if conn.Context().Err() == nil {
		n.c.t.Error("a connection was closed and its context lives")
	}
}

// use does some of what can be done with a stream, and closes it.
func (n *chaosNode) use(r *rand.Rand, s transport.Stream) {
	defer s.Close()
	s.SetReadDeadline(n.m.Now().Add(time.Duration(r.IntN(800)) * time.Millisecond))
	s.SetWriteDeadline(n.m.Now().Add(time.Duration(r.IntN(800)) * time.Millisecond))
	g := rt.NewGroup(n.m)
	defer func() { g.Wait(context.Background()) }()
	if r.IntN(2) == 0 {
		g.Go("write", func() {
			for range r.IntN(4) {
				if _, err := s.Write(make([]byte, r.IntN(9000))); err != nil {
					return
				}
			}
			switch r.IntN(4) {
			case 0:
				s.CancelWrite(1)
			case 1:
				s.CloseWrite()
			}
		})
	}
	b := make([]byte, 700)
	for {
		if _, err := s.Read(b[:1+r.IntN(len(b))]); err != nil {
			if err == io.EOF {
				n.c.bodies++
			}
			return
		}
		if r.IntN(40) == 0 {
			s.CancelRead(2)
		}
		if r.IntN(60) == 0 {
			return
		}
	}
}

// shake lets faults happen for d, and then heals everything.
func (c *chaos) shake(d time.Duration) {
	r := c.w.Rand("faults")
	pick := func() *chaosNode { return c.nodes[r.IntN(len(c.nodes))] }
	for at := time.Duration(0); at < d; at += time.Duration(r.IntN(160)) * time.Millisecond {
		c.w.At(at, "fault", func() {
			a, b := pick(), pick()
			switch r.IntN(18) {
			case 0, 1:
				c.net.Cut(a.host, b.host)
			case 2, 3, 4:
				c.net.Heal(a.host, b.host)
			case 5:
				c.net.Partition([]*netsim.Host{a.host}, []*netsim.Host{b.host, c.nodes[0].host})
			case 6:
				c.net.HealAll()
			case 7:
				c.net.Kill(a.host, b.host)
			case 8:
				c.net.HalfOpen(a.host, b.host)
			case 9:
				c.net.StallHandshakes(a.host, r.IntN(3) == 0)
			case 10:
				c.net.FailHandshakes(a.host, r.IntN(3) == 0)
			case 11:
				a.m.Crash()
				a.m.Restart()
				a.start()
			case 12, 13:
				c.net.Hold(a.host, b.host)
			case 14:
				c.net.Release(a.host, b.host)
				c.net.InFlight(a.host, b.host)
			case 15:
				c.net.KillAfter(a.host, b.host, r.Int64N(5000))
			case 16:
				c.net.Rebind(a.host)
			case 17:
				c.net.ExhaustPorts(a.host, r.IntN(3) == 0)
				c.net.SlowReader(b.host, r.Int64N(3)*20_000)
			}
		})
	}
	c.w.At(d, "heal", c.net.HealAll)
}

func (c *chaos) run(d time.Duration) error {
	c.shake(d)
	return c.w.RunFor(d + 100*time.Millisecond)
}

func TestTheBooksAgreeWhateverHappens(t *testing.T) {
	bodies := 0
	for seed := range uint64(12) {
		c := newChaos(t, seed, nil)
		if err := c.run(3 * time.Second); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, err.(*sim.Failure).Stack)
		}
		c.calm = true
		if err := c.w.RunFor(3 * time.Second); err != nil {
			t.Errorf("seed %d, when all is calm: %v", seed, err)
		}
		for _, o := range c.net.Orphans(c.w.Machine("net").Now()) {
			t.Errorf("seed %d: orphan: %s", seed, o)
		}
		c.w.At(c.w.Elapsed(), "close", func() {
			for _, n := range c.nodes {
				n.tr.Close()
			}
		})
		if err := c.w.Run(); err != nil {
			t.Errorf("seed %d, at the end: %v", seed, err)
		}
		audit(t, c.net)
		for _, l := range c.w.Leaks() {
			t.Errorf("seed %d: left: %v", seed, l)
		}
		bodies += c.bodies
		c.w.Close()
	}
	if bodies < 1000 {
		t.Errorf("only %d streams were read to their end: the test does not test much", bodies)
	}
}

func TestASeedGivesTheSameRun(t *testing.T) {
	for seed := range uint64(3) {
		hash := func() uint64 {
			c := newChaos(t, seed, nil)
			defer c.w.Close()
			c.run(time.Second)
			return c.w.Hash()
		}
		if a, b := hash(), hash(); a != b {
			t.Errorf("seed %d gave the hashes %x and %x", seed, a, b)
		}
	}
}
