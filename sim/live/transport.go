package live

import (
	"context"
	"slices"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/transport"
)

// link is a transport of a host: the one that Transports has opened, with the
// turn given up around everything that may wait.
type link struct {
	h      *Host
	life   *life
	port   *port
	inner  transport.Transport
	closed bool
}

func (l *link) w() *World { return l.h.n.w }

// Dial implements transport.Transport.
func (l *link) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	w := l.w()
	w.current("Dial")
	switch {
	case l.closed || l.life.over:
		return nil, transport.ErrClosed
	case l.h.exhausted:
		return nil, netsim.ErrNoPorts
	}
	var q transport.Conn
	var err error
	proves := w.cfg.Transports.ID(want)
	w.outside("Dial", ctx, func() { q, err = l.inner.Dial(ctx, addr, proves) })
	if err != nil {
		return nil, err
	}
	c := l.adopt(q)
	if l.h.fails || c.remote != nil && c.remote.fails {
		w.net.breakAll(transport.ErrHandshake, c)
	}
	return c, nil
}

// Listen implements transport.Transport.
func (l *link) Listen(cfg transport.ListenConfig) (transport.Listener, error) {
	if l.closed || l.life.over {
		return nil, transport.ErrClosed
	}
	if admit := cfg.Admit; admit != nil {
		cfg.Admit = func(addr transport.Addr, verified bool) transport.Verdict { return l.admit(admit, addr, verified) }
	}
	inner, err := l.inner.Listen(cfg)
	if err != nil {
		return nil, err
	}
	return &listener{l, inner}, nil
}

// admit asks on a goroutine of the transport.
func (l *link) admit(ask func(transport.Addr, bool) transport.Verdict, addr transport.Addr, verified bool) transport.Verdict {
	w := l.w()
	t := visitor(l.life, "Admit", "")
	w.begin(t)
	if l.life.over {
		w.leave()
		return transport.Refuse
	}
	w.join(t)
	defer w.ended(t)
	return ask(addr, verified)
}

// Stats implements transport.Transport.
func (l *link) Stats() transport.Stats {
	if l.inner == nil || l.life.over {
		return transport.Stats{}
	}
	return l.inner.Stats()
}

// Close implements transport.Transport.
func (l *link) Close() error {
	w := l.w()
	w.current("Close")
	if l.inner == nil || l.life.over {
		return nil
	}
	l.closed = true
	w.outside("Close", nil, func() { l.inner.Close() })
	for _, c := range append([]*conn(nil), w.net.conns...) {
		if c.l == l {
			c.sync()
		}
	}
	l.h.detach(l)
	return nil
}

// crash closes the transport when nobody hears it any more.
func (l *link) crash() {
	n := l.h.n
	for _, c := range append([]*conn(nil), n.conns...) {
		if c.l == l {
			c.over(transport.ErrClosed)
		}
	}
	n.ending.Add(1)
	go func() {
		defer n.ending.Done()
		l.inner.Close()
		l.port.Close()
	}()
}

// adopt wraps a connection.
func (l *link) adopt(q transport.Conn) *conn {
	n := l.h.n
	c := &conn{l: l, inner: q, remote: n.at(q.RemoteAddr())}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	n.conns = append(slices.DeleteFunc(n.conns, func(o *conn) bool { return o.ctx.Err() != nil }), c)
	context.AfterFunc(q.Context(), func() { c.cancel(context.Cause(q.Context())) })
	return c
}

// at is who has an address.
func (n *Network) at(addr transport.Addr) *Host {
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	return n.wire.byAddr[addr]
}

// listener is a transport.Listener.
type listener struct {
	l     *link
	inner transport.Listener
}

// Accept implements transport.Listener.
func (x *listener) Accept(ctx context.Context) (transport.Conn, error) {
	w := x.l.w()
	for {
		var q transport.Conn
		var err error
		w.outside("Accept", ctx, func() { q, err = x.inner.Accept(ctx) })
		if err != nil {
			return nil, err
		}
		c := x.l.adopt(q)
		if x.l.h.fails || c.remote != nil && c.remote.fails {
			w.net.breakAll(transport.ErrHandshake, c)
			continue
		}
		return c, nil
	}
}

// Addr implements transport.Listener.
func (x *listener) Addr() transport.Addr { return x.inner.Addr() }

// Close implements transport.Listener.
func (x *listener) Close() error {
	var err error
	x.l.w().outside("Listener.Close", nil, func() { err = x.inner.Close() })
	return err
}

// conn is a transport.Conn.
type conn struct {
	l      *link
	inner  transport.Conn
	remote *Host // nil when it is not of this world
	ctx    context.Context
	cancel context.CancelCauseFunc
	broken error // why a fault has ended it
}

// over is the end of the connection for those who use it.
func (c *conn) over(cause error) {
	c.cancel(cause)
	n := c.l.h.n
	n.conns = slices.DeleteFunc(n.conns, func(o *conn) bool { return o == c })
}

// breakAll ends connections by a fault. All of them have ended before the first
// says so to its other end, which may be among them.
func (n *Network) breakAll(why error, conns ...*conn) {
	conns = slices.DeleteFunc(conns, func(c *conn) bool { return c.ctx.Err() != nil })
	for _, c := range conns {
		c.broken = why
		c.over(why)
	}
	for _, c := range conns {
		n.ending.Add(1)
		go func() {
			defer n.ending.Done()
			c.inner.CloseWithError(0, "")
		}()
	}
}

// sync takes notice of an end.
func (c *conn) sync() {
	if c.inner.Context().Err() != nil {
		c.over(context.Cause(c.inner.Context()))
	}
}

// fails is what a call returns that the connection below has ended with err.
func (c *conn) fails(err error) error {
	if err == nil {
		return nil
	}
	c.sync()
	if c.broken != nil {
		return c.broken
	}
	return err
}

// wait runs what may wait.
func (c *conn) wait(what string, ctx context.Context, f func() error) error {
	c.l.w().current(what)
	if c.broken != nil {
		return c.broken
	}
	var err error
	c.l.w().outside(what, ctx, func() { err = f() })
	return c.fails(err)
}

// OpenStream implements transport.Conn.
func (c *conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	return c.stream("OpenStream", ctx, c.inner.OpenStream)
}

// AcceptStream implements transport.Conn.
func (c *conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	return c.stream("AcceptStream", ctx, c.inner.AcceptStream)
}

func (c *conn) stream(what string, ctx context.Context, next func(context.Context) (transport.Stream, error)) (transport.Stream, error) {
	var s transport.Stream
	err := c.wait(what, ctx, func() (err error) {
		s, err = next(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &stream{c, s}, nil
}

// Context implements transport.Conn.
func (c *conn) Context() context.Context { return c.ctx }

// Peer implements transport.Conn.
func (c *conn) Peer() transport.PeerID {
	if id, ok := c.l.h.n.ids[c.inner.Peer()]; ok {
		return id
	}
	return c.inner.Peer()
}

// RemoteAddr implements transport.Conn.
func (c *conn) RemoteAddr() transport.Addr { return c.inner.RemoteAddr() }

// CloseWithError implements transport.Conn.
func (c *conn) CloseWithError(code transport.Code, reason string) error {
	c.wait("CloseWithError", nil, func() error { return c.inner.CloseWithError(code, reason) })
	c.sync()
	return nil
}

// deadline sets one through f, but for a dying task.
func (c *conn) deadline(f func(mono.Time), d mono.Time) {
	if !c.l.w().deaf() {
		f(d)
	}
}
