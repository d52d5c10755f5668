package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Properties of those who do not read, or send too much.
const (
	propQueued   = "what waits for one peer stays within its limit"
	propInTime   = "who does not read is closed within the write deadline"
	propOthers   = "others wait no longer for that"
	propBytes    = "the bodies that a node holds stay within its budget"
	propLastWord = "a slow peer hears the last word on every name"
	propCoalesce = "of every name one message waits, however often it has changed"
)

func slowSystem() *scenario.System {
	return &scenario.System{
		Name:  "slow",
		Shows: "a node, strangers who do not read or send too much, and a client who behaves",
		Params: []scenario.Param{
			{Name: "calls", Default: "120", Least: "1", Doc: "calls and messages that a stranger does not read the answers to"},
			{Name: "changes", Default: "1000", Least: "1", Doc: "changes of names while a peer does not read"},
		},
		Requests: []plan.Verb{
			act("stops-reading", "a client asks for much and stops to read, in three ways"),
			act("sends-much", "peers send few calls with large bodies, more than the node has room for"),
			act("churns", "names are advertised and withdrawn again and again, while a peer does not read"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"stops-reading": func() { stopsReading(s) }, "sends-much": func() { sendsMuch(s) }, "churns": func() { churns(s) },
			})
		},
	}
}

// stopsReading lets three clients stop to read: answers, acknowledgements, and
// the calls of others.
func stopsReading(s *scenario.Stage) {
	g := startNode(s, "gateway", node.Config{})
	g.provideWith("work", node.AdvertiseOptions{}, working(g.place, hop))
	h, busy := honest(s, "honest", g), honest(s, "busy", g)
	s.Sleep(4 * hop)
	leases := g.node.Status().Leases
	for i, way := range []func(x *speaker, callers ...*attached){(*speaker).ignoresAnswers, (*speaker).ignoresAcks, (*speaker).ignoresCalls} {
		x := newSpeaker(s, fmt.Sprintf("slow-%d", i), g, transport.Config{}, wire.RoleClient)
		steady := h.steady(g)
		way(x, h, busy)
		begun := s.Runtime().Now()
		s.Eventually(patience+time.Second, propInTime, func() bool { return x.conn.Context().Err() != nil })
		s.Peak("milliseconds until a slow client is closed", -1, int(s.Runtime().Now().Sub(begun)/time.Millisecond))
		steady()
		s.Eventually(2*patience, propUse, func() bool { return callsHeld(g.node) == 0 })
		s.Sleep(4*hop + s.Slack())
		left := g.node.Status().Leases - leases
		s.Check(len(g.node.Clients()) == 2 && left <= 2, "nothing of a slow client stays", "%d leases more than before, %d clients", left, len(g.node.Clients()))
	}
}

// honest is a client of a node that behaves.
func honest(s *scenario.Stage, name string, g *member) *attached {
	s.SetLink(g.place, s.Place(name), scenario.Link{Latency: hop})
	c := newClient(s, name, name, client.Config{NoReconnect: true}, g)
	err := c.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	return c
}

// mostQueued is more than any limit of what waits for one peer may be.
const mostQueued = 4 << 20

// steady lets a client call again and again, until the result is called. Every
// call must take as long as it does alone, and no more wait for anybody than may.
func (c *attached) steady(g *member) (end func()) {
	s, over := c.s, false
	job := c.place.Go("steady", func() {
		for !over {
			begun := s.Runtime().Now()
			ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), time.Second)
			_, err := c.client.Call(ctx, "work", []byte("x"), false)
			cancel()
			took := s.Runtime().Now().Sub(begun)
			s.Check(err == nil && took <= 3*hop+s.Slack(), propOthers, "a call took %v: %v", took, err)
			for _, p := range g.node.Clients() {
				s.Check(p.Queued <= p.QueueLimit && p.Queued <= mostQueued, propQueued, "%d bytes wait, the limit is %d", p.Queued, p.QueueLimit)
			}
			rt.Sleep(context.Background(), c.place.Runtime(), 100*time.Millisecond)
		}
	})
	return func() { over = true; job.Wait() }
}

// ignoresAnswers makes calls and does not read what comes back.
func (x *speaker) ignoresAnswers(...*attached) {
	x.do("calls", func(ctx context.Context) {
		for range x.s.Int("calls") {
			x.small(ctx, x.call("work", 1<<10+int(x.s.Rand("size").Int64N(12<<10)), time.Minute))
		}
	})
}

// ignoresAcks advertises and does not read what comes back.
func (x *speaker) ignoresAcks(...*attached) {
	x.do("advertises", func(ctx context.Context) {
		x.control.SetWriteDeadline(x.place.Runtime().Now().Add(2 * patience))
		for range 30 * x.s.Int("calls") {
			x.version++
			a := wire.Advertise{Name: "at.the.one.who.does.not.read", Provider: x.id, Version: x.version, TTL: time.Hour}
			if _, err := x.control.Write(wire.AppendAdvertise(nil, &a)); err != nil {
				return
			}
		}
	})
}

// ignoresCalls provides something and does not read the calls of it: a few of
// the first caller, and many of the others.
func (x *speaker) ignoresCalls(callers ...*attached) {
	s := x.s
	x.do("provides", func(context.Context) {
		kind, err := x.advertise("at.the.deaf", time.Hour)
		s.Check(err == nil && kind == 0, "a client advertises", "%v %v", kind, err)
	})
	for i, c := range callers {
		for range min(4+i*s.Int("calls"), s.Int("calls")) {
			c.place.Go("call", func() {
				begun := s.Runtime().Now()
				ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err := c.client.Call(ctx, "at.the.deaf", make([]byte, (1+3*i)<<10), false)
				took := s.Runtime().Now().Sub(begun)
				s.Check(err != nil && took <= time.Second+s.Slack(), propOthers, "a call of who does not read took %v: %v", took, err)
			})
		}
	}
}
