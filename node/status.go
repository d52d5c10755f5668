package node

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/node/histogram"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/transport"
)

// Status is what a node holds and has done, at one moment.
type Status struct {
	ID        transport.PeerID
	Realm     string
	Addr      transport.Addr
	Uptime    time.Duration
	Draining  bool
	Pool      pool.Stats
	Clients   clients.Stats
	Registry  registry.Stats
	Server    rpc.ServerCounts
	Caller    rpc.CallerCounts
	Discovery discovery.Stats
	Transport transport.Stats
	Cleanup   CleanupStats
	Ledger    ledger.Stats
	Leases    int // of the ledger
	Services  int // advertised by this process and renewed by it

	Handshakes   HandshakeCounts
	Links        link.TotalCounts // of all connections, those that have ended included
	Audits       AuditCounts
	CallTimes    histogram.Snapshot // from a call to its result
	HandlerTimes histogram.Snapshot // from the arrival of a call to the end of its answer
}

// Status returns the books of every part. The parts are read one after the
// other, so their figures may be a few calls apart.
func (n *Node) Status() Status {
	s := Status{
		ID: n.deps.ID, Realm: n.cfg.Realm,
		Pool: n.pool.Stats(), Clients: n.clients.Stats(), Registry: n.registry.Stats(),
		Server: n.server.Counts(), Caller: n.caller.Counts(), Discovery: n.discovery.Stats(),
		Transport: n.deps.Transport.Stats(), Ledger: n.ledger.Stats(),
		Uptime: n.r.Now().Sub(n.started), Handshakes: n.door.totals(), Links: n.calls.Counts(),
		CallTimes: n.caller.Times(), HandlerTimes: n.server.Times(),
	}
	s.Leases, s.Services = s.Ledger.Leases, n.services.Len()
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Addr, s.Draining, s.Cleanup = n.addr, n.draining, n.cleanup
	s.Audits = n.audits
	return s
}

// PeerInfo is one admitted connection.
type PeerInfo struct {
	ID            transport.PeerID
	Addr          transport.Addr
	Dialled       bool
	CallsOut      int // ours in flight
	CallsIn       int // the peer's in flight
	Client        bool
	Queued        int // bytes that wait to be written to it
	QueueLimit    int
	Served, Asked uint64
}

// Peers lists the connections of the pool, and Clients those of clients.
func (n *Node) Peers() []PeerInfo {
	var out []PeerInfo
	for _, l := range n.pool.Conns() {
		c := l.Counts()
		ours, theirs := l.Calls()
		queued, most := l.Queued()
		out = append(out, PeerInfo{ID: l.Peer(), Addr: l.RemoteAddr(), Dialled: l.Dialled(), CallsOut: ours, CallsIn: theirs, Queued: queued, QueueLimit: most, Served: c.Served, Asked: c.Calls})
	}
	return out
}

// Clients lists the attached clients, the oldest session first.
func (n *Node) Clients() []PeerInfo {
	var out []PeerInfo
	for _, s := range n.clients.Sessions() {
		c := s.Conn.Counts()
		ours, theirs := s.Conn.Calls()
		queued, most := s.Conn.Queued()
		out = append(out, PeerInfo{ID: s.ID, Addr: s.Conn.RemoteAddr(), Client: true, CallsOut: ours, CallsIn: theirs, Queued: queued, QueueLimit: most, Served: c.Served, Asked: c.Calls})
	}
	return out
}

// ServiceInfo is one provider of one name.
type ServiceInfo struct {
	Name     string
	Provider transport.PeerID
	Addr     transport.Addr // of another node
	Local    bool           // answered here or by a client of this node
	Left     time.Duration  // of its time to live
}

// Services lists what the node knows to be provided, here and elsewhere.
func (n *Node) Services() []ServiceInfo {
	now := n.registry.Now()
	var out []ServiceInfo
	for _, e := range n.registry.Entries() {
		out = append(out, ServiceInfo{Name: e.Name, Provider: e.Provider, Addr: e.Addr, Local: e.IsLocal, Left: e.Expires.Sub(now)})
	}
	return out
}

// Check compares every table with its limit in constant time. It may be
// called after every event of a simulation.
func (n *Node) Check() error {
	for _, err := range []error{n.pool.Check(), n.clients.Check(), n.registry.Check(), n.server.Check()} {
		if err != nil {
			return err
		}
	}
	if t := n.deps.Transport.Stats(); t.Conns > n.MaxConns() {
		return fmt.Errorf("transport: %d connections are open, the limit is %d", t.Conns, n.MaxConns())
	}
	return nil
}

// auditSlack is how late a deadline may be noticed: a task that is ready has
// to be scheduled.
const auditSlack = time.Second

// Audit recounts every table against its counters, and the ledger against
// both. It costs time in proportion to what the node holds.
func (n *Node) Audit() error {
	if err := n.pool.Audit(); err != nil {
		return err
	}
	if err := n.clients.Audit(); err != nil {
		return err
	}
	if err := n.registry.Audit(); err != nil {
		return err
	}
	for _, o := range n.registry.Owners() {
		if !n.ownerLives(o) {
			return fmt.Errorf("registry: an entry belongs to a session of %s that is gone", ident.Short(o.ID))
		}
	}
	now := n.registry.Now()
	if next := n.registry.NextExpiry(); next.Add(n.acting().CleanupInterval + auditSlack).Reached(now) {
		return fmt.Errorf("registry: an entry has expired %v ago and is still held", now.Sub(next))
	}
	for _, audit := range []func() error{n.discovery.Audit, n.caller.Audit, n.services.Audit, n.overdue} {
		if err := audit(); err != nil {
			return err
		}
	}
	for _, l := range n.pool.Conns() {
		if err := l.Audit(auditSlack); err != nil {
			return err
		}
	}
	for _, s := range n.clients.Sessions() {
		if err := s.Conn.Audit(auditSlack); err != nil {
			return err
		}
	}
	return n.ledger.Audit()
}

// ownerLives says whether the owner of a registry entry still exists: a
// session must be attached; other nodes may be away until the TTL ends.
func (n *Node) ownerLives(o registry.Owner) bool {
	if o.Session == 0 {
		return true
	}
	s, ok := n.clients.Get(o.ID)
	return ok && s.Ref == o.Session
}
