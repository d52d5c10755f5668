package transporttest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/maculamesh/macula/transport"
)

// isAny reports whether err is one of targets.
func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

var connCases = []testCase{
	{name: "AcceptStream ends with the cause of its context", f: func(p *probe) {
		n := p.connect(transport.Config{})
		_, err := n.cb.AcceptStream(p.ended())
		p.is(err, errCause, "AcceptStream")
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.jitter(); cancel(errCause) })
		_, err = n.cb.AcceptStream(ctx)
		p.is(err, errCause, "AcceptStream")
		p.brief(func(ctx context.Context) error { _, err := n.cb.AcceptStream(ctx); return err }, "AcceptStream")
	}},
	{name: "OpenStream with an ended context opens nothing", f: func(p *probe) {
		n := p.connect(transport.Config{})
		_, err := n.ca.OpenStream(p.ended())
		p.is(err, errCause, "OpenStream")
		p.check(n.a.Stats().Streams == 0, "it holds %+v", n.a.Stats())
	}},
	{name: "AcceptStream that gave up has lost no stream", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 20 {
			ctx, cancel := p.WithCancelCause(p.ctx)
			p.spawn(func() { p.jitter(); cancel(errCause) })
			p.spawn(func() {
				s := p.open(n.ca)
				defer s.Close()
				p.write(s, "x")
			})
			s, err := n.cb.AcceptStream(ctx)
			if err != nil {
				p.is(err, errCause, "AcceptStream")
				s = p.acceptStream(n.cb)
			}
			p.readAll(s, "x")
			s.Close()
			p.join()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "several AcceptStreams share the streams", f: func(p *probe) {
		const streams = 16
		n := p.connect(transport.Config{})
		for range streams {
			p.spawn(func() {
				s := p.acceptStream(n.cb)
				p.readAll(s, "x")
				s.Close()
			})
		}
		for range streams {
			s := p.open(n.ca)
			p.write(s, "x")
			s.Close()
		}
		p.join()
		p.noStreams(n.a, n.b)
	}},
	{name: "two AcceptStreams that meet two streams get one each", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 30 {
			for range 2 {
				p.spawn(func() {
					p.jitter()
					s := p.acceptStream(n.cb)
					p.readAll(s, "x")
					s.Close()
				})
			}
			// The second one brings the first one along.
			silent, later := p.open(n.ca), p.open(n.ca)
			p.jitter()
			p.write(later, "x")
			later.Close()
			p.write(silent, "x")
			silent.Close()
			p.join()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "both ends may open streams", f: func(p *probe) {
		n := p.connect(transport.Config{})
		p.echo(n)
		p.echo(pair{n.b, n.a, n.cb, n.ca, n.l})
		p.noStreams(n.a, n.b)
	}},
	{name: "one host has several connections that do not touch each other", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		l := p.listen(b)
		first := pair{a, b, p.dial(a, b), p.accept(l), l}
		second := pair{a, b, p.dial(a, b), p.accept(l), l}
		p.echo(first)
		first.ca.CloseWithError(1, "")
		p.died(first.cb)
		p.echo(second)
		p.is(second.ca.Context().Err(), nil, "Context of the other one")
	}},
}

