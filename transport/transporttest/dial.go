package transporttest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// hasty is the configuration of cases in which handshakes are abandoned.
var hasty = transport.Config{HandshakeTimeout: 300 * time.Millisecond}

var dialCases = []testCase{
	{name: "both ends know each other", f: func(p *probe) {
		n := p.connect(transport.Config{})
		p.check(n.ca.Peer() == n.b.ID, "the dialler's Peer is not who was dialled")
		p.check(n.cb.Peer() == n.a.ID, "the listener's Peer is not who dialled")
		p.check(n.ca.RemoteAddr() == n.b.Addr, "the dialler's RemoteAddr is %v, not %v", n.ca.RemoteAddr(), n.b.Addr)
		p.check(n.cb.RemoteAddr() == n.a.Addr, "the listener's RemoteAddr is %v, not %v", n.cb.RemoteAddr(), n.a.Addr)
		p.check(n.l.Addr() == n.b.Addr, "the listener's Addr is %v, not %v", n.l.Addr(), n.b.Addr)
		p.is(n.ca.Context().Err(), nil, "the dialler's Context")
		p.is(n.cb.Context().Err(), nil, "the listener's Context")
		for _, h := range []Host{n.a, n.b} {
			p.check(h.Stats() == transport.Stats{Conns: 1}, "a host with one connection holds %+v", h.Stats())
		}
		p.echo(n)
		p.noStreams(n.a, n.b)
	}},
	{name: "another peer than the wanted one is no success", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		l := p.listen(b)
		_, err := a.Dial(p.ctx, b.Addr, a.ID)
		p.is(err, transport.ErrPeerMismatch, "Dial")
		p.check(a.Stats() == transport.Stats{}, "a failed dial leaves %+v", a.Stats())
		p.empty(b)
		p.brief(func(ctx context.Context) error { _, err := l.Accept(ctx); return err }, "Accept of a failed handshake")
	}},
	{name: "nobody answers: the handshake timeout ends it, and not before its time", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		start := p.Now()
		_, err := a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrHandshakeTimeout, "Dial of a host that does not listen")
		d := p.Now().Sub(start)
		p.check(d >= hasty.HandshakeTimeout, "it ended after %v", d)
		p.check(a.Stats() == transport.Stats{}, "a failed dial leaves %+v", a.Stats())
	}},
	{name: "an address where nothing is ends in the handshake timeout", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		p.is(b.Close(), nil, "Close")
		_, err := a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrHandshakeTimeout, "Dial")
	}},
	{name: "a dial is counted while it goes on, and ends with the cause of its context", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() {
			p.eventually(func() bool { return a.Stats() == transport.Stats{Handshaking: 1} }, "the dial is counted")
			cancel(errCause)
		})
		_, err := a.Dial(ctx, b.Addr, b.ID)
		p.is(err, errCause, "Dial")
		p.check(a.Stats() == transport.Stats{}, "a cancelled dial leaves %+v", a.Stats())
	}},
	{name: "an elapsed context is DeadlineExceeded", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		p.brief(func(ctx context.Context) error { _, err := a.Dial(ctx, b.Addr, b.ID); return err }, "Dial")
	}},
	{name: "a context that has ended dials nobody", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		p.listen(b)
		_, err := a.Dial(p.ended(), b.Addr, b.ID)
		p.is(err, errCause, "Dial")
		p.check(b.Stats() == transport.Stats{}, "the other end holds %+v", b.Stats())
	}},
	{name: "a dial that is cancelled at any moment leaves nothing at either end", f: cancelledDials},
	{name: "two hosts may dial each other at once", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		la, lb := p.listen(a), p.listen(b)
		p.spawn(func() { p.dial(a, b) })
		p.spawn(func() { p.dial(b, a) })
		p.check(p.accept(la).Peer() == b.ID, "b's dial is not b's")
		p.check(p.accept(lb).Peer() == a.ID, "a's dial is not a's")
		p.join()
		p.check(a.Stats().Conns == 2 && b.Stats().Conns == 2, "a has %+v, b %+v", a.Stats(), b.Stats())
	}},
	{name: "each of many dials at once is a connection of its own", f: func(p *probe) {
		const n = 12
		b := p.host(transport.Config{})
		l := p.listen(b)
		var dialled atomic.Int64
		for range n {
			a := p.host(transport.Config{})
			p.spawn(func() {
				p.check(p.dial(a, b).Peer() == b.ID, "Peer is not who was dialled")
				dialled.Add(1)
			})
		}
		seen := make([]transport.PeerID, 0, n)
		for range n {
			id := p.accept(l).Peer()
			for _, other := range seen {
				p.check(other != id, "one connection was accepted twice")
			}
			seen = append(seen, id)
		}
		p.join()
		p.check(dialled.Load() == n && b.Stats().Conns == n, "%d dials, and the other end has %+v", dialled.Load(), b.Stats())
	}},
	{name: "a handshake takes a round trip", needs: delay, f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		p.listen(b)
		p.Delay(20 * time.Millisecond)
		start := p.Now()
		p.dial(a, b)
		d := p.Now().Sub(start)
		p.check(d >= 40*time.Millisecond, "with 20 ms one way it took %v", d)
	}},
	{name: "an abandoned handshake is counted, and dies of its timeout", needs: cut | delay, f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		p.listen(b)
		p.Delay(80 * time.Millisecond)
		p.spawn(func() {
			_, err := a.Dial(p.ctx, b.Addr, b.ID)
			p.is(err, transport.ErrHandshakeTimeout, "Dial")
		})
		p.eventually(func() bool { return b.Stats() == transport.Stats{Handshaking: 1, Accepting: 1} }, "the accepted handshake is counted")
		p.Cut()
		p.join()
		p.empty(b)
	}},
}

