package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// Fields of the mesh's verbs.
var (
	anyNode   = plan.Field{Name: "node", Kind: plan.Node}
	meshNode  = plan.Field{Name: "node", Kind: plan.Node, Of: "node"}
	aClient   = plan.Field{Name: "client", Kind: plan.Node, Of: "client"}
	aService  = plan.Field{Name: "service", Kind: plan.Name, Domain: "service"}
	expect    = plan.Field{Name: "expect", Kind: plan.Choice, Choices: []string{"anything", "answer", "error"}, Default: "anything", Doc: "what must come of it, as long as somebody has provided the service for five seconds"}
	workField = plan.Field{Name: "work", Kind: plan.Duration, Default: "0s", Draw: "0s..200ms", Doc: "the longest time that a handler takes"}
)

// meshSystem is nodes that all know each other, and clients of them.
func meshSystem() *scenario.System {
	return &scenario.System{
		Name:  "mesh",
		Shows: "nodes that know each other, clients that are attached to them, services and calls",
		Kinds: []string{"node", "client"},
		Params: []scenario.Param{
			{Name: "pool", Default: "1000", Least: "1", Doc: "connections that the pool of a node may hold"},
			{Name: "clients", Default: "10000", Least: "1", Doc: "clients that may be attached to a node"},
		},
		Nodes: []plan.Field{
			{Name: "degree", Kind: plan.Count, Optional: true, Least: 1, Doc: "of a node: how many connections it has in a ring of them, half of them dialled by itself; all others when it is not said"},
			{Name: "of", Kind: plan.Text, Optional: true, Doc: "of a client: the node that it attaches to, or several with commas between them; all when it is not said"},
			{Name: "realm", Kind: plan.Text, Optional: true, Doc: "the realm of a node or client; one and the same when it is not said. Those of different realms try each other all the same, and must get nowhere"},
			{Name: "handshakes", Kind: plan.Count, Optional: true, Least: 1, Doc: "of a node: handshakes that it takes part in at a time, and at most so many dials, newcomers that wait for room and connections that close; 64 when it is not said"},
			{Name: "handlers", Kind: plan.Count, Optional: true, Least: 1, Doc: "of a node: handlers that may run there; 10,000 when it is not said"},
			{Name: "calls", Kind: plan.Count, Optional: true, Least: 1, Doc: "of a node: calls that one peer or client may have in flight there; 1,024 when it is not said"},
		},
		Requests: []plan.Verb{
			{Name: "advertise", Doc: "a node or client provides an echo under a name, until it is withdrawn", Args: []plan.Field{anyNode, aService},
				Pairs: []plan.Field{workField, {Name: "ttl", Kind: plan.Duration, Default: "20s", Least: int64(time.Second), Doc: "how long an advertisement counts"}}},
			{Name: "withdraw", Doc: "takes that back", Args: []plan.Field{anyNode, aService}},
			{Name: "call", Doc: "a node or client calls a service", Args: []plan.Field{anyNode, aService}, Pairs: []plan.Field{
				{Name: "size", Kind: plan.Bytes, Default: "64", Draw: "8..300", Least: 8, Most: 1 << 20, Doc: "of the body"},
				{Name: "timeout", Kind: plan.Duration, Default: "3s", Least: int64(time.Millisecond)},
				{Name: "idempotent", Kind: plan.Flag, Default: "no", Draw: "no..yes", Doc: "it may run more than once"},
				{Name: "cancel", Kind: plan.Duration, Default: "0s", Doc: "after how long its caller gives up; 0s is never"},
				expect,
			}},
			{Name: "restart", Doc: "a node is closed in good order and starts again", Args: []plan.Field{meshNode},
				Pairs: []plan.Field{{Name: "after", Kind: plan.Duration, Default: "1s", Draw: "0s..5s", Doc: "how long it is away"}}},
			{Name: "leave", Doc: "a client leaves in good order and attaches again", Args: []plan.Field{aClient},
				Pairs: []plan.Field{{Name: "after", Kind: plan.Duration, Default: "1s", Draw: "0s..5s", Doc: "how long it is away"}}},
		},
		Demands: []plan.Verb{
			{Name: "converged", Doc: "every node is connected to every other"},
			{Name: "known", Doc: "every node knows every provider, and keeps knowing them for the time that an advertisement counts"},
			{Name: "reachable", Doc: "every node and client has an answer from every service that is provided"},
		},
		Example: meshExample,
		Check:   checkMesh,
		Open:    openMesh,
	}
}

