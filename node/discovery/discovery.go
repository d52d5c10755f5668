// Package discovery tells other nodes what is provided here, and finds who
// provides a name.
//
// Told, the first implementation of Discovery, knows the connected peers
// only: each is told what is advertised here, and is asked for a name that
// nobody has told us about. A distributed hash table can stand behind the same
// interface.
package discovery

import (
	"cmp"
	"context"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Link is a connected peer as discovery sees it.
type Link interface {
	Peer() transport.PeerID
	RemoteAddr() transport.Addr
	Incarnation() uint64
	Context() context.Context
	// Send puts a frame on the control stream, waiting for room.
	Send(ctx context.Context, frame func(buf []byte) []byte) error
	// Drained waits until no frame waits to be written on the control stream.
	Drained(ctx context.Context) error
	// Tell puts a frame there without waiting.
	Tell(frame func(buf []byte) []byte) error
}

// Discovery is what the node needs of it. None of the methods but Ask and
// Close blocks.
type Discovery interface {
	// Advertise says that name is provided here, for ttl from now on; saying it
	// again refreshes. Overload when too many names are advertised.
	Advertise(name string, ttl time.Duration) error
	// Withdraw says that name is no longer provided here.
	Withdraw(name string)
	// Ask asks the mesh for name. What it learns goes to Deps.Learn before Ask
	// returns. It blocks until somebody knows, nobody does, or ctx ends. Errors:
	// Overload; Unauthorized when Deps.Learn has refused providers with that, with
	// their number; and how ctx ended.
	Ask(ctx context.Context, name string) error
	// Up and Down tell of a connected peer. Of several connections to one peer
	// the one with the highest order counts, whichever task tells of it first.
	Up(l Link, order uint64)
	Down(l Link)
	// Frame handles what a peer says; handled is false for kinds of others.
	Frame(l Link, kind byte, payload []byte) (handled bool, err error)
	// Raise lets as many connected peers be told, if that is more than before.
	Raise(peers int)
	// Sweep forgets up to max names whose time is over, advertised or withdrawn,
	// and returns how many; NextExpiry is when it will have something to forget,
	// or 0.
	Sweep(max int) int
	NextExpiry() mono.Time
	Stats() Stats
	Tables() []bounded.Stats // the books of its tables
	Audit() error
	Close()
}

// Found is one provider of a name.
type Found struct {
	Name     string
	Provider transport.PeerID
	Addr     transport.Addr
	TTL      time.Duration
	Epoch    uint64 // of the provider, when it spoke for itself
	Version  uint64
	Hops     uint8
	Teller   transport.PeerID // who told us; the provider itself for an advertisement
}

// Deps is the world of a discovery.
type Deps struct {
	Runtime rt.Runtime
	Self    transport.PeerID
	Addr    func() transport.Addr // where this node can be dialled
	// Learn is told what a peer says; an error says why it was not kept.
	Learn func(f Found) error
	// Unlearn is told that a peer no longer provides name.
	Unlearn func(name string, provider transport.PeerID, epoch, version uint64)
	// Known appends who provides name as far as this node knows, itself
	// included, for the answer to a question.
	Known func(name string, buf []wire.Provider) []wire.Provider
}

// Config holds the limits. Zero fields take the default beside them.
type Config struct {
	Names     int           // names advertised here; 10,000
	Peers     int           // connected peers that are told; 2,048
	Asks      int           // questions in flight; 1,024
	Fanout    int           // peers that are asked one question; 8
	Forget    time.Duration // how long a withdrawn name is remembered, to tell peers, when its advertisement would have ended; 60 s
	SendBatch int           // announcements sent between two looks at the table; 64
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Names = cmp.Or(c.Names, 10_000)
	c.Peers = cmp.Or(c.Peers, 2048)
	c.Asks = cmp.Or(c.Asks, 1024)
	c.Fanout = cmp.Or(c.Fanout, 8)
	c.SendBatch = cmp.Or(c.SendBatch, 64)
	c.Forget = cmp.Or(c.Forget, 60*time.Second)
	return c
}

// Stats is what a discovery holds.
type Stats struct {
	Names, Peers, Asks     int
	Sent, Heard, Questions uint64
}
