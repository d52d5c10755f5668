package node

import (
	"context"
	"slices"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// policy is who may be a peer. It is not changed after it was made: another one
// takes its place.
type policy struct {
	open      bool                      // everybody may
	may       map[transport.PeerID]bool // bound: the configuration
	bootstrap []Peer                    // kept connected
}

func newPolicy(bootstrap []Peer, allowed []transport.PeerID, open bool) *policy {
	p := &policy{open: open, may: make(map[transport.PeerID]bool, len(allowed)+len(bootstrap)), bootstrap: slices.Clone(bootstrap)}
	for _, id := range allowed {
		p.may[id] = true
	}
	for _, b := range bootstrap {
		p.may[b.ID] = true
	}
	return p
}

// allows reports whether a node may be a peer.
func (p *policy) allows(id transport.PeerID) bool { return p.open || p.may[id] }

// policy is the one that counts now.
func (n *Node) policy() *policy {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.who
}

// allowed reports whether a node may be a peer of this one.
func (n *Node) allowed(id transport.PeerID) bool { return n.policy().allows(id) }

// wrongBootstrap says what of a list of bootstrap peers cannot be.
func wrongBootstrap(op string, list []Peer, self transport.PeerID) error {
	seen := make(map[transport.PeerID]bool, len(list))
	for _, p := range list {
		switch {
		case p.ID == self:
			return fault.New(op, fault.Invalid, "bootstrap: %s is this node itself", ident.String(p.ID))
		case !p.Addr.IsValid():
			return fault.New(op, fault.Invalid, "bootstrap: %s has no address", ident.String(p.ID))
		case seen[p.ID]:
			return fault.New(op, fault.Invalid, "bootstrap: %s is listed twice", ident.String(p.ID))
		}
		seen[p.ID] = true
	}
	return nil
}

// SetPeers changes who may be a peer of a running node, and to whom it keeps a
// connection: as Config.Bootstrap, Peers and OpenPeers. It waits for a change
// that is under way, and not for those who have to go.
//
// Connections to peers that are not allowed any more are drained at once: they
// get no new call, those in flight may finish within DrainTimeout, and whoever
// is let in by a decision of before leaves in the same way. What those peers
// provide is forgotten. Errors, with nothing changed: Invalid for a list that
// cannot be, Draining when the node is closing.
func (n *Node) SetPeers(bootstrap []Peer, allowed []transport.PeerID, open bool) error {
	if err := wrongBootstrap("node.SetPeers", bootstrap, n.deps.ID); err != nil {
		return err
	}
	if err := n.change(); err != nil {
		return err
	}
	defer n.changing.Release()
	now := newPolicy(bootstrap, allowed, open)
	n.mu.Lock()
	n.who = now
	n.mu.Unlock()
	n.setKeepers(now.bootstrap)
	goes := 0
	for _, l := range n.pool.Conns() {
		if !now.allows(l.Peer()) {
			goes++
		}
	}
	n.roomForTold(n.acting().Peers, goes)
	gone := n.pool.Expel(now.allows, n.acting().DrainTimeout)
	services := n.dropRemoved(now)
	for _, id := range gone {
		n.log.Info("peer expelled: it is not in the list any more", "peer", ident.String(id))
	}
	n.log.Info("peers changed", "bootstrap", len(bootstrap), "allowed", len(now.may), "open", open, "expelled", len(gone), "services", services)
	return nil
}

// keeper is the task that keeps a connection to a bootstrap peer.
type keeper struct {
	peer   Peer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// startKeepers starts those of the policy: the node listens now.
func (n *Node) startKeepers() {
	n.mu.Lock()
	n.keeping = true
	n.mu.Unlock()
	n.setKeepers(n.policy().bootstrap)
}

// setKeepers ends the keepers of peers that are not in the list, or are there
// with another address, and starts those that are missing.
func (n *Node) setKeepers(list []Peer) {
	var end, begin []*keeper
	n.mu.Lock()
	if !n.keeping {
		n.mu.Unlock()
		return
	}
	var keep []*keeper
	for _, k := range n.keepers {
		if slices.Contains(list, k.peer) {
			keep = append(keep, k)
		} else {
			end = append(end, k)
		}
	}
	for _, p := range list {
		if !slices.ContainsFunc(keep, func(k *keeper) bool { return k.peer == p }) {
			k := &keeper{peer: p}
			k.ctx, k.cancel = n.r.WithCancelCause(n.ctx)
			begin, keep = append(begin, k), append(keep, k)
		}
	}
	n.keepers = keep
	n.mu.Unlock()
	for _, k := range end {
		k.cancel(fault.New("node", fault.Cancelled, "the peer is not in the list any more"))
	}
	for _, k := range begin {
		if !n.upkeep.Go("node/keep", func() { n.keep(k.ctx, k.peer) }) {
			k.cancel(errDraining())
		}
	}
}
