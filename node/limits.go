package node

import (
	"slices"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/node/registry"
)

// NameTTL is the time to live of the services of some names; see
// registry.NameTTL.
type NameTTL = registry.NameTTL

// Limits are what can be changed while a node runs. In each the comment says
// which value of Config it begins with.
type Limits struct {
	Peers    int // connections to peers; Pool.Cap
	Inbound  int // of those, the ones that peers have dialled, 0 is no limit of their own; Pool.MaxInbound
	Clients  int // attached clients; Clients.Limit
	Services int // entries of the registry; Registry.Entries
	Handlers int // running; Server.MaxHandlers

	TTL    time.Duration // of a service whose advertisement names none; Registry.TTL
	MinTTL time.Duration // shorter ones are raised; Registry.MinTTL
	MaxTTL time.Duration // longer ones are cut; Registry.MaxTTL
	TTLs   []NameTTL     // of some names, instead of TTL; Registry.TTLs

	CleanupInterval time.Duration // between two runs of the cleanup; Config.CleanupInterval
	IdleAfter       time.Duration // an idle connection is closed after this; Config.IdleAfter
	DrainTimeout    time.Duration // for calls in flight when the node closes, or sheds; Config.DrainTimeout
	CallTimeout     time.Duration // of a call whose context has no deadline; Caller.Timeout
}

// limits are those that a configuration with its defaults begins with.
func (c Config) limits() Limits {
	return Limits{
		Peers: c.Pool.Cap, Inbound: c.Pool.MaxInbound, Clients: c.Clients.Limit, Services: c.Registry.Entries, Handlers: c.Server.MaxHandlers,
		TTL: c.Registry.TTL, MinTTL: c.Registry.MinTTL, MaxTTL: c.Registry.MaxTTL, TTLs: slices.Clone(c.Registry.TTLs),
		CleanupInterval: c.CleanupInterval, IdleAfter: c.IdleAfter, DrainTimeout: c.DrainTimeout, CallTimeout: c.Caller.Timeout,
	}
}

// entries are the limits of the registry.
func (l Limits) entries() registry.Limits {
	return registry.Limits{Entries: l.Services, TTL: l.TTL, MinTTL: l.MinTTL, MaxTTL: l.MaxTTL, TTLs: l.TTLs}
}

// Check says which limit cannot be: Invalid.
func (l Limits) Check() error {
	for _, c := range []struct {
		name string
		n    int
	}{{"Peers", l.Peers}, {"Clients", l.Clients}, {"Services", l.Services}, {"Handlers", l.Handlers}} {
		if c.n < 1 {
			return fault.New("node.SetLimits", fault.Invalid, "%s is %d, at least 1", c.name, c.n)
		}
	}
	if err := l.inboundFits("node.SetLimits"); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		d    time.Duration
	}{{"CleanupInterval", l.CleanupInterval}, {"IdleAfter", l.IdleAfter}, {"DrainTimeout", l.DrainTimeout}, {"CallTimeout", l.CallTimeout}} {
		if c.d <= 0 {
			return fault.New("node.SetLimits", fault.Invalid, "%s is %v, more than 0", c.name, c.d)
		}
	}
	return l.entries().Check()
}

// inboundFits says when the quota of inbound connections cannot be.
func (l Limits) inboundFits(op string) error {
	if l.Inbound < 0 || l.Inbound > l.Peers {
		return fault.New(op, fault.Invalid, "Inbound is %d, at most Peers, %d, or 0 for no limit of its own", l.Inbound, l.Peers)
	}
	return nil
}

// Limits returns the limits as configured, by New or SetLimits.
func (n *Node) Limits() Limits {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.limits.clone()
}

// Acting returns the limits as they count now: load adaptation may have made
// some of them tighter than configured. Its TTL and MaxTTL are those for what
// other nodes provide.
func (n *Node) Acting() Limits { return n.acting().clone() }

func (l Limits) clone() Limits {
	l.TTLs = slices.Clone(l.TTLs)
	return l
}

// acting is Acting for our own use: TTLs is not to be changed.
func (n *Node) acting() Limits {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.act
}

