package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Drained is how a drain ended.
type Drained struct {
	Clients  int // asked to go elsewhere
	Services int // of this process, withdrawn
	Calls    int // in flight when it began
	Left     int // of the clients and calls, those still there when the time was over
	Took     time.Duration
}

// Drain makes the node one that nobody needs, without closing it: it is not
// ready any more, refuses newcomers with Draining, tells its clients where
// else to go, withdraws its services, and waits until the clients have left
// and no call is in flight, at most until ctx ends, or for Limits.DrainTimeout
// when ctx has no deadline. Clients that have not left by then are cut. Calls of
// the node itself are made as before; those that begin later are not waited for,
// unless a handler makes them.
//
// The node lives on, connected to its peers, until Close, which is quick then.
// There is no way back but a restart. A second Drain waits like the first.
func (n *Node) Drain(ctx context.Context) Drained {
	limit, ok := rt.Remaining(n.r, ctx)
	if !ok {
		limit = n.acting().DrainTimeout
	}
	ctx, cancel := n.r.WithTimeout(ctx, limit)
	defer cancel()
	d := n.drain(ctx, "asked to")
	n.log.Info("drained", "clients", d.Clients, "services", d.Services, "calls", d.Calls, "left", d.Left, "took", d.Took)
	return d
}

// drainTick is how often a drain looks whether the last call is over: a node
// that waits has nothing else to do.
const drainTick = 5 * time.Millisecond

// drain is Drain with a context that has a deadline.
func (n *Node) drain(ctx context.Context, reason string) Drained {
	begun := n.r.Now()
	n.mu.Lock()
	again := n.draining
	n.draining = true
	n.mu.Unlock()
	// After that nobody is admitted who is not in the table now.
	sessions := n.clients.Sessions()
	n.caller.Line()
	d := Drained{Clients: len(sessions), Calls: n.inFlight()}
	if !again {
		n.log.Info("draining", "reason", reason, "clients", d.Clients, "calls", d.Calls)
	}
	left, _ := rt.Remaining(n.r, ctx)
	gates := n.gateways()
	for _, s := range sessions {
		n.sendAway(s, gates, max(left, 0))
	}
	d.Services = n.withdrawAll()
	for _, s := range sessions {
		s.Conn.Ended().Wait(ctx)
	}
	for n.busy() && rt.Sleep(ctx, n.r, drainTick) == nil {
	}
	d.Left, d.Took = n.clients.Stats().Attached+n.inFlight(), n.r.Now().Sub(begun)
	return d
}

// busy reports whether there is anything that a drain waits for. Who makes one
// call after the other must not keep it waiting.
func (n *Node) busy() bool {
	return n.server.Counts().Running > 0 || n.caller.Counts().Before > 0 || n.clients.Stats().Attached > 0
}

// inFlight counts the calls that peers have made and those that were made from
// here before the drain, which are those of clients too; or the handlers, when
// there are more: some run on after their caller has gone.
func (n *Node) inFlight() int {
	calls := n.caller.Counts().Before
	for _, l := range n.pool.Conns() {
		_, theirs := l.Calls()
		calls += theirs
	}
	return max(calls, n.server.Counts().Running)
}

// sendAway asks a client to leave, and says where to. What it provides is not
// provided here from now on: nobody can call it any more.
func (n *Node) sendAway(s *session, gates []wire.Gateway, within time.Duration) {
	// Who was not welcomed yet gets the goaway for an answer, and no hint.
	if len(gates) > 0 && s.Conn.Greeted() {
		e := wire.Elsewhere{Gateways: n.some(gates)}
		s.Conn.Tell(func(b []byte) []byte { return wire.AppendElsewhere(b, &e) })
	}
	s.Conn.GoAway(fault.Draining, 0, within)
	n.forget(s)
}

// some draws as many gateways as fit into one frame: others than the next
// client is told, so that they do not all go to the same one.
func (n *Node) some(gates []wire.Gateway) []wire.Gateway {
	start := n.r.Rand("node/elsewhere").IntN(len(gates))
	var out []wire.Gateway
	for i := range min(len(gates), wire.MaxElsewhere) {
		out = append(out, gates[(start+i)%len(gates)])
	}
	return out
}

// gateways are the peers that clients may go to, as far as is known here.
func (n *Node) gateways() []wire.Gateway {
	var out []wire.Gateway
	for _, l := range n.pool.Conns() {
		if a := listens(l); a.IsValid() && !l.Leaving() {
			out = append(out, wire.Gateway{ID: l.Peer(), Addr: a})
		}
	}
	return out
}

// listens is where the peer of a link can be dialled: there we have dialled it,
// or it has said so itself.
func listens(l *link.Link) transport.Addr {
	if l.Dialled() {
		return l.RemoteAddr()
	}
	for _, text := range l.Hello().Listen {
		a, err := netip.ParseAddrPort(text)
		if err != nil || a.Port() == 0 {
			continue
		}
		if a.Addr().IsUnspecified() {
			a = netip.AddrPortFrom(l.RemoteAddr().Addr(), a.Port())
		}
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return transport.Addr{}
}

// withdrawAll withdraws what this process provides.
func (n *Node) withdrawAll() int {
	for _, s := range n.services.All() {
		n.services.Delete(s.name, s)
	}
	gone := n.registry.Drop(n.self())
	for _, e := range gone {
		n.withdrawIfLast(e.Name)
	}
	return len(gone)
}

func (n *Node) isDraining() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.draining
}

// errDraining is the answer to newcomers.
func errDraining() *fault.Error {
	return fault.New("node", fault.Draining, "the node is shutting down")
}

// NotReady says why nobody should be sent to this node now, in a few words, or
// nothing: it listens, is alone or has reached a peer since its start, does not
// drain, and is not under critical pressure.
func (n *Node) NotReady() string {
	n.mu.Lock()
	listening, draining, joined := n.addr.IsValid(), n.draining, n.joined
	n.mu.Unlock()
	switch {
	case draining:
		return "draining"
	case !listening:
		return "not listening yet"
	case !joined && len(n.policy().bootstrap) > 0:
		return "joining: no peer was reached yet"
	case n.critical():
		return "the pressure is critical"
	}
	return ""
}
