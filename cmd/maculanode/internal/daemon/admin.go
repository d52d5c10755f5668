package daemon

import (
	"context"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// Ready reports whether others should come to this node, or else why not.
func (h *host) Ready() (bool, string) {
	why := h.n.NotReady()
	return why == "", why
}

// Audit recounts everything that the node holds, and counts what is wrong. It
// takes some seconds when something is.
func (h *host) Audit() error { return h.n.Inspect(context.Background()) }

// Holders lists those that make the node hold the most, the largest first.
func (h *host) Holders() []control.Holder {
	kinds := map[transport.PeerID]string{h.n.ID(): "this node"} // bound: the connections of the node
	for _, p := range h.n.Peers() {
		kinds[p.ID] = "peer"
	}
	for _, c := range h.n.Clients() {
		kinds[c.ID] = "client"
	}
	out := []control.Holder{}
	for _, u := range h.n.Holders(control.MaxHolders) {
		d := control.Holder{ID: ident.String(u.Scope.Peer), Kind: kinds[u.Scope.Peer], Leases: u.Leases}
		for _, c := range u.Usage {
			d.Bytes += c.Bytes
			d.Classes = append(d.Classes, control.Class{Name: c.Class.String(), Count: c.Count, Limit: c.Limit.Count, Bytes: c.Bytes, LimitBytes: c.Limit.Bytes})
		}
		out = append(out, d)
	}
	return out
}
