package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// realm is that of every scenario.
const realm = "org.example.mesh"

// Names of the properties, the same in every scenario.
const (
	propLimits  = "every table stays within its limit"
	propAudit   = "every table and the ledger equal their recount"
	propOrphans = "no stream is orphaned"
	propLeft    = "a closed node leaves nothing behind"
	propUse     = "nothing is in use when no call is in flight"
	propBooked  = "the open connections are those in the tables"
	propHere    = "connections of the node, at its own end"
	propThere   = "connections of the node, at the other ends"
)

// member is a node at a place.
type member struct {
	s       *scenario.Stage
	watched bool
	place   *scenario.Place
	id      transport.PeerID
	cfg     node.Config
	tcfg    transport.Config
	load    func() pressure.Sample // of memory and time; nil is none
	most    int                    // connections that the node may have had, before its limits were lowered too
	node    *node.Node
	serve   *scenario.Job
}

// stage prepares what every scenario demands.
func stage(s *scenario.Stage) {
	s.Recount(propOrphans, func() error {
		o := slices.DeleteFunc(s.Orphans(), func(o string) bool {
			at, _, _ := strings.Cut(o, ": ")
			return !s.Place(at).Steady(time.Second) // who is slow has the news and has not come to it
		})
		if len(o) > 0 {
			return fmt.Errorf("%d orphans, the first is %s", len(o), o[0])
		}
		return nil
	})
}

// idOf is the id of what runs at the place of that name.
func idOf(s *scenario.Stage, name string) transport.PeerID { return ident.Simulated(s.Seed(), name) }

// peerOf is how others name a node that listens at a place.
func peerOf(s *scenario.Stage, name string) node.Peer {
	return node.Peer{ID: idOf(s, name), Addr: s.Place(name).Addr()}
}

// startNode builds a node at the place of that name and serves it until the
// end of the story, watched by every property.
func startNode(s *scenario.Stage, name string, cfg node.Config) *member {
	return startMember(s, name, cfg, true)
}

// startPeer is startNode for one of a crowd: only its limits are watched all
// the time, the rest when it closes.
func startPeer(s *scenario.Stage, name string, cfg node.Config) *member {
	return startMember(s, name, cfg, false)
}

func startMember(s *scenario.Stage, name string, cfg node.Config, watched bool) *member {
	return startMemberAs(s, name, name, cfg, watched)
}

// startMemberAs starts a node at a place under the id of another name.
func startMemberAs(s *scenario.Stage, place, as string, cfg node.Config, watched bool) *member {
	m := &member{s: s, watched: watched, place: s.Place(place), id: idOf(s, as), cfg: cfg}
	m.cfg.Realm = cmp.Or(m.cfg.Realm, realm)
	m.cfg.Ledger.Strict = true
	m.start()
	s.Defer(m.stop)
	return m
}

// meshOf starts nodes that know each other, with the same links between all.
func meshOf(s *scenario.Stage, link scenario.Link, cfg node.Config, names ...string) []*member {
	for _, name := range names {
		s.Place(name)
	}
	s.SetLinks(link)
	members := make([]*member, len(names))
	for i, name := range names {
		c := cfg
		for _, other := range names {
			if other != name {
				c.Bootstrap = append(c.Bootstrap, peerOf(s, other))
			}
		}
		members[i] = startNode(s, name, c)
	}
	s.Eventually(time.Minute, "the nodes find each other", func() bool { return converged(members) })
	return members
}

// converged reports whether every node has a connection to every other.
func converged(members []*member) bool {
	for _, m := range members {
		if m.node == nil || m.peers() != len(members)-1 {
			return false
		}
	}
	return true
}

// start makes the node and lets it serve.
func (m *member) start() {
	logs := &logBook{}
	n, err := node.New(m.cfg, node.Deps{
		Runtime: m.place.Runtime(), Transport: m.place.Transport(m.id, m.tcfg), ID: m.id,
		Log: logs.of(m.place.Logger()), Mark: m.s.Mark, Load: m.load,
	})
	if !m.s.Check(err == nil, "a node can be built", "%v", err) {
		return
	}
	m.node, m.most = n, max(m.most, n.MaxConns())
	m.place.Always(propLimits, n.Check)
	if m.watched {
		m.watch(n)
		m.s.Recount(propLog, logs.check)
		m.show(n)
	}
	m.serve = m.place.Go("node", func() { n.Serve(context.Background()) })
	// It may crash before it does, or stand still.
	m.s.Eventually(time.Second, "a node listens", func() bool {
		return m.node != n || n.Ready() || !m.place.Steady(time.Second)
	})
}