// checkMesh refuses a client of a node that is not there, and the call of a
// service that must answer and that nobody provides.
func checkMesh(sc *plan.Script) error {
	refuse := func(s *plan.Statement, format string, args ...any) error {
		return &plan.Error{File: sc.Plan.File, Pos: s.Line.Pos(), Msg: fmt.Sprintf(format, args...)}
	}
	for _, n := range sc.Nodes {
		if !n.Line.Has("of") {
			continue
		}
		for _, name := range splitList(n.Line.Text("of")) {
			if !slices.ContainsFunc(sc.Nodes, func(o plan.NodeDecl) bool { return o.Name == name && o.Kind == "node" }) {
				return refuse(n.Line, "of=%s: there is no node of kind node that is called %s", n.Line.Text("of"), name)
			}
		}
	}
	lines := slices.Concat(sc.Timed, sc.Then)
	for _, s := range lines {
		if s.Verb.Name != "call" || s.Text("expect") != "answer" || !s.Has("service") {
			continue
		}
		if !slices.ContainsFunc(lines, func(o *plan.Statement) bool {
			return o.Verb.Name == "advertise" && o.Text("service") == s.Text("service")
		}) {
			return refuse(s, "call: %s must answer, and no line advertises it", s.Text("service"))
		}
	}
	return nil
}

// mesh is a run of the system.
type mesh struct {
	s     *scenario.Stage
	nodes []*actor
	by    map[*scenario.Node]*actor // for lookup only
	calls calls
}

// actor is a node or a client of a plan.
type actor struct {
	on       *scenario.Node
	member   *member   // of a node
	client   *attached // of a client, while it is there
	cfg      client.Config
	gateways []*actor
	since    mono.Time         // of its last start
	provides []offer           // what it has been asked to provide and not to withdraw
	withdrew []offer           // what it provided before, with the time at which that ended
	recall   map[string]func() // withdraws what it provides now; for lookup only
	busy     bool              // it is being closed, or started again
}

// offer is a service that an actor provides.
type offer struct {
	name      string
	work, ttl time.Duration
	since     mono.Time
}

func openMesh(s *scenario.Stage) *scenario.Subject {
	stage(s)
	m := &mesh{s: s, by: map[*scenario.Node]*actor{}}
	m.calls = calls{s: s, runs: map[uint64]int{}, by: map[uint64]*actor{}}
	return &scenario.Subject{
		Start:     m.start,
		Crashed:   m.crashed,
		Restarted: m.restarted,
		Says:      m.says,
		Requests: map[string]func(*scenario.Request){
			"advertise": m.advertise, "withdraw": m.withdraw, "call": m.call, "restart": m.restart, "leave": m.leave,
		},
		Holds: map[string]func(*scenario.Request) error{
			"converged": m.converged, "known": m.known, "reachable": m.reachable,
		},
	}
}

// start starts the nodes, each of which knows all others, and then the
// clients.
func (m *mesh) start(nodes []*scenario.Node) {
	for _, n := range nodes {
		a := &actor{on: n, recall: map[string]func(){}}
		m.nodes, m.by[n] = append(m.nodes, a), a
	}
	for _, a := range m.nodes {
		if a.on.Kind != "node" {
			continue
		}
		cfg := m.configOf(a)
		for _, o := range m.peersOf(a) {
			cfg.Bootstrap = append(cfg.Bootstrap, peerOf(m.s, o.on.Name()))
		}
		a.member = startNode(m.s, a.on.Name(), cfg)
	}
	m.watch()
	for _, a := range m.nodes {
		if a.on.Kind == "client" {
			m.attach(a)
		}
	}
	m.s.Defer(m.report)
}

// configOf is the configuration of a node, with the limits of its line.
func (m *mesh) configOf(a *actor) node.Config {
	cfg := node.Config{Realm: a.realm(), OpenPeers: a.on.Line.Has("degree")}
	cfg.Pool.Cap, cfg.Clients.Limit = m.s.Int("pool"), m.s.Int("clients")
	if a.on.Line.Has("handshakes") {
		n := int(a.on.Line.Int("handshakes"))
		cfg.Handshakes, cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing = n, n, n, n
	}
	if a.on.Line.Has("handlers") {
		cfg.Server.MaxHandlers = int(a.on.Line.Int("handlers"))
	}
	if a.on.Line.Has("calls") {
		cfg.Link.MaxCalls = int(a.on.Line.Int("calls"))
	}
	return cfg
}

// peersOf are the nodes that a node connects to of its own accord: all others,
// or the next ones in a ring, half as many as its degree, since as many again
// connect to it. Those of another realm it tries all the same.
func (m *mesh) peersOf(a *actor) []*actor {
	nodes := slices.DeleteFunc(slices.Clone(m.nodes), func(o *actor) bool { return o.on.Kind != "node" })
	others := slices.DeleteFunc(slices.Clone(nodes), a.with)
	nodes = slices.DeleteFunc(nodes, func(o *actor) bool { return !a.with(o) })
	at := slices.Index(nodes, a)
	most := len(nodes) - 1
	if a.on.Line.Has("degree") {
		most = min(most, (int(a.on.Line.Int("degree"))+1)/2)
	}
	var out []*actor
	for i := range nodes { // in their order, so that a full mesh is the same for all
		if d := (i - at + len(nodes)) % len(nodes); d > 0 && d <= most {
			out = append(out, nodes[i])
		}
	}
	return append(out, others...)
}

