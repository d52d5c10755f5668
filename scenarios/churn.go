package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/load/churn"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func churnSystem() *scenario.System {
	return &scenario.System{
		Name:  "churn",
		Shows: "four nodes at their caps, under a load that never rests",
		Limit: 100 * 24 * time.Hour,
		Params: []scenario.Param{
			{Name: "hours", Default: "0", Doc: "how long the load lasts; minutes= is added"},
			{Name: "minutes", Default: "3", Least: "0", Doc: "how long the load lasts; hours= is added"},
			{Name: "rate", Default: "40", Least: "1", Doc: "what all parties together do in a second, mostly calls"},
			{Name: "stay", Default: "60s", Least: "1s", Doc: "how long a client or peer stays on average"},
			{Name: "pace", Default: "0", Doc: "how many times slower everything happens, so that days take minutes; the caps are held all the same; 0 is 1, and 20 when hours= is set"},
			{Name: "pool", Default: "8", Least: "4", Doc: "connections that the pool of a node may hold; half as many peers again want a place"},
			{Name: "clients", Default: "10", Least: "1", Doc: "clients that may be attached to a node; half as many again come"},
			{Name: "owned", Default: "20", Least: "5", Doc: "services that one client may provide; one client of each node tries to provide more"},
		},
		Requests: []plan.Verb{
			act("churn", "the load comes, lasts and leaves"),
			act("rest", "when everybody has left, a node holds what it held before"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			c := &churned{s: s}
			return acts(map[string]func(){"churn": c.churn, "rest": c.rest})
		},
	}
}

// churned is a mesh under churn.
type churned struct {
	s       *scenario.Stage
	nodes   []*member
	before  []holding
	samples [][]holding // of each node, one a minute
}

// holding is what a node holds, as far as it can grow.
type holding struct {
	conns, streams, leases, bytes, entries, owners, names, peers, tasks int
}

// of reads it; tasks only when asked, since it costs time.
func of(m *member, tasks bool) holding {
	st := m.node.Status()
	h := holding{
		conns: st.Transport.Conns, streams: st.Transport.Streams, leases: st.Ledger.Leases,
		entries: st.Registry.Entries, owners: st.Registry.Owners, names: st.Discovery.Names, peers: st.Ledger.Peers,
	}
	for _, u := range st.Ledger.Usage {
		h.bytes += int(u.Bytes)
	}
	if tasks {
		h.tasks = len(m.place.Leaks())
	}
	return h
}

// figures are those of a holding, with their names.
func (h holding) figures() []figure {
	return []figure{
		{"connections", h.conns}, {"streams", h.streams}, {"leases", h.leases}, {"bytes in the ledger", h.bytes},
		{"services", h.entries}, {"owners of services", h.owners}, {"names told", h.names}, {"accounts", h.peers},
		{"tasks and timers", h.tasks},
	}
}

type figure struct {
	name string
	n    int
}

func (c *churned) start() {
	s := c.s
	cfg := node.Config{OpenPeers: true}
	cfg.Pool.Cap, cfg.Clients.Limit, cfg.Registry.PerOwner = s.Int("pool"), s.Int("clients"), s.Int("owned")
	// What may be open besides, in proportion: else the limit of all together
	// would say little when the caps are small.
	const few = 4
	cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing, cfg.Handshakes = few, few, few, 2*few
	cfg.Clients.RetryAfter = 5 * time.Second * c.pace()
	c.nodes = meshOf(s, scenario.LAN(), cfg, "n0", "n1", "n2", "n3")
	for i, m := range c.nodes {
		m.provide(fmt.Sprintf("own.%d", i), node.AdvertiseOptions{})
	}
	s.Sleep(time.Second)
	c.settle()
	for _, m := range c.nodes {
		c.before = append(c.before, of(m, true))
	}
	c.samples = make([][]holding, len(c.nodes))
}

// pace is how many times slower than usual everything happens.
func (c *churned) pace() time.Duration {
	switch n := c.s.Int("pace"); {
	case n > 0:
		return time.Duration(n)
	case c.s.Int("hours") > 0:
		return 20
	}
	return 1
}

// ttl is the longest time that a service is advertised for.
func (c *churned) ttl() time.Duration { return 20 * time.Second * c.pace() }

// settle waits until the nodes are at rest, each with a connection to every
// other on which both have called.
func (c *churned) settle() {
	c.s.Eventually(2*time.Minute, "the nodes find each other", func() bool { return converged(c.nodes) })
	for i, m := range c.nodes {
		for j := range c.nodes {
			_, err := m.call(fmt.Sprintf("own.%d", j), []byte("x"), 5*time.Second, true)
			c.s.Check(err == nil, "every node can call every other", "n%d calls n%d: %v", i, j, err)
		}
	}
	// Longer than anything is remembered: a client that vanished for 40 s, the
	// names that go with it for 60 s and until the next cleanup, what a peer has
	// provided until it expires.
	c.s.Sleep(c.ttl() + 3*time.Minute)
}