var closeCases = []testCase{
	{name: "code and reason arrive", f: func(p *probe) {
		for _, reason := range []string{"", "so long", strings.Repeat("r", transport.MaxReason)} {
			n := p.connect(transport.Config{})
			p.is(n.ca.CloseWithError(7, reason), nil, "CloseWithError")
			p.isClose(context.Cause(n.ca.Context()), transport.CloseError{Code: 7, Reason: reason}, "the cause here")
			p.isClose(p.died(n.cb), transport.CloseError{Code: 7, Reason: reason, Remote: true}, "the cause at the peer")
			p.check(n.a.Stats() == transport.Stats{}, "after CloseWithError the host holds %+v", n.a.Stats())
		}
	}},
	{name: "they arrive when the listener's side closes, too", f: func(p *probe) {
		n := p.connect(transport.Config{})
		n.cb.CloseWithError(1<<62-2, "that is enough")
		p.isClose(p.died(n.ca), transport.CloseError{Code: 1<<62 - 2, Reason: "that is enough", Remote: true}, "the cause at the peer")
	}},
	{name: "a long reason is cut", f: func(p *probe) {
		n := p.connect(transport.Config{})
		n.ca.CloseWithError(7, strings.Repeat("r", 10*transport.MaxReason))
		p.isClose(p.died(n.cb), transport.CloseError{Code: 7, Reason: strings.Repeat("r", transport.MaxReason), Remote: true}, "the cause at the peer")
	}},
	{name: "only the first CloseWithError counts", f: func(p *probe) {
		n := p.connect(transport.Config{})
		p.is(n.ca.CloseWithError(7, "first"), nil, "CloseWithError")
		p.is(n.ca.CloseWithError(8, "second"), nil, "CloseWithError again")
		p.isClose(context.Cause(n.ca.Context()), transport.CloseError{Code: 7, Reason: "first"}, "the cause here")
		p.isClose(p.died(n.cb), transport.CloseError{Code: 7, Reason: "first", Remote: true}, "the cause at the peer")
		p.is(n.cb.CloseWithError(9, "third"), nil, "CloseWithError of a dead connection")
		p.isClose(context.Cause(n.cb.Context()), transport.CloseError{Code: 7, Reason: "first", Remote: true}, "the cause at the peer, later")
	}},
	{name: "both ends may close at once", f: func(p *probe) {
		for range 20 {
			n := p.connect(transport.Config{})
			p.spawn(func() { p.jitter(); n.ca.CloseWithError(1, "a") })
			p.spawn(func() { p.jitter(); n.cb.CloseWithError(2, "b") })
			for _, c := range []transport.Conn{n.ca, n.cb} {
				var ce *transport.CloseError
				p.check(errors.As(p.died(c), &ce), "the cause is %v", context.Cause(c.Context()))
			}
			p.join()
			p.empty(n.a)
			p.empty(n.b)
		}
	}},
	{name: "data that the peer has not read yet is lost, even with a FIN", f: func(p *probe) {
		for range 10 {
			n := p.connect(transport.Config{})
			sa, sb := p.streams(n)
			p.write(sa, strings.Repeat("lost", 100))
			p.must(sa.CloseWrite(), "CloseWrite")
			p.jitter()
			n.ca.CloseWithError(7, "go")
			p.died(n.cb)
			m, err := sb.Read(make([]byte, 1000))
			p.check(m == 0, "read %d bytes of a dead connection", m)
			p.isClose(err, transport.CloseError{Code: 7, Reason: "go", Remote: true}, "Read")
		}
	}},
	{name: "everything that waits ends with the cause, at both ends", f: waitersDie},
	{name: "everything after the end fails with the cause", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		n.ca.CloseWithError(7, "")
		p.died(n.cb)
		for i, c := range []transport.Conn{n.ca, n.cb} {
			s, want := sa, transport.CloseError{Code: 7}
			if i == 1 {
				s, want = sb, transport.CloseError{Code: 7, Remote: true}
			}
			_, err := c.OpenStream(p.ctx)
			p.isClose(err, want, "OpenStream")
			_, err = c.AcceptStream(p.ctx)
			p.isClose(err, want, "AcceptStream")
			_, err = s.Read(make([]byte, 1))
			p.isClose(err, want, "Read")
			_, err = s.Write([]byte("x"))
			p.isClose(err, want, "Write")
			s.CancelRead(1)
			s.CancelWrite(1)
			p.is(s.Close(), nil, "Close of a stream")
		}
		p.check(n.ca.Peer() == n.b.ID && n.ca.RemoteAddr() == n.b.Addr, "a dead connection forgets its peer")
		p.check(n.a.Stats() == transport.Stats{} && n.b.Stats() == transport.Stats{}, "left: %+v and %+v", n.a.Stats(), n.b.Stats())
	}},
	{name: "Close of the host closes its connections with code 0", f: func(p *probe) {
		n := p.connect(transport.Config{})
		other := p.dial(n.b, p.listening(n.a))
		p.is(n.a.Close(), nil, "Close")
		p.isClose(context.Cause(n.ca.Context()), transport.CloseError{}, "the cause here")
		p.isClose(p.died(n.cb), transport.CloseError{Remote: true}, "the cause at the peer")
		if err := p.died(other); !errors.Is(err, transport.ErrRefused) {
			p.t.Errorf("one that waited for Accept: %v", err)
		}
		p.check(n.a.Stats() == transport.Stats{}, "after Close the host holds %+v", n.a.Stats())
		p.empty(n.b)
	}},
	{name: "Close of the host ends what waits, and what comes later", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		l := p.listen(a)
		p.spawn(func() {
			_, err := a.Dial(p.ctx, b.Addr, b.ID)
			p.is(err, transport.ErrClosed, "Dial that waits")
		})
		p.spawn(func() {
			_, err := l.Accept(p.ctx)
			p.is(err, transport.ErrClosed, "Accept that waits")
		})
		p.eventually(func() bool { return a.Stats().Handshaking == 1 }, "the dial is under way")
		p.is(a.Close(), nil, "Close")
		p.join()
		p.is(a.Close(), nil, "Close again")
		_, err := a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrClosed, "Dial")
		_, err = a.Listen(transport.ListenConfig{})
		p.is(err, transport.ErrClosed, "Listen")
		_, err = l.Accept(p.ctx)
		p.is(err, transport.ErrClosed, "Accept")
		p.is(l.Close(), nil, "Close of the listener")
	}},
	{name: "Close of the host meets dials and leaves nothing of them", f: func(p *probe) {
		for range 8 {
			a, b := p.host(hasty), p.host(hasty)
			l := p.listen(b)
			for range 3 {
				p.spawn(func() {
					_, err := a.Dial(p.ctx, b.Addr, b.ID)
					p.check(err == nil || errors.Is(err, transport.ErrClosed), "Dial: %v", err)
				})
			}
			p.jitter()
			p.is(a.Close(), nil, "Close")
			p.join()
			p.check(a.Stats() == transport.Stats{}, "the dialler is left with %+v", a.Stats())
			p.is(l.Close(), nil, "Close of the listener")
			p.empty(b)
		}
	}},
}

