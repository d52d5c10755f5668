package live

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Network is sockets on loopback with a wire between them. Whoever has the turn
// may call its methods.
type Network struct {
	w      *World
	wire   wire
	hosts  []*Host
	byName map[string]*Host // for lookup only
	conns  []*conn          // that have not ended
	fuses  []*fuse
	ids    map[transport.PeerID]transport.PeerID // who opened what, by what it proves; for lookup only
	ending sync.WaitGroup                        // transports and connections that are being closed
}

var _ scenario.Network = (*Network)(nil)

func newNetwork(w *World) *Network {
	n := &Network{w: w, byName: map[string]*Host{}, ids: map[transport.PeerID]transport.PeerID{}}
	n.wire.rand, n.wire.inside = w.stream("network"), w.cfg.InProcess
	n.wire.byAddr, n.wire.dirs = map[netip.AddrPort]*Host{}, map[[2]*Host]*dir{}
	return n
}

// Host is the place of a machine in the network, with a socket that outlives
// the crashes of the machine.
type Host struct {
	n    *Network
	wire *wire
	name string
	m    *Machine
	open []*link // transports that are not closed

	// Guarded by wire.
	sock   *net.UDPConn
	addr   netip.AddrPort
	port   *port // of the transport that is attached
	stalls bool
	frozen bool
	thaw   []func() // what happens when it is not

	fails     bool
	exhausted bool
	speed     int64 // of reading, in bytes a second
	nextRead  time.Time
}

// Host returns the host of that name; the first call makes it. When there is
// no socket for it the run fails.
func (n *Network) Host(name string) scenario.Host { return n.host(name) }

func (n *Network) host(name string) *Host {
	h := n.byName[name]
	if h == nil {
		h = &Host{n: n, wire: &n.wire, name: name, m: n.w.machine(name)}
		n.hosts, n.byName[name] = append(n.hosts, h), h
		if err := n.wire.bind(h); err != nil {
			n.w.Fail(fmt.Errorf("live: a socket for %s: %w", name, err))
		}
	}
	return h
}

// Name is what Network.Host was called with.
func (h *Host) Name() string { return h.name }

// Addr is where the host can be dialled.
func (h *Host) Addr() transport.Addr {
	h.wire.mu.Lock()
	defer h.wire.mu.Unlock()
	return h.addr
}

// Transport opens a transport for whoever is id. One at a time can be attached
// to a host.
func (h *Host) Transport(_ rt.Runtime, id transport.PeerID, cfg transport.Config) transport.Transport {
	n := h.n
	p := newPort(h)
	h.wire.mu.Lock()
	taken := h.port != nil
	if !taken {
		h.port = p
	}
	h.wire.mu.Unlock()
	if taken {
		n.w.Fail(fmt.Errorf("live: a second transport is opened on %s", h.name))
		return &link{h: h, life: h.m.life, closed: true}
	}
	inner, err := n.w.cfg.Transports.Open(id, cfg, p, h.m)
	if err != nil {
		n.w.Fail(fmt.Errorf("live: a transport on %s: %w", h.name, err))
		return &link{h: h, life: h.m.life, closed: true}
	}
	n.ids[n.w.cfg.Transports.ID(id)] = id
	l := &link{h: h, life: h.m.life, port: p, inner: inner}
	h.open = append(h.open, l)
	return l
}

// detach lets another transport be attached. Packets that are under way arrive
// nowhere.
func (h *Host) detach(l *link) {
	for i, o := range h.open {
		if o == l {
			h.open = append(h.open[:i], h.open[i+1:]...)
			break
		}
	}
	h.wire.mu.Lock()
	defer h.wire.mu.Unlock()
	if h.port == l.port {
		h.port = nil
	}
}

// Stats is the sum over the host's open transports.
func (h *Host) Stats() transport.Stats {
	var sum transport.Stats
	for _, l := range h.open {
		st := l.inner.Stats()
		sum.Handshaking += st.Handshaking
		sum.Accepting += st.Accepting
		sum.Conns += st.Conns
		sum.Streams += st.Streams
	}
	return sum
}

// ConnsTo is the number of connections to this host that are open at the other
// ends.
func (h *Host) ConnsTo() int {
	count := 0
	for _, c := range h.n.conns {
		if c.remote == h && c.ctx.Err() == nil {
			count++
		}
	}
	return count
}

// Crash takes the transports of the host away. No packet leaves from now on:
// peers notice by their idle timeouts.
func (h *Host) Crash() {
	h.wire.mu.Lock()
	h.port, h.thaw, h.frozen = nil, nil, false
	h.wire.mu.Unlock()
	for _, l := range h.open {
		l.crash()
	}
	h.open = nil
}

// busy reports whether something is open or being closed, by the books of the
// transports.
func (n *Network) busy() bool {
	for _, h := range n.hosts {
		if len(h.open) > 0 && h.Stats() != (transport.Stats{}) {
			return true
		}
	}
	for _, c := range n.conns {
		if c.ctx.Err() == nil && c.inner.Context().Err() != nil {
			return true // somebody is about to hear of it
		}
	}
	return false
}

// close ends the network and waits for its goroutines.
func (n *Network) close() {
	n.wire.mu.Lock()
	n.wire.closed = true
	for _, h := range n.hosts {
		if h.sock != nil {
			h.sock.Close()
		}
	}
	n.wire.mu.Unlock()
	n.ending.Wait()
	n.wire.pending.Wait()
}

// freeze is Pause and Resume of a machine.
func (n *Network) freeze(name string, on bool) {
	h := n.byName[name]
	if h == nil {
		return
	}
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	h.frozen = on
	thaw := h.thaw
	h.thaw = nil
	for _, f := range thaw {
		f()
	}
}

// Check always holds: the books are those of the transports.
func (n *Network) Check() error { return nil }

// Audit is Check.
func (n *Network) Audit() error { return nil }

// Orphans are not seen from here: which streams a transport has open, it does
// not tell. Leaks counts what is left at the end.
func (n *Network) Orphans() []string { return nil }

// Leaks says what transports that are not closed have open.
func (n *Network) Leaks() []string {
	var out []string
	for _, h := range n.hosts {
		if st := h.Stats(); st != (transport.Stats{}) {
			out = append(out, fmt.Sprintf("%s: %d handshakes, %d connections and %d streams", h.name, st.Handshaking, st.Conns, st.Streams))
		}
	}
	return out
}

// fault logs what is done to a host.
func (n *Network) fault(h *Host, format string, args ...any) {
	n.w.Note(sim.KindFault, h.m, fmt.Sprintf(format, args...))
}

// InFlight is not known: what is under way is encrypted.
func (n *Network) InFlight(scenario.Host, scenario.Host) []netsim.Packet { return nil }