func (c *churned) churn() {
	s := c.s
	c.start()
	var gateways []client.Gateway
	for _, m := range c.nodes {
		gateways = append(gateways, client.Gateway{ID: m.id, Addr: m.place.Addr()})
	}
	pool, clients := s.Int("pool"), s.Int("clients")
	cfg := churn.Config{
		Realm: realm, Nodes: gateways, Rate: float64(s.Int("rate")) / float64(c.pace()), Stay: s.Duration("stay") * c.pace(),
		TTL: c.ttl(), Ramp: 10 * time.Second,
		Clients: clients + clients/2 + 1, Peers: pool + pool/2 - len(c.nodes) + 1, Hoard: s.Int("owned") + 5,
	}
	cfg.Backoff.Max = 30 * time.Second * c.pace()
	load := churn.Start(seats{s}, cfg)
	s.SetLinks(scenario.LAN())
	length := time.Duration(s.Int("hours"))*time.Hour + time.Duration(s.Int("minutes"))*time.Minute
	for end := s.Runtime().Now().Add(length); !end.Reached(s.Runtime().Now()); {
		s.Sleep(time.Minute)
		for i, m := range c.nodes {
			c.samples[i] = append(c.samples[i], of(m, false))
		}
	}
	load.Stop()
	n := load.Counts()
	s.Check(n.Wrong == 0, "nothing happens that may not", "%d times, first: %s", n.Wrong, n.Saw)
	s.Check(n.Late == 0, "a call ends by its deadline", "%d of %d calls were late", n.Late, n.Calls)
	s.Factf("%v: %d calls (%d answered, %d large, %d late or given up), %d clients came and %d were refused, %d peers came; %d said goodbye, %d did not, %d were superseded",
		length, n.Calls, n.Answered, n.Large, n.Deadline+n.Cancelled, n.Attached, n.Refused, n.Joined, n.Left, n.Vanished+n.Dropped, n.Superseded)
	s.Factf("%d services were advertised, %d withdrawn, %d left to expire, %d refused", n.Advertised, n.Withdrawn, n.Expired, n.Full)
	c.capped()
	c.flat(length)
}

// capped demands that the caps were met.
func (c *churned) capped() {
	for i, m := range c.nodes {
		st := m.node.Status()
		c.s.Check(st.Pool.Peak == st.Pool.Cap && st.Clients.Peak == st.Clients.Limit, "the caps are reached",
			"%s: pool %d of %d, clients %d of %d", m.place.Name(), st.Pool.Peak, st.Pool.Cap, st.Clients.Peak, st.Clients.Limit)
		c.s.Factf("n%d: %d peers evicted, %d refused; %d clients refused; %d services expired; %d calls answered", i,
			st.Pool.Evicted, st.Pool.Refused, st.Clients.Refused, st.Registry.Expired, st.Server.Served)
	}
}

// flatFrom is how many generations of clients it takes to tell a slope from
// the weather.
const flatFrom = 50

// flat demands that nothing grows: in the last third of the time a node holds
// what it held in the second.
func (c *churned) flat(length time.Duration) {
	if length < flatFrom*c.s.Duration("stay")*c.pace() {
		return
	}
	for i, all := range c.samples {
		third := len(all) / 3
		middle, last := all[third:2*third], all[len(all)-third:]
		for k, f := range all[0].figures() {
			a, b := median(middle, k), median(last, k)
			c.s.Check(b <= a+a/4+8, "no table grows", "n%d: %d %s in the second third of the time, %d in the last", i, a, f.name, b)
			if i == 0 {
				c.s.Factf("n0, median of the second and the last third: %d and %d %s", a, b, f.name)
			}
		}
	}
}

// median is that of one figure.
func median(all []holding, figure int) int {
	var v []int
	for _, h := range all {
		v = append(v, h.figures()[figure].n)
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func (c *churned) rest() {
	c.settle()
	for i, m := range c.nodes {
		was, is := c.before[i].figures(), of(m, true).figures()
		for k := range was {
			var list []string
			if k == len(was)-1 {
				list = m.place.Leaks()
			}
			c.s.Check(is[k].n == was[k].n, "at rest a node holds what it held before",
				"n%d: %d %s, %d before %q", i, is[k].n, is[k].name, was[k].n, list)
		}
	}
}

// seats are the machines of the load.
type seats struct{ s *scenario.Stage }

// Runtime implements churn.World.
func (w seats) Runtime() rt.Runtime { return w.s.Runtime() }

// Seat implements churn.World.
func (w seats) Seat(name string) churn.Seat { return seat{w.s.Place(name), w.s} }

// seat is one machine.
type seat struct {
	*scenario.Place
	s *scenario.Stage
}

// Enter implements churn.Seat.
func (p seat) Enter(name string) (transport.Transport, transport.PeerID, error) {
	id := idOf(p.s, name)
	return p.Transport(id, transport.Config{}), id, nil
}

// Strike implements churn.Seat.
func (p seat) Strike(func()) {
	p.Crash()
	p.Restart()
}