// listening returns h with a listener.
func (p *probe) listening(h Host) Host {
	p.t.Helper()
	p.listen(h)
	return h
}

// waitersDie has a task in each call that waits, at both ends, when the
// connection is closed.
func waitersDie(p *probe) {
	n := p.connect(transport.Config{MaxStreams: 1, StreamWindow: 4 << 10})
	sa, _ := p.streams(n)
	sb := p.open(n.cb)
	p.write(sb, "!")
	p.read(p.acceptStream(n.ca), "!")
	p.waitOn(n.ca, sa, transport.CloseError{Code: 7, Reason: "all"})
	p.waitOn(n.cb, sb, transport.CloseError{Code: 7, Reason: "all", Remote: true})
	p.sleep(while)
	p.is(n.ca.CloseWithError(7, "all"), nil, "CloseWithError")
	p.join()
	p.check(n.a.Stats() == transport.Stats{} && n.b.Stats() == transport.Stats{}, "left: %+v and %+v", n.a.Stats(), n.b.Stats())
}

// waitOn starts a task in each call of c and of its stream s that waits: there
// is no credit for a second stream, and the other end of s is idle. Each must
// end with want.
func (p *probe) waitOn(c transport.Conn, s transport.Stream, want transport.CloseError) {
	p.spawn(func() {
		_, err := c.OpenStream(p.ctx)
		p.isClose(err, want, "OpenStream")
	})
	for range 2 {
		p.spawn(func() {
			_, err := c.AcceptStream(p.ctx)
			p.isClose(err, want, "AcceptStream")
		})
	}
	p.spawn(func() {
		_, err := s.Write(make([]byte, 64<<10))
		p.isClose(err, want, "Write")
	})
	p.spawn(func() {
		_, err := s.Read(make([]byte, 1))
		p.isClose(err, want, "Read")
	})
}

var timeoutCases = []testCase{
	{name: "an idle connection dies at both ends, and not before its time", f: func(p *probe) {
		cfg := transport.Config{IdleTimeout: 400 * time.Millisecond, KeepAlive: -1}
		n := p.connect(cfg)
		start := p.Now()
		p.sleep(5 * time.Millisecond)
		p.is(p.died(n.ca), transport.ErrIdleTimeout, "the dialler's cause")
		p.is(p.died(n.cb), transport.ErrIdleTimeout, "the listener's cause")
		d := p.Now().Sub(start)
		p.check(d >= cfg.IdleTimeout-100*time.Millisecond, "it died after %v", d)
		p.empty(n.a)
		p.empty(n.b)
	}},
	{name: "the keep-alive of one end keeps it for both", f: func(p *probe) {
		const idle = 600 * time.Millisecond
		a := p.host(transport.Config{IdleTimeout: idle, KeepAlive: -1})
		b := p.host(transport.Config{IdleTimeout: idle})
		l := p.listen(b)
		n := pair{a, b, p.dial(a, b), p.accept(l), l}
		p.sleep(2 * idle)
		p.is(n.ca.Context().Err(), nil, "the dialler's Context")
		p.is(n.cb.Context().Err(), nil, "the listener's Context")
		p.echo(n)
	}},
	{name: "a link that is cut kills the connection at both ends, with what waits", needs: cut, f: func(p *probe) {
		n := p.connect(transport.Config{IdleTimeout: 400 * time.Millisecond})
		sa, sb := p.streams(n)
		for _, s := range []transport.Stream{sa, sb} {
			p.spawn(func() {
				_, err := s.Read(make([]byte, 1))
				p.is(err, transport.ErrIdleTimeout, "Read")
			})
		}
		p.sleep(5 * time.Millisecond)
		p.Cut()
		p.is(p.died(n.ca), transport.ErrIdleTimeout, "the dialler's cause")
		p.is(p.died(n.cb), transport.ErrIdleTimeout, "the listener's cause")
		p.join()
		p.empty(n.a)
		p.empty(n.b)
	}},
	{name: "a link that heals in time loses nothing", needs: cut, f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.Cut()
		p.write(sa, "through the cut")
		p.must(sa.CloseWrite(), "CloseWrite")
		p.sleep(while)
		p.Heal()
		p.readAll(sb, "through the cut")
	}},
	{name: "a close over a cut link ends this end at once, and the other one by its timeout", needs: cut, f: func(p *probe) {
		n := p.connect(transport.Config{IdleTimeout: 400 * time.Millisecond})
		p.Cut()
		p.is(n.ca.CloseWithError(7, "unheard"), nil, "CloseWithError")
		p.isClose(context.Cause(n.ca.Context()), transport.CloseError{Code: 7, Reason: "unheard"}, "the cause here")
		p.empty(n.a)
		p.is(p.died(n.cb), transport.ErrIdleTimeout, "the cause at the peer")
		p.empty(n.b)
	}},
}
