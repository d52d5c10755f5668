package netsim

import (
	"net/netip"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// firstPort is the port of a host's first transport; further ones, as long as
// it is open, get the next.
const firstPort = 4433

// Host is a place in the network with an address. Its methods are safe for
// concurrent use and do not block.
type Host struct {
	n      *Net
	name   string
	index  int
	ip     netip.Addr
	pairs  []*pair     // that this host is one of, in the order in which they were made
	ends   []*endpoint // open, in the order in which they were made
	labels []int       // which group of each partition it is in, zero for none

	towards int // connections open at other hosts to this one
	// The most connections that there ever were, by either count.
	peakHere, peakThere int

	stalls bool // handshakes do not get beyond the first flight
	fails  bool // handshakes are refused late

	exhausted bool      // dials fail
	moved     mono.Time // of the last rebinding
	speed     int64     // of what its streams read, in bytes a second; zero is no limit
	nextRead  mono.Time // when they may go on
}

func newHost(n *Net, name string, index int) *Host {
	i := uint32(index + 1)
	return &Host{
		n: n, name: name, index: index,
		ip: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
	}
}

// Name is the host's name.
func (h *Host) Name() string { return h.name }

// Index is the number of hosts that were made before this one.
func (h *Host) Index() int { return h.index }

// Addr is the address of the host's first transport, as others see it.
func (h *Host) Addr() transport.Addr { return netip.AddrPortFrom(h.ip, firstPort) }

// Transport opens a transport on the host for whoever proves to be id. r is
// the host's own machine: tasks wait on it, and deadlines of streams are
// instants of its clock. The transport gets the lowest free port from 4433 up,
// and keeps it until its Close or the host's Crash.
func (h *Host) Transport(r rt.Runtime, id transport.PeerID, cfg transport.Config) transport.Transport {
	h.n.lock()
	defer h.n.unlock()
	port := uint16(firstPort)
	for h.endpoint(port) != nil {
		port++
	}
	p := &endpoint{
		n: h.n, host: h, r: r, id: id, cfg: cfg.WithDefaults(),
		addr: netip.AddrPortFrom(h.ip, port),
	}
	p.in, _ = r.(rt.InlineTimer)
	h.ends = append(h.ends, p)
	return p
}

// Stats is the sum over the host's open transports.
func (h *Host) Stats() transport.Stats {
	h.n.lock()
	defer h.n.unlock()
	var sum transport.Stats
	for _, p := range h.ends {
		sum.Handshaking += p.stats.Handshaking
		sum.Accepting += p.stats.Accepting
		sum.Conns += p.stats.Conns
		sum.Streams += p.stats.Streams
	}
	return sum
}

// ConnsTo is the number of connections to this host that are open at the other
// ends, by their books.
func (h *Host) ConnsTo() int {
	h.n.lock()
	defer h.n.unlock()
	return h.towards
}

// PeakConns is the most connections that were open at any moment: at this
// host, and at the other ends to it. Zero, zero is one that never had any.
func (h *Host) PeakConns() (here, there int) {
	h.n.lock()
	defer h.n.unlock()
	return h.peakHere, h.peakThere
}

// noteConns keeps the peaks. Called with the lock held, whenever a connection
// has opened.
func (h *Host) noteConns() {
	here := 0
	for _, p := range h.ends {
		here += p.stats.Conns
	}
	h.peakHere, h.peakThere = max(h.peakHere, here), max(h.peakThere, h.towards)
}

// Crash takes all transports and connections of the host away at once. No
// packet leaves: peers notice by their idle timeouts. Calls that wait return
// transport.ErrClosed, if their tasks live, and nothing done later through
// what the host had has an effect. Crash the host before its machine.
func (h *Host) Crash() {
	h.n.lock()
	defer h.n.unlock()
	h.n.fault(h, "crash")
	for len(h.ends) > 0 {
		h.ends[0].shut(func(e *end) {
			e.c.silent = true
			h.n.die(e, transport.ErrClosed)
		})
	}
}

// endpoint is the open transport on a port, or nil.
func (h *Host) endpoint(port uint16) *endpoint {
	for _, p := range h.ends {
		if p.addr.Port() == port {
			return p
		}
	}
	return nil
}
