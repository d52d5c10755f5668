package ledger

import (
	"fmt"
	"unsafe"

	"github.com/maculamesh/macula/node/fault"
)

// Class is what a lease holds. The set is closed: a new kind of thing that a
// remote side can cause gets a class, and with it limits.
type Class uint8

// The classes.
const (
	Conn   Class = iota // connections
	Stream              // streams that the peer opened
	Call                // calls of the peer that are not answered yet; bytes of their bodies
	Queue               // messages on their way in or out outside of a call's own buffer; their bytes
	Entry               // table entries that the peer caused
	classes
)

// String returns the class's name.
func (c Class) String() string {
	if c < classes {
		return [classes]string{"conn", "stream", "call", "queue", "entry"}[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Classes returns all classes, in their order.
func Classes() []Class { return []Class{Conn, Stream, Call, Queue, Entry} }

// Limit is how much of a class one scope may hold. A zero field takes its
// default; there is no way to have no limit.
type Limit struct {
	Count int
	Bytes int64
}

// Limits is a Limit per class.
type Limits struct {
	Conn, Stream, Call, Queue, Entry Limit
}

func (l Limits) vector() [classes]Limit {
	return [classes]Limit{l.Conn, l.Stream, l.Call, l.Queue, l.Entry}
}

// Config holds the limits of the three scopes. Zero fields take the default
// that stands in WithDefaults.
type Config struct {
	Node  Limits // all peers together
	Realm Limits // the peers of one realm; as Node, while a node serves one realm
	Peer  Limits // one peer or client

	// Strict makes a second release panic: for tests and simulation.
	Strict bool
	// OnDoubleRelease is told the name of a lease that was released twice, when
	// Strict is off; may be nil. It must not block.
	OnDoubleRelease func(name string)
}

const mib = 1 << 20

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	// A peer: what the limits of transport and link leave an honest one, so
	// that only somebody who goes around those meets these.
	c.Peer = c.Peer.or(Limits{
		Conn:   Limit{4, mib},         // the one admitted, its successor, and one of each in the handshake
		Stream: Limit{256, 16 * mib},  // 64 may be open; those that the peer has given up end later here
		Call:   Limit{1024, 48 * mib}, // the limit told in the hello, each with a body that shares a stream, and 32 of the largest
		Queue:  Limit{32, 32 * mib},   // half of the streams with the largest body
		Entry:  Limit{4096, 4 * mib},  // 1,000 services, and as much again of everything else
	})
	// The node: what a machine with 2 GiB can give, not what all peers may ask
	// for at once.
	c.Node = c.Node.or(Limits{
		Conn:   Limit{12_288, 768 * mib},  // 64 KiB each: 10,000 clients, 1,000 peers, handshakes, and those that are closing
		Stream: Limit{32_768, 256 * mib},  // one shared stream of each connection, and the large ones
		Call:   Limit{65_536, 256 * mib},  // several times what handlers may run, for those that wait
		Queue:  Limit{1024, 512 * mib},    // 512 of the largest body
		Entry:  Limit{262_144, 128 * mib}, // 100,000 services, and as much again of everything else
	})
	c.Realm = c.Realm.or(c.Node)
	return c
}

// or returns l with the zero fields taken from def.
func (l Limits) or(def Limits) Limits {
	for _, p := range []struct {
		limit *Limit
		def   Limit
	}{{&l.Conn, def.Conn}, {&l.Stream, def.Stream}, {&l.Call, def.Call}, {&l.Queue, def.Queue}, {&l.Entry, def.Entry}} {
		if p.limit.Count == 0 {
			p.limit.Count = p.def.Count
		}
		if p.limit.Bytes == 0 {
			p.limit.Bytes = p.def.Bytes
		}
	}
	return l
}

// Validate reports, as Invalid, a limit that is negative or so high that sums
// could overflow. Zero fields are fine.
func (c Config) Validate() error {
	for _, scope := range []struct {
		name   string
		limits Limits
	}{{"node", c.Node}, {"realm", c.Realm}, {"peer", c.Peer}} {
		for class, l := range scope.limits.vector() {
			switch {
			case l.Count < 0 || l.Bytes < 0:
				return fault.New("ledger", fault.Invalid, "%s %s: count %d and bytes %d must not be negative", scope.name, Class(class), l.Count, l.Bytes)
			case l.Count > maxCount || l.Bytes > maxBytes:
				return fault.New("ledger", fault.Invalid, "%s %s: count %d or bytes %d is more than anybody can have", scope.name, Class(class), l.Count, l.Bytes)
			}
		}
	}
	return nil
}

// These keep every sum of claims and limits far from overflow.
const (
	maxCount = 1 << 30
	maxBytes = 1 << 50
)

// WorstCase is the most memory in bytes that leases can stand for under this
// configuration, with the ledger's own books: the sum over the classes of the
// node's bytes, and for each lease its record, an account of its peer and one
// of its realm, as if no two leases shared any. What a connection or a stream
// costs the transport is not in it.
func (c Config) WorstCase() int64 {
	var sum int64
	for _, l := range c.WithDefaults().Node.vector() {
		sum += l.Bytes + int64(l.Count)*perLease
	}
	return sum
}

// perLease is what one lease costs at most in the books. The built-in map
// keeps at least half of its places free when it has just grown.
const perLease = int64(unsafe.Sizeof(record{})) + 2*int64(unsafe.Sizeof(account{})) + 4*int64(unsafe.Sizeof(Scope{})+unsafe.Sizeof(uintptr(0)))