// SetLimits changes the limits of a running node, all or none. It waits for a
// change that is under way, and not for what it sheds.
//
// What is over a lower limit goes in the same step. Of peers the idle ones go
// first, the least recently used of them first, and over a lower Inbound none
// that this node has dialled; of clients those without calls
// in flight, and then the youngest; of services what other nodes provide, the
// earliest to expire first. Those in use are told to go elsewhere and keep their
// connections until their calls have finished, at most for DrainTimeout.
// Handlers that run go on; no other one starts while there are too many.
//
// Errors: Invalid says which field is wrong, also when Services is less than
// what this node itself provides; Draining when the node is closing.
func (n *Node) SetLimits(l Limits) error {
	if err := l.Check(); err != nil {
		return err
	}
	l = l.clone()
	if err := n.change(); err != nil {
		return err
	}
	defer n.changing.Release()
	if l.CleanupInterval < n.Limits().CleanupInterval {
		n.Cleanup() // else something could be overdue by the new interval
	}
	gone, err := n.registry.SetLimits(l.entries())
	if err != nil {
		return fault.Wrap("node.SetLimits", err)
	}
	for _, e := range gone {
		if e.IsLocal {
			n.withdrawIfLast(e.Name)
		}
	}
	n.roomForTold(l.Peers, n.goesOver(l))
	peers := n.pool.SetLimits(l.Peers, l.Inbound, l.DrainTimeout)
	shed := n.shedClients(l.Clients, l.DrainTimeout)
	n.server.SetLimit(l.Handlers)
	n.caller.SetTimeout(l.CallTimeout)
	n.mu.Lock()
	n.limits = l
	level := n.pressure.Level
	n.mu.Unlock()
	n.actOn(level)
	n.renewAll()
	n.recheck.TryPut(struct{}{})
	if len(gone)+peers+shed > 0 {
		n.mark("shed over a lower limit")
	}
	n.log.Info("limits changed", "peers", l.Peers, "inbound", l.Inbound, "clients", l.Clients, "services", l.Services, "handlers", l.Handlers,
		"shed_peers", peers, "shed_clients", shed, "shed_services", len(gone))
	return nil
}

// change waits until no other change is under way; whoever gets nil releases
// changing. The error is Draining when the node is closing.
func (n *Node) change() error {
	if n.changing.Acquire(n.ctx) != nil {
		return errDraining()
	}
	if n.ctx.Err() != nil {
		n.changing.Release()
		return errDraining()
	}
	return nil
}

// shedClients lowers or raises the limit of clients. Whoever is over it has
// left the tables, with all that it owns, before it is told.
func (n *Node) shedClients(limit int, drain time.Duration) int {
	var order []*session
	if st := n.clients.Stats(); st.Attached > limit {
		order = n.leastBusy()
	}
	shed := n.clients.SetLimit(limit, order)
	for _, s := range shed {
		n.forget(s)
	}
	for _, s := range shed {
		s.Conn.GoAway(fault.Overload, n.clients.RetryAfter(), drain)
	}
	return len(shed)
}

// leastBusy lists the sessions in the order in which they may go: those without
// calls in flight first, of those alike the youngest.
func (n *Node) leastBusy() []*session {
	type place struct {
		s    *session
		busy bool
	}
	var list []place
	for _, s := range n.clients.Sessions() {
		ours, theirs := s.Conn.Calls()
		list = append(list, place{s, ours+theirs > 0})
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b place) int {
		switch {
		case a.busy == b.busy:
			return 0
		case b.busy:
			return -1
		}
		return 1
	})
	out := make([]*session, len(list))
	for i, p := range list {
		out[i] = p.s
	}
	return out
}

// goesOver is how many connections to peers limits would shed.
func (n *Node) goesOver(l Limits) int {
	st := n.pool.Stats()
	goes := st.Open - l.Peers
	if l.Inbound > 0 {
		goes = max(goes, st.Inbound-l.Inbound)
	}
	return goes
}

// roomForTold lets so many peers be told of services, and those besides that are
// shed or about to be: they count until their connections are closed.
func (n *Node) roomForTold(peers, goes int) {
	n.discovery.Raise(peers + n.cfg.Pool.Closing + n.pool.Stats().Shedding + max(goes, 0))
}

// renewAll advertises the services of this process again: they may be due in a
// third of another time now.
func (n *Node) renewAll() {
	for _, s := range n.services.All() {
		if err := s.Renew(); err != nil {
			n.log.Warn("service not renewed", "service", s.name, "err", err)
		}
		n.services.Reset(s.name, s, n.registry.TTL(s.name, s.asked)/3)
	}
}

// actOn makes the limits count as they are under a level of pressure.
func (n *Node) actOn(level pressure.Level) {
	n.mu.Lock()
	n.act = adapted(n.limits, level)
	clients := n.act.Clients
	n.mu.Unlock()
	n.clients.SetAdmission(clients)
	n.registry.Shorten(level >= pressure.High)
}

// MaxConns is how many connections the transport may have open at any moment:
// those admitted, those on their way in or out, and what was shed over a limit
// that was lowered and has not gone yet.
func (n *Node) MaxConns() int {
	p, c := n.pool.Stats(), n.clients.Stats()
	cfg := n.cfg.Pool
	return p.Cap + p.Shedding + cfg.Dials + cfg.Waiting + cfg.Closing + 2*n.cfg.Handshakes + c.Limit + c.Shedding
}

// idleUnder is how many idle connections to peers a node keeps under pressure.
func (n *Node) idleUnder(l Limits) int {
	return max(l.Peers/idleShare, 1) + len(n.policy().bootstrap)
}
