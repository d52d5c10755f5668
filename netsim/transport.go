package netsim

import (
	"context"
	"net/netip"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// endpoint implements transport.Transport.
type endpoint struct {
	n      *Net
	host   *Host
	r      rt.Runtime
	in     rt.InlineTimer // nil when r has none
	id     transport.PeerID
	cfg    transport.Config
	addr   transport.Addr
	closed bool

	stats    transport.Stats
	first    *end // of those that are not ended, in the order of their making
	last     *end
	listener *listener // the open one
	spare    *waiter
}

// Dial implements transport.Transport.
func (p *endpoint) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	site := caller()
	p.n.lock()
	if p.closed {
		p.n.unlock()
		return nil, transport.ErrClosed
	}
	if ctx.Err() != nil {
		p.n.unlock()
		return nil, context.Cause(ctx)
	}
	if p.host.exhausted {
		p.n.unlock()
		return nil, ErrNoPorts
	}
	c := p.n.newConn(p, addr, want)
	e := &c.ends[0]
	e.site = site
	w := p.newWaiter()
	e.dialler = w
	p.n.dial(e)
	p.n.unlock()
	_, conn, err := p.wait(ctx, w, func(cause error) {
		e.dialler = nil
		p.n.die(e, cause)
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Listen implements transport.Transport.
func (p *endpoint) Listen(cfg transport.ListenConfig) (transport.Listener, error) {
	site := caller()
	p.n.lock()
	defer p.n.unlock()
	switch {
	case p.closed:
		return nil, transport.ErrClosed
	case p.listener != nil:
		return nil, errListening
	}
	p.listener = &listener{p: p, admit: cfg.Admit, site: site}
	return p.listener, nil
}

// Stats implements transport.Transport.
func (p *endpoint) Stats() transport.Stats {
	p.n.lock()
	defer p.n.unlock()
	return p.stats
}

// Close implements transport.Transport. It does not block: there is nothing
// to wait for, since every connection ends at once.
func (p *endpoint) Close() error {
	p.n.lock()
	defer p.n.unlock()
	p.shut(func(e *end) { p.n.close(e, 0, "") })
	return nil
}

// shut ends the listener and every connection, and frees the port.
func (p *endpoint) shut(kill func(*end)) {
	if p.closed {
		return
	}
	p.closed = true
	if l := p.listener; l != nil {
		l.close()
	}
	for p.first != nil {
		kill(p.first)
	}
	for i, q := range p.host.ends {
		if q == p {
			p.host.ends = append(p.host.ends[:i:i], p.host.ends[i+1:]...)
			break
		}
	}
}

// seen is the address that others see.
func (p *endpoint) seen() transport.Addr { return netip.AddrPortFrom(p.host.ip, p.addr.Port()) }

// add counts e in, in the handshake.
func (p *endpoint) add(e *end) {
	e.prev = p.last
	if p.last == nil {
		p.first = e
	} else {
		p.last.next = e
	}
	p.last = e
	p.handshakes(e, +1)
}

// handshakes counts an end into the handshakes, or out.
func (p *endpoint) handshakes(e *end, by int) {
	p.stats.Handshaking += by
	if e.side == 1 {
		p.stats.Accepting += by
	}
}

// remove counts e out.
func (p *endpoint) remove(e *end) {
	if e.prev == nil {
		p.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		p.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	if e.state == open {
		p.stats.Conns--
		e.out.to.towards--
	} else {
		p.handshakes(e, -1)
	}
}
