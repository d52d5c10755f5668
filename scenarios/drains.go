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

func drainsSystem() *scenario.System {
	return &scenario.System{
		Name:  "drains",
		Shows: "nodes that are told to close while there is much to do",
		Params: []scenario.Param{
			{Name: "clients", Default: "12", Least: "2", Doc: "clients that move from one gateway to another; together they are as many as each of the two may have"},
			{Name: "rounds", Default: "6", Least: "1", Doc: "how often a node closes"},
			{Name: "calls", Default: "6", Least: "1", Doc: "calls of each kind that are open when a node closes"},
		},
		Requests: []plan.Verb{
			act("clients-move", "one of two gateways closes and its clients move to the other, and then all of them move back"),
			act("any-moment", "a node closes rounds= times, each time at another moment of what it does"),
			act("never-ends", "a node closes that has calls, bodies and handshakes open that would never end by themselves"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"clients-move": func() { clientsMove(s) },
				"never-ends":   func() { neverEnds(s) },
				"any-moment":   func() { anyMoment(s) },
			})
		},
	}
}

const (
	propOnce  = "a client that moves is counted once"
	propMoved = "every client is attached again soon after its gateway has closed"
	propRoom  = "nobody is refused while those who have left are not counted any more"
	propGone  = "a node that is told to close is gone by its deadline, whatever is open"
)

const drainTime = 5 * time.Second

// movers are two gateways, and clients that may be attached to either.
type movers struct {
	s       *scenario.Stage
	gates   [2]*member
	nodes   [2]*node.Node // of the gates, also while they close
	clients []*attached
	sum     int // attached at both, when it was looked at last
}

func clientsMove(s *scenario.Stage) {
	m := &movers{s: s}
	count := s.Int("clients")
	cfg := node.Config{DrainTimeout: drainTime}
	cfg.Clients.Limit = count
	nodes := meshOf(s, scenario.Link{Latency: hop}, cfg, "gate-0", "gate-1", "provider")
	copy(m.gates[:], nodes)
	m.nodes = [2]*node.Node{nodes[0].node, nodes[1].node}
	nodes[2].provideWith("work", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		r := nodes[2].place.Runtime()
		return req.Body, rt.Sleep(ctx, r, time.Duration(r.Rand("work").Int64N(int64(2*time.Second))))
	})
	s.Always(propOnce, m.once)
	for i := range count {
		name := fmt.Sprintf("client-%02d", i)
		for _, g := range m.gates {
			s.SetLink(g.place, s.Place(name), scenario.Link{Latency: hop})
		}
		// Most of them begin at the first gateway, and a few at the other one.
		first := min(i%4, 1) ^ 1
		c := newClient(s, name, name, client.Config{}, m.gates[first], m.gates[1-first])
		err := c.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
		m.clients = append(m.clients, c)
		c.place.Go("calls", func() { m.calls(c) })
	}
	for i := range m.gates {
		s.Sleep(time.Duration(s.Rand("drain").Int64N(int64(time.Second))))
		m.move(i)
	}
	for _, c := range m.clients {
		c.close()
	}
}

// calls calls until the client is closed, so that there is always something to
// finish before it may move.
func (m *movers) calls(c *attached) {
	k := c.client
	for !k.Over().Fired() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		k.Call(ctx, "work", []byte("x"), true)
		cancel()
		rt.Sleep(context.Background(), c.place.Runtime(), 10*time.Millisecond)
	}
}

// move closes one gateway, waits until everybody is at the other, and starts it
// again.
func (m *movers) move(from int) {
	s, g, to := m.s, m.gates[from], m.nodes[1-from]
	moving := g.node.Status().Clients.Attached
	s.Sometimes("moved to a gateway that is full with them", moving > 0 && moving < len(m.clients))
	s.Sometimes("moved all at a time", moving == len(m.clients))
	job := s.Go("drain", g.drain)
	s.Eventually(drainTime+5*time.Second, propMoved, func() bool { return to.Status().Clients.Attached == len(m.clients) })
	job.Wait()
	refused := to.Status().Clients.Refused
	s.Check(refused == 0, propRoom, "%d of %d were refused at a limit of as many", refused, len(m.clients))
	g.start()
	m.nodes[from] = g.node
	s.Eventually(time.Minute, "the nodes find each other again", func() bool { return g.peers() == 2 })
}

// once says when the gateways count somebody twice.
func (m *movers) once() error {
	sum := 0
	for _, n := range m.nodes {
		sum += n.Status().Clients.Attached
	}
	if sum == m.sum {
		return nil
	}
	m.sum = sum
	at := map[transport.PeerID]int{} // for lookup only
	for i, n := range m.nodes {
		for _, c := range n.Clients() {
			if was, ok := at[c.ID]; ok {
				return fmt.Errorf("a client is counted at gate-%d and at gate-%d, %d in all of %d", was, i, sum, len(m.clients))
			}
			at[c.ID] = i
		}
	}
	return nil
}