// cancelledDials cancels dials at moments all through the handshake. IdleTimeout
// is longer than patience, so a connection that only one end knows fails the
// case.
func cancelledDials(p *probe) {
	cfg := transport.Config{HandshakeTimeout: hasty.HandshakeTimeout, IdleTimeout: 2 * patience}
	a, b := p.host(cfg), p.host(cfg)
	l := p.listen(b)
	stop, stopAccepting := p.WithCancelCause(p.ctx)
	p.spawn(func() {
		for {
			if _, err := l.Accept(stop); err != nil {
				p.is(err, errOther, "Accept")
				return
			}
		}
	})
	dialled := 0
	for range 40 {
		ctx, cancel := p.WithCancelCause(p.ctx)
		timer := p.AfterFunc(time.Duration(p.Rand("transporttest").IntN(4000))*time.Microsecond, func() { cancel(errCause) })
		c, err := a.Dial(ctx, b.Addr, b.ID)
		timer.Stop()
		cancel(nil)
		if err != nil {
			p.is(err, errCause, "Dial")
			p.check(a.Stats() == transport.Stats{}, "a cancelled dial leaves %+v", a.Stats())
			continue
		}
		dialled++
		c.CloseWithError(0, "")
	}
	p.empty(a)
	p.empty(b)
	stopAccepting(errOther)
	p.join()
}

var admitCases = []testCase{
	{name: "who is refused gets ErrRefused, and nothing is kept of the attempt", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		asked := rt.NewQueue[bool](p, 64)
		l, err := b.Listen(transport.ListenConfig{Admit: func(addr transport.Addr, verified bool) transport.Verdict {
			p.check(addr == a.Addr, "Admit is asked about %v, not %v", addr, a.Addr)
			asked.TryPut(verified)
			return transport.Refuse
		}})
		p.must(err, "Listen")
		_, err = a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrRefused, "Dial")
		p.check(b.Stats() == transport.Stats{}, "a refused attempt leaves %+v", b.Stats())
		verified, ok := asked.TryGet()
		p.check(ok && !verified, "Admit was asked: %v, as verified: %v", ok, verified)
		p.is(l.Close(), nil, "Close of the listener")
	}},
	{name: "who is to be verified is asked about again, and then accepted", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		var unverified, verified atomic.Int64
		l, err := b.Listen(transport.ListenConfig{Admit: func(addr transport.Addr, is bool) transport.Verdict {
			p.check(addr == a.Addr, "Admit is asked about %v, not %v", addr, a.Addr)
			if is {
				verified.Add(1)
				return transport.Accept
			}
			unverified.Add(1)
			p.check(b.Stats() == transport.Stats{}, "an address that is not verified yet costs %+v", b.Stats())
			return transport.Verify
		}})
		p.must(err, "Listen")
		ca := p.dial(a, b)
		cb := p.accept(l)
		p.check(unverified.Load() > 0 && verified.Load() > 0, "asked %d times before and %d after the proof", unverified.Load(), verified.Load())
		p.echo(pair{a, b, ca, cb, l})
	}},
	{name: "who is verified may still be refused", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		_, err := b.Listen(transport.ListenConfig{Admit: func(_ transport.Addr, verified bool) transport.Verdict {
			if verified {
				return transport.Refuse
			}
			return transport.Verify
		}})
		p.must(err, "Listen")
		_, err = a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrRefused, "Dial")
		p.check(b.Stats() == transport.Stats{}, "a refused attempt leaves %+v", b.Stats())
	}},
	{name: "Admit decides for each attempt", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		var refuse atomic.Bool
		l, err := b.Listen(transport.ListenConfig{Admit: func(transport.Addr, bool) transport.Verdict {
			if refuse.Load() {
				return transport.Refuse
			}
			return transport.Accept
		}})
		p.must(err, "Listen")
		for range 5 {
			refuse.Store(false)
			p.dial(a, b)
			p.accept(l)
			refuse.Store(true)
			_, err := a.Dial(p.ctx, b.Addr, b.ID)
			p.is(err, transport.ErrRefused, "Dial")
		}
		p.check(a.Stats().Conns == 5 && b.Stats().Conns == 5, "a has %+v, b %+v", a.Stats(), b.Stats())
	}},
	{name: "over AcceptQueue the newcomer is refused, late, and those in the queue are not", f: func(p *probe) {
		cfg := transport.Config{AcceptQueue: 2}
		a, b := p.host(cfg), p.host(cfg)
		l := p.listen(b)
		var waiting []transport.Conn
		for i := range 2 {
			waiting = append(waiting, p.dial(a, b))
			p.eventually(func() bool { return b.Stats().Conns == i+1 }, "the other end has the connection")
		}
		for range 5 {
			c, err := a.Dial(p.ctx, b.Addr, b.ID)
			if err == nil {
				err = p.died(c)
			}
			p.is(err, transport.ErrRefused, "a dial too many")
		}
		for _, c := range waiting {
			p.echo(pair{a, b, c, p.accept(l), l})
		}
		p.check(!errors.Is(context.Cause(waiting[0].Context()), transport.ErrRefused), "one in the queue was refused")
		p.echo(pair{a, b, p.dial(a, b), p.accept(l), l})
	}},
}
