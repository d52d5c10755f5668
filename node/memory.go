package node

import (
	"cmp"

	"github.com/maculamesh/macula/transport"
)

// Held says how much a node holds of what costs memory.
type Held struct {
	Peers    int   // connections of the pool, closing ones included
	Clients  int   // attached clients
	Waiting  int   // connections that are not admitted yet
	Talking  int   // of all these, those on which somebody has called or advertised
	Services int   // entries of the registry
	Handlers int   // running: two for the call of a client, one of them to pass it on
	Bytes    int64 // of the bodies that those handlers have, each its own
}

// Memory is what a node with that much keeps in memory, in bytes of live heap
// and stacks, when its peers are honest. The resident set is larger: by what
// the collector lets grow before it runs (GOGC, GOMEMLIMIT) and by the binary.
// docs/MEMORY.md has the measurement.
func Memory(h Held) int64 {
	return costNode +
		int64(h.Peers+h.Waiting)*costPeer + int64(h.Clients)*costClient + int64(h.Talking)*costTalking +
		int64(h.Services)*costService + int64(h.Handlers)*costHandler + h.Bytes
}

// What each thing costs in bytes, as "go run ./internal/memory" measures it on
// linux/amd64 with quic-go v0.65 and Go 1.26.
const (
	costNode    = 600 << 10 // a node that holds nothing
	costPeer    = 58 << 10  // quic-go's connection with its tasks, the link with its own, an open stream
	costClient  = 55 << 10  // the same; discovery keeps nothing for it
	costTalking = 15 << 10  // the streams for calls, with the buffers of their readers and writers as a busy connection has them
	costService = 1040      // the entry with its indices, its lease, and what peers are told of it
	costHandler = 5200      // the task, its context and deadline, its lease, and the call's entries
)

// Most is what the configuration lets a node hold, with the zero fields set to
// their defaults.
func (c Config) Most() Held {
	pool, registry := c.Pool.WithDefaults(), c.Registry.WithDefaults()
	newcomers := 2 * cmp.Or(c.Handshakes, defaultHandshakes)
	peers, clients := pool.Cap+pool.Closing, c.Clients.WithDefaults().Limit
	limits := c.Ledger.WithDefaults().Node
	return Held{
		Peers: peers, Clients: clients, Talking: peers + clients, Waiting: pool.Dials + pool.Waiting + newcomers,
		Services: registry.Entries, Handlers: c.Server.WithDefaults().MaxHandlers,
		// A gateway whose own service a client calls has a body twice, and the
		// ledger knows of the one that has arrived.
		Bytes: 2*limits.Call.Bytes + limits.Queue.Bytes,
	}
}

// Windows is what peers can make quic-go hold besides, when they fill the
// receive windows of all connections and nothing of it is read: as many bytes
// as the windows have, in frames that are as large as can be. Hostile peers can
// make each byte cost overhead times as much with frames of one byte.
func (h Held) Windows(t transport.Config) (honest, hostile int64) {
	conns := int64(h.Peers + h.Clients + h.Waiting)
	honest = conns * int64(t.WithDefaults().ConnWindow)
	return honest, honest * overhead
}

// overhead is what one byte of a receive window can cost at most, in frames of
// one byte each.
const overhead = 161
