package live

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// wire is what lies between the sockets. Goroutines of transports send and
// receive without the turn, so it has a lock of its own.
type wire struct {
	pending sync.WaitGroup // readers of sockets, and packets under way

	inside bool // there are no sockets

	mu     sync.Mutex
	closed bool
	rand   *rand.Rand
	bound  uint16 // sockets that there would be, of inside
	slot   uint64 // of apart
	byAddr map[netip.AddrPort]*Host
	dirs   map[[2]*Host]*dir
}

// dir is the direction from one host to another.
func (n *wire) dir(from, to *Host) *dir {
	key := [2]*Host{from, to}
	d := n.dirs[key]
	if d == nil {
		d = &dir{from: from, to: to}
		n.dirs[key] = d
	}
	return d
}

// bind opens a socket for a host and lets it receive.
func (n *wire) bind(h *Host) error {
	if n.inside {
		n.name(h)
		return nil
	}
	sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	sock.SetReadBuffer(1 << 20)
	sock.SetWriteBuffer(1 << 20)
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.sock != nil {
		delete(n.byAddr, h.addr)
		h.sock.Close()
	}
	h.sock, h.addr = sock, sock.LocalAddr().(*net.UDPAddr).AddrPort()
	n.byAddr[h.addr] = h
	n.pending.Add(1)
	go func() {
		defer n.pending.Done()
		n.read(h, sock)
	}()
	return nil
}

// name gives a host an address that is of no socket.
func (n *wire) name(h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byAddr, h.addr)
	n.bound++
	h.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1024+n.bound)
	n.byAddr[h.addr] = h
}

// read receives until the socket is closed.
func (n *wire) read(h *Host, sock *net.UDPConn) {
	buf := make([]byte, 64<<10)
	for {
		k, from, err := sock.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		n.receive(h, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), append([]byte(nil), buf[:k]...))
	}
}

// receive lets a packet arrive, or loses it.
func (n *wire) receive(h *Host, src netip.AddrPort, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.let(h, src, data)
}

// let is receive with the lock held.
func (n *wire) let(h *Host, src netip.AddrPort, data []byte) {
	from := n.byAddr[src]
	if from == nil || n.closed {
		return // from where somebody was before it moved, or from outside
	}
	d := n.dir(from, h)
	switch {
	case d.shut(), stalled(from, h, data):
	case d.held:
		if len(d.waiting) < maxWaiting {
			d.waiting = append(d.waiting, data)
		}
	default:
		h.arrive(src, data)
	}
}

// stalled reports whether a packet of a handshake gets stuck: a host whose
// handshakes stall sends none, and hears only how others begin one.
func stalled(from, to *Host, data []byte) bool {
	const long, kind, initial = 0x80, 0x30, 0x00 // RFC 9000, 17.2
	if len(data) == 0 || data[0]&long == 0 {
		return false
	}
	return from.stalls || to.stalls && data[0]&kind != initial
}

// arrive hands a packet to whoever is attached. Called with the wire's lock
// held.
func (h *Host) arrive(src netip.AddrPort, data []byte) {
	if h.frozen {
		if len(h.thaw) < maxWaiting {
			h.thaw = append(h.thaw, func() { h.arrive(src, data) })
		}
		return
	}
	if h.port != nil {
		select {
		case h.port.inbox <- received{data, net.UDPAddrFromAddrPort(src)}:
		default: // as a full buffer of a socket does
		}
	}
}

// port is the net.PacketConn of a transport: a socket that falls silent when
// its machine crashes.
type port struct {
	h      *Host
	inbox  chan received
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	late chan struct{} // closed at the read deadline
}

type received struct {
	data []byte
	addr net.Addr
}

func newPort(h *Host) *port {
	return &port{h: h, inbox: make(chan received, 4096), closed: make(chan struct{}), late: make(chan struct{})}
}

// ReadFrom waits for a packet, the deadline or Close.
func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	late := p.late
	p.mu.Unlock()
	select {
	case r := <-p.inbox:
		return copy(b, r.data), r.addr, nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo sends a packet. It never blocks, and what cannot be sent is lost.
func (p *port) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "no UDP address", Addr: addr.String()}
	}
	h, n := p.h, p.h.wire
	dst := to.AddrPort()
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.port != p || n.closed {
		return len(b), nil
	}
	if o := n.byAddr[dst]; o != nil {
		if h.frozen {
			if data := append([]byte(nil), b...); len(h.thaw) < maxWaiting {
				h.thaw = append(h.thaw, func() { n.send(n.dir(h, o), data, dst) })
			}
			return len(b), nil
		}
		n.send(n.dir(h, o), b, dst)
	}
	return len(b), nil
}

// Close ends ReadFrom.
func (p *port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// LocalAddr is the address of the host when it was asked first.
func (p *port) LocalAddr() net.Addr {
	p.h.wire.mu.Lock()
	defer p.h.wire.mu.Unlock()
	return net.UDPAddrFromAddrPort(p.h.addr)
}

// SetReadDeadline ends ReadFrom when t has passed already; quic-go uses no
// other one. Zero lets it wait again.
func (p *port) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.late:
		p.late = make(chan struct{})
	default:
	}
	if !t.IsZero() && !t.After(time.Now()) {
		close(p.late)
	}
	return nil
}

// SetDeadline is SetReadDeadline: writing does not wait.
func (p *port) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (p *port) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer and SetWriteBuffer do nothing: the sockets are the network's.
func (p *port) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing.
func (p *port) SetWriteBuffer(int) error { return nil }