// watch demands of the node what must hold at any time, until it is another
// one.
func (m *member) watch(n *node.Node) {
	m.s.Recount(propAudit, func() error {
		// What is overdue on a machine that stands still is not held for too
		// long: it has not run.
		if m.node != n || !m.place.Steady(time.Second) {
			return nil
		}
		return n.Audit()
	})
	if _, _, ok := m.place.PeakConns(); !ok {
		m.s.Always(propHere, func() error { return m.within(n, m.place.Conns()) })
		m.s.Always(propThere, func() error { return m.within(n, m.place.ConnsTo()) })
		return
	}
	// The network remembers the peaks: to look at them now and then is to look
	// after every event.
	m.s.Recount(propHere, func() error {
		here, _, _ := m.place.PeakConns()
		return m.peaked(n, here)
	})
	m.s.Recount(propThere, func() error {
		_, there, _ := m.place.PeakConns()
		return m.peaked(n, there)
	})
}

// peaked says when a node has had more connections than it ever might.
func (m *member) peaked(n *node.Node, conns int) error {
	m.most = max(m.most, n.MaxConns())
	if m.node == n && conns > m.most {
		return fmt.Errorf("%s: %d, the limit is %d", m.place.Name(), conns, m.most)
	}
	return nil
}

// within says when a node has more connections than it may.
func (m *member) within(n *node.Node, conns int) error {
	if m.node == n && conns > n.MaxConns() {
		return fmt.Errorf("%s: %d, the limit is %d", m.place.Name(), conns, n.MaxConns())
	}
	return nil
}

// show shows what fills up in a node beside its caps.
func (m *member) show(n *node.Node) {
	st := n.Status()
	m.place.Sample("pool", st.Pool.Cap, func() int { return n.Status().Pool.Open })
	m.place.Sample("clients", st.Clients.Limit, func() int { return n.Status().Clients.Attached })
	m.place.Sample("services", st.Registry.Limit, func() int { return n.Status().Registry.Entries })
	m.place.Sample("calls", -1, func() int { return n.Status().Caller.InFlight })
	m.place.Sample("handlers", n.Limits().Handlers, func() int { return n.Status().Server.Running })
}

// stop closes the node and demands that nothing is left of it.
func (m *member) stop() {
	if m.node == nil {
		return
	}
	n := m.node
	m.quiet(n)
	if err := n.Audit(); !m.s.Check(err == nil, propAudit, "%s: %v", m.place.Name(), err) {
		return
	}
	m.peaks(n)
	m.place.Do("close", n.Close)
	m.place.Forget()
	m.node = nil
	left := n.Leftovers()
	m.s.Check(left == node.Leftovers{}, propLeft, "%s: %+v", m.place.Name(), left)
	if m.watched {
		rest := m.place.Leaks()
		m.s.Check(len(rest) == 0, propLeft, "%s: %v", m.place.Name(), rest)
	}
}

// peaks notes how full the node has been, before it is gone.
func (m *member) peaks(n *node.Node) {
	st := n.Status()
	m.s.Peak("pool", st.Pool.Cap, st.Pool.Peak)
	m.s.Peak("clients", st.Clients.Limit, st.Clients.Peak)
	m.s.Peak("services", st.Registry.Limit, st.Registry.Peak)
	m.s.Peak("handlers", n.Limits().Handlers, st.Server.Peak)
	m.s.Peak("own calls in flight", -1, st.Caller.Peak) // those of clients are handlers here
}

// drain closes the node in the middle of what it does: it may take no longer
// than it says, and leave nothing.
func (m *member) drain() {
	n := m.node
	m.peaks(n)
	m.node = nil
	m.place.Do("close", n.Close)
	m.place.Forget()
	left := n.Leftovers()
	m.s.Check(left == node.Leftovers{}, propLeft, "%s: %+v", m.place.Name(), left)
}

// quiet demands of a node that is left alone that it comes to rest: what is
// open is what its tables hold, and what is in use is used by a call.
func (m *member) quiet(n *node.Node) {
	if !m.watched {
		return
	}
	m.s.Eventually(time.Minute, propBooked, func() bool {
		st := n.Status()
		booked, open := st.Pool.Open+st.Clients.Attached, m.place.Conns()
		return booked <= open && open <= booked+st.Pool.Closing
	})
	m.s.Eventually(10*time.Second, propUse, func() bool {
		st := n.Status()
		return st.Caller.InFlight > 0 || st.Server.Running > 0 || st.Pool.InUse == 0 && callsHeld(n) == 0
	})
}