// neverEnds opens whatever would never end by itself, and closes the node.
func neverEnds(s *scenario.Stage) {
	link := scenario.Link{Latency: hop}
	far := s.Place("far")
	cfg := node.Config{OpenPeers: true, DrainTimeout: drainTime, Bootstrap: []node.Peer{peerOf(s, "far")}}
	n := startNode(s, "node", cfg)
	peer := startNode(s, "peer", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "node")}})
	s.SetLink(n.place, peer.place, link)
	s.SetLink(n.place, far, link)
	s.Cut(n.place, far)
	n.provideWith("wait", node.AdvertiseOptions{}, waiting(n.place))
	peer.provideWith("far-wait", node.AdvertiseOptions{}, waiting(peer.place))
	s.Eventually(10*time.Second, "every node knows every provider", func() bool { return peer.lists("wait") && n.lists("far-wait") })
	slow := newClient(s, "slow", "slow", client.Config{NoReconnect: true}, n)
	s.SetLink(n.place, slow.place, link)
	err := slow.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	var callers []*scenario.Job
	for i := range s.Int("calls") {
		body := make([]byte, 64+i%2*(40<<10)) // every other one on a stream of its own
		callers = append(callers,
			n.hang("far-wait", body), // a call to another node
			n.hang("wait", body),     // and to itself
			peer.hang("wait", body), slow.hang("wait", body))
	}
	n.provideWith("much", node.AdvertiseOptions{}, func(context.Context, *node.Request) ([]byte, error) { return make([]byte, 1<<20), nil })
	slow.place.SlowReader(1 << 10) // a reply that takes longer than the node has
	callers = append(callers, slow.hang("much", nil))
	halfSaid(s, n, link)
	s.Eventually(10*time.Second, "everything is open", func() bool {
		st := n.node.Status()
		return st.Server.Running >= 3*s.Int("calls") && st.Caller.InFlight >= 2*s.Int("calls")
	})
	s.Sleep(time.Duration(s.Rand("close").Int64N(int64(2 * time.Second))))
	streams := n.place.Streams()
	s.Check(streams > 0, "streams are open", "none")
	begun := s.Runtime().Now()
	n.drain()
	took := s.Runtime().Now().Sub(begun)
	s.Check(took <= drainTime+10*time.Millisecond+s.Slack(), propGone, "it took %v of %v", took, drainTime)
	for _, c := range callers {
		c.Wait()
	}
	s.Sleep(hop) // what hears of the end at the others has to run yet
	rest := n.place.Leaks()
	s.Check(len(rest) == 0, propGone, "%d are left, first: %v", len(rest), rest[:min(len(rest), 3)])
	s.Factf("closed in %v with %d streams open", took, streams)
}

// hang makes a call that nobody answers and that has an hour.
func (m *member) hang(name string, body []byte) *scenario.Job {
	n := m.node
	return m.place.Go("call", func() {
		ctx, cancel := m.place.Runtime().WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := n.Call(ctx, name, body, node.CallOptions{})
		m.s.Check(err != nil, propUnanswered, "%s", name)
	})
}

// hang is that of a client.
func (c *attached) hang(name string, body []byte) *scenario.Job {
	k := c.client
	return c.place.Go("call", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := k.Call(ctx, name, body, false)
		c.s.Check(err != nil, propUnanswered, "%s", name)
	})
}

const propUnanswered = "a call that nobody answers does not succeed"

// halfSaid are two strangers who keep a stream each that they never finish: one
// before its hello, and one in the middle of a large call.
func halfSaid(s *scenario.Stage, n *member, link scenario.Link) {
	mute := newStranger(s, "mute", n, link)
	mute.do("connect", func(ctx context.Context) {
		err := mute.connect(ctx, n)
		s.Check(err == nil, "a stranger can connect", "%v", err)
	})
	half := newStranger(s, "half", n, link)
	half.do("half a call", func(ctx context.Context) {
		kind, err := half.admitted(ctx, n, wire.RoleClient)
		s.Check(err == nil && kind == wire.KindWelcome, "a stranger can be a client", "frame %d, %v", kind, err)
		frame := wire.AppendCall([]byte{wire.StreamCall}, &wire.Call{ID: 1, Budget: time.Hour, Name: "wait", Body: make([]byte, 100<<10)})
		_, err = half.open(ctx, frame[:1000])
		s.Check(err == nil, "a stranger opens a stream", "%v", err)
	})
}
