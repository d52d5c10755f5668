package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// CallInfo is a call in flight.
type CallInfo struct {
	Service string
	With    transport.PeerID // at the other end; this node's own id for a call to itself
	Caller  transport.PeerID // who asked
	Out     bool             // made from here
	Local   bool             // made from here and answered here
	Age     time.Duration
	Left    time.Duration // of its deadline; negative when that has passed
	Bytes   int           // of the request
}

// MaxCalls is how many calls Calls lists.
const MaxCalls = 1000

// Calls lists calls in flight, the oldest first, at most MaxCalls. One that
// still looks for a provider or a connection is not among them; one that this
// node passes on is there twice. Its work is in proportion to the connections
// and the calls in flight.
func (n *Node) Calls() []CallInfo {
	now := n.r.Now()
	var list []CallInfo
	add := func(with transport.PeerID, local bool, calls []link.InFlight) {
		for _, c := range calls {
			list = append(list, CallInfo{
				Service: c.Service, With: with, Caller: c.Caller, Out: c.Out || local, Local: local,
				Age: age(now, c.Begun), Left: c.Until.Sub(now), Bytes: c.Bytes,
			})
		}
		if len(list) > 8*MaxCalls {
			list = oldest(list)
		}
	}
	add(n.deps.ID, true, n.server.InFlight(MaxCalls))
	for _, l := range n.links() {
		add(l.Peer(), false, l.InFlight(MaxCalls))
	}
	return oldest(list)
}

// oldest returns the MaxCalls oldest calls of list, in their order.
func oldest(list []CallInfo) []CallInfo {
	slices.SortStableFunc(list, func(a, b CallInfo) int { return cmp.Compare(b.Age, a.Age) })
	return list[:min(len(list), MaxCalls)]
}

// Lookup lists who provides name. When nobody is known the mesh is asked: that
// blocks until somebody knows, nobody does, or ctx ends, and no longer than
// Config.Caller.Discovery. Nobody is an empty list and no error. Errors:
// Invalid for a malformed name, Overload, and how ctx ended.
func (n *Node) Lookup(ctx context.Context, name string) ([]ServiceInfo, error) {
	if err := wire.ValidName(name); err != nil {
		return nil, fault.New("node.Lookup", fault.Invalid, "%v", err)
	}
	list := n.providers(name)
	if len(list) > 0 {
		return list, nil
	}
	err := n.caller.Find(ctx, name)
	if list = n.providers(name); len(list) > 0 || (fault.KindOf(err) == fault.Deadline || fault.KindOf(err) == fault.Unauthorized) && ctx.Err() == nil {
		return list, nil // no answer in time is that nobody was found, as are those who may not be called
	}
	return nil, fault.Wrap("node.Lookup", err)
}

// providers lists who is known to provide name.
func (n *Node) providers(name string) (list []ServiceInfo) {
	now := n.registry.Now()
	var room [8]*registry.Entry[rpc.Handler]
	for _, e := range n.registry.Lookup(name, n.r.Now(), room[:0]) {
		list = append(list, ServiceInfo{Name: e.Name, Provider: e.Provider, Addr: e.Addr, Local: e.IsLocal, Left: e.Expires.Sub(now)})
	}
	return list
}