// callsHeld is how many calls the links of a node hold, in both directions.
func callsHeld(n *node.Node) int {
	calls := 0
	for _, p := range n.Peers() {
		calls += p.CallsOut + p.CallsIn
	}
	for _, c := range n.Clients() {
		calls += c.CallsOut + c.CallsIn
	}
	return calls
}

// crash ends the node in the middle of what it does.
func (m *member) crash() {
	if m.node != nil {
		m.peaks(m.node)
	}
	m.node = nil
	m.place.Forget()
	m.place.Crash()
}

// restart brings a crashed node back, as a new run of the same id.
func (m *member) restart() {
	m.place.Restart()
	m.start()
}

// call makes a call from the node and waits for its end.
func (m *member) call(name string, body []byte, timeout time.Duration, idempotent bool) (answer []byte, err error) {
	n := m.node
	ok := m.place.Do("call", func() {
		ctx, cancel := m.place.Runtime().WithTimeout(context.Background(), timeout)
		defer cancel()
		answer, err = n.Call(ctx, name, body, node.CallOptions{Idempotent: idempotent})
	})
	if !ok {
		return nil, fault.New("scenario", fault.CallerGone, "the caller's machine crashed")
	}
	return answer, err
}

// provide advertises an echo service at the node.
func (m *member) provide(name string, opt node.AdvertiseOptions) *node.Service {
	return m.provideWith(name, opt, echo)
}

// provideWith advertises a service with a handler.
func (m *member) provideWith(name string, opt node.AdvertiseOptions, h node.Handler) *node.Service {
	svc, err := m.node.Advertise(name, h, opt)
	m.s.Check(err == nil, "a service can be advertised", "%s: %v", name, err)
	return svc
}

func echo(_ context.Context, req *node.Request) ([]byte, error) { return req.Body, nil }

// peers is how many admitted connections the node has.
func (m *member) peers() int { return m.node.Status().Pool.Open }

// attached is a client at a place.
type attached struct {
	s      *scenario.Stage
	place  *scenario.Place
	id     transport.PeerID
	client *client.Client
	trans  transport.Transport
}

// newClient builds a client at the place of that name, of the nodes that it
// may attach to. Its id is that of the name, or of another one.
func newClient(s *scenario.Stage, place, as string, cfg client.Config, gateways ...*member) *attached {
	c := &attached{s: s, place: s.Place(place), id: idOf(s, as)}
	if cfg.Realm == "" {
		cfg.Realm = realm
	}
	cfg.Ledger.Strict = true
	for _, g := range gateways {
		cfg.Gateways = append(cfg.Gateways, client.Gateway{ID: g.id, Addr: g.place.Addr()})
	}
	c.trans = c.place.Transport(c.id, transport.Config{})
	var err error
	c.client, err = client.New(cfg, client.Deps{
		Runtime: c.place.Runtime(), Transport: c.trans, ID: c.id, Log: c.place.Logger(), Mark: s.Mark,
	})
	s.Check(err == nil, "a client can be built", "%v", err)
	s.Defer(c.close)
	return c
}

// attach attaches and waits for the answer. It may be closed meanwhile.
func (c *attached) attach() (err error) {
	k := c.client
	c.place.Do("attach", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = k.Attach(ctx)
	})
	return err
}

// provide advertises a service through the gateway.
func (c *attached) provide(name string, h node.Handler, ttl time.Duration, once bool) (err error) {
	c.place.Do("advertise", func() { _, err = c.advertise(name, h, ttl, once) })
	return err
}

// advertise is provide for a task of the client's own.
func (c *attached) advertise(name string, h node.Handler, ttl time.Duration, once bool) (*client.Service, error) {
	ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.client.Advertise(ctx, name, h, ttl, once)
}

// close leaves, and frees the place in the network.
func (c *attached) close() {
	if c.client == nil {
		return
	}
	k := c.client
	c.client = nil
	c.place.Do("close", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		k.Close(ctx)
		c.trans.Close()
	})
}

// crash ends the client in the middle of what it does.
func (c *attached) crash() {
	c.client = nil
	c.place.Crash()
}