// attach builds a client that stays attached from now on.
func (m *mesh) attach(a *actor) {
	var gateways []*member
	for _, g := range m.nodes {
		if g.member != nil && a.wants(g.on.Name()) {
			gateways = append(gateways, g.member)
		}
	}
	a.client = newClient(m.s, a.on.Name(), a.on.Name(), client.Config{Realm: a.realm()}, gateways...)
	c := a.client
	c.place.Go("attach", func() {
		for a.client == c && c.client != nil && c.attach() != nil {
			rt.Sleep(context.Background(), c.place.Runtime(), time.Second)
		}
	})
}

// wants reports whether a client is to be attached to the node of that name.
func (a *actor) wants(name string) bool {
	return !a.on.Line.Has("of") || slices.Contains(splitList(a.on.Line.Text("of")), name)
}

// crashed forgets what ran on a machine.
func (m *mesh) crashed(n *scenario.Node) {
	a := m.by[n]
	if a.member != nil {
		a.member.node = nil
		a.member.place.Forget()
	}
	if a.client != nil {
		a.client.client = nil
		a.client = nil
	}
}

// restarted starts it again, with what it provided.
func (m *mesh) restarted(n *scenario.Node) {
	a := m.by[n]
	if a.on.Kind == "client" {
		m.attach(a)
	} else if a.member.node == nil {
		a.member.start()
	}
	m.provideAgain(a)
}

func (m *mesh) provideAgain(a *actor) {
	a.since = m.s.Runtime().Now()
	if a.member != nil && a.member.node == nil {
		return // it has crashed meanwhile
	}
	for _, o := range a.provides {
		m.provide(a, o)
	}
}

// up reports whether there is something at the node to talk to.
func (a *actor) up() bool {
	if a.on.Down() || a.busy {
		return false
	}
	return a.member != nil && a.member.node != nil || a.client != nil && a.client.client != nil
}

func (m *mesh) restart(r *scenario.Request) {
	a := m.by[r.At("node")]
	if !a.up() {
		return
	}
	a.busy = true
	a.member.drain()
	m.s.Sleep(r.Duration("after"))
	if !a.on.Down() && a.member.node == nil {
		a.member.start()
		m.provideAgain(a)
	}
	a.busy = false
}

func (m *mesh) leave(r *scenario.Request) {
	a := m.by[r.At("client")]
	if !a.up() {
		return
	}
	a.busy = true
	c := a.client
	a.client = nil
	c.close()
	m.s.Sleep(r.Duration("after"))
	a.busy = false
	if !a.on.Down() && a.client == nil {
		m.attach(a)
		m.provideAgain(a)
	}
}

// says is the state of a node in a line.
func (m *mesh) says(n *scenario.Node) string {
	a := m.by[n]
	switch {
	case a == nil:
		return ""
	case a.member != nil && a.member.node != nil:
		st := a.member.node.Status()
		return fmt.Sprintf("pool %d/%d, clients %d/%d, %d services, %d calls out, %d handlers", st.Pool.Open, st.Pool.Cap,
			st.Clients.Attached, st.Clients.Limit, st.Registry.Entries, st.Caller.InFlight, st.Server.Running)
	case a.client != nil && a.client.client != nil && a.client.client.Attached():
		return "attached"
	}
	return "not there"
}

func (m *mesh) report() {
	c := &m.calls
	m.s.Factf("%d calls: %d answered, %d failed; none ran twice without leave", c.made, c.ok, c.failed)
}

// core are the nodes that must live in the second phase.
func (m *mesh) core() []*actor {
	var out []*actor
	for _, a := range m.nodes {
		if m.s.Core(a.on) {
			out = append(out, a)
		}
	}
	return out
}

func (m *mesh) converged(*scenario.Request) error {
	nodes := slices.DeleteFunc(m.core(), func(a *actor) bool { return a.member == nil })
	for _, a := range nodes {
		if a.member.node == nil {
			return fmt.Errorf("%s is not there", a.on.Name())
		}
		others := -1
		for _, o := range nodes {
			if a.with(o) {
				others++
			}
		}
		if have := a.member.peers(); have < others {
			return fmt.Errorf("%s has connections to %d of %d other nodes", a.on.Name(), have, others)
		}
	}
	return nil
}

// meshExample is what "simrun new" writes.
const meshExample = `# The world: four nodes that know each other, over links of 20 ms.
node n count=4
link latency=20ms jitter=5ms

# The work: a service on two of them, and calls drawn over a minute.
at 0s advertise n0 echo work=20ms
at 0s advertise n1 echo work=20ms
from 2s to 55s draw 200 call

# The faults: one that is written down, and ten that each seed draws.
at 10s for 15s partition n0,n1 n2,n3
from 5s to 50s draw 10 fault

# From here on nothing is broken any more, and this must come to hold.
calm 60s
within 10s answered
within 2m converged
within 10s reachable
`
