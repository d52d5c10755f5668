// Package netsim is a simulated network: it implements package transport on
// any rt.Runtime, with hosts, links and faults instead of sockets.
//
// It does what QUIC does as far as its users can see: handshakes that take
// round trips and can be refused early or late, streams with windows, half
// close and resets, credit that comes back after a latency, idle timeouts and
// keep-alives. Packets are events with a time of arrival; there are no bytes
// of QUIC and no cryptography.
//
// A network draws from the random streams of its own runtime and goes through
// everything in a fixed order, so on a deterministic runtime a run repeats.
// Whatever it decides it also tells to a Recorder.
package netsim

import (
	"context"
	"net/netip"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config is what a Net is made from.
type Config struct {
	// Runtime is the network's own: packets fly on its clock and chance is
	// drawn from it. In simulation it is a machine that never crashes. If it
	// is an rt.InlineTimer, a delivered packet does not cost a task.
	Runtime rt.Runtime
	// Recorder hears of every delivery, loss and fault. It may be nil.
	Recorder Recorder
	// Link is what every directed link starts as. The zero value is a perfect
	// network.
	Link Link
}

// Recorder is told whatever the network decides, in order, so that a
// simulator can fold it into the hash of its trace. Its methods must not
// block, and must not call into the network.
type Recorder interface {
	// Delivered says that a packet arrived. The Packet is the network's, here
	// and in Dropped: it is overwritten after the call.
	Delivered(*Packet)
	// Dropped says that a packet was lost. One that is sent again can be
	// dropped more than once.
	Dropped(*Packet)
	// Fault says that a fault began or ended. host is the host that it is
	// about, or nil.
	Fault(host *Host, text string)
}

// Net is a simulated network. All methods are safe for concurrent use, and
// none of them blocks.
type Net struct {
	r    rt.Runtime
	rec  Recorder
	link Link
	in   rt.InlineTimer // nil when the runtime has none

	mu     rt.Mutex
	at     mono.Time // now, as of the last lock
	hosts  []*Host
	byName map[string]*Host     // bound: hosts; for lookup only
	byIP   map[netip.Addr]*Host // bound: hosts; for lookup only
	pairs  map[[2]int]*pair     // bound: pairs of hosts; for lookup only
	order  []*pair              // all of pairs, in the order in which they were made
	splits int                  // partitions since the last HealAll

	connSeq uint64
	conns   int       // connections with an end that lives
	checked bool      // Check was called
	touched []*conn   // since the last one
	flights *flight   // free
	made    []*flight // all
	seq     uint64
	scratch Packet
	moves   int // rebindings
	bufs    bufPool
	due     []ending
}

// ending is a context that ends as soon as the mutex is free: what hangs on
// it is not ours.
type ending struct {
	cancel context.CancelCauseFunc
	cause  error
}

// New returns a network without hosts. It holds nothing that has to be
// closed; packets in flight are timers of the runtime.
func New(cfg Config) *Net {
	n := &Net{
		r:      cfg.Runtime,
		rec:    cfg.Recorder,
		link:   cfg.Link,
		mu:     rt.NewMutex(cfg.Runtime),
		byName: map[string]*Host{},
		byIP:   map[netip.Addr]*Host{},
		pairs:  map[[2]int]*pair{},
	}
	n.in, _ = cfg.Runtime.(rt.InlineTimer)
	return n
}

// Host returns the host of that name; the first call for a name makes it.
func (n *Net) Host(name string) *Host {
	n.lock()
	defer n.unlock()
	if h := n.byName[name]; h != nil {
		return h
	}
	h := newHost(n, name, len(n.hosts))
	n.hosts = append(n.hosts, h)
	n.byName[name] = h
	n.byIP[h.ip] = h
	return h
}

// Hosts returns all hosts in the order in which they were made.
func (n *Net) Hosts() []*Host {
	n.lock()
	defer n.unlock()
	return append([]*Host(nil), n.hosts...)
}

// Conns is the number of connections that live at one end at least, those in
// the handshake among them.
func (n *Net) Conns() int {
	n.lock()
	defer n.unlock()
	return n.conns
}

// lock takes the mutex and reads the clock.
func (n *Net) lock() {
	n.mu.Lock()
	n.at = n.r.Now()
}

// unlock gives the mutex back, and then ends the contexts whose time has come.
func (n *Net) unlock() {
	if len(n.due) == 0 {
		n.mu.Unlock()
		return
	}
	due := n.due
	n.due = nil
	n.mu.Unlock()
	for _, d := range due {
		d.cancel(d.cause)
	}
}

// nextSeq numbers what is sent.
func (n *Net) nextSeq() uint64 {
	n.seq++
	return n.seq
}

// touch puts c on the list of what the next Check looks at, if there was one
// before: else nobody would ever empty the list.
func (n *Net) touch(c *conn) {
	if n.checked && !c.touched {
		c.touched = true
		n.touched = append(n.touched, c)
	}
}

func (n *Net) fault(h *Host, text string) {
	if n.rec != nil {
		n.rec.Fault(h, text)
	}
}

var _ transport.Transport = (*endpoint)(nil)
