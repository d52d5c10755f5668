package transporttest

import (
	"context"
	"sync/atomic"

	"github.com/maculamesh/macula/transport"
)

var listenerCases = []testCase{
	{name: "Accept ends with the cause of its context", f: func(p *probe) {
		l := p.listen(p.host(transport.Config{}))
		_, err := l.Accept(p.ended())
		p.is(err, errCause, "Accept")
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.jitter(); cancel(errCause) })
		_, err = l.Accept(ctx)
		p.is(err, errCause, "Accept")
		p.brief(func(ctx context.Context) error { _, err := l.Accept(ctx); return err }, "Accept")
	}},
	{name: "Accept that gave up has lost no connection", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		l := p.listen(b)
		for range 10 {
			ctx, cancel := p.WithCancelCause(p.ctx)
			p.spawn(func() { p.jitter(); cancel(errCause) })
			p.spawn(func() { p.dial(a, b) })
			c, err := l.Accept(ctx)
			if err != nil {
				p.is(err, errCause, "Accept")
				c = p.accept(l)
			}
			p.keep(c)
			p.join()
		}
	}},
	{name: "several Accepts share the connections", f: func(p *probe) {
		const n = 8
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		l := p.listen(b)
		var accepted atomic.Int64
		for range n {
			p.spawn(func() { p.accept(l); accepted.Add(1) })
		}
		for range n {
			p.dial(a, b)
		}
		p.join()
		p.check(accepted.Load() == n, "%d of %d were accepted", accepted.Load(), n)
	}},
	{name: "after Close Accept returns ErrClosed, also one that waits", f: func(p *probe) {
		l := p.listen(p.host(transport.Config{}))
		p.spawn(func() {
			_, err := l.Accept(p.ctx)
			p.is(err, transport.ErrClosed, "Accept that waits")
		})
		p.sleep(while)
		p.is(l.Close(), nil, "Close")
		p.is(l.Close(), nil, "Close again")
		p.join()
		_, err := l.Accept(p.ctx)
		p.is(err, transport.ErrClosed, "Accept after Close")
	}},
	{name: "Close refuses those that wait for Accept", f: func(p *probe) {
		a, b := p.host(transport.Config{}), p.host(transport.Config{})
		l := p.listen(b)
		var conns []transport.Conn
		for i := range 3 {
			conns = append(conns, p.dial(a, b))
			p.eventually(func() bool { return b.Stats().Conns == i+1 }, "the other end has the connection")
		}
		p.is(l.Close(), nil, "Close")
		for _, c := range conns {
			p.is(p.died(c), transport.ErrRefused, "one that waited for Accept")
		}
		p.empty(a)
		p.empty(b)
	}},
	{name: "Close lets those live that were accepted", f: func(p *probe) {
		n := p.connect(transport.Config{})
		p.is(n.l.Close(), nil, "Close")
		p.echo(n)
		p.is(n.ca.Context().Err(), nil, "Context")
		p.noStreams(n.a, n.b)
	}},
	{name: "after Close nobody answers, until there is another listener", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		l := p.listen(b)
		p.is(l.Close(), nil, "Close")
		_, err := a.Dial(p.ctx, b.Addr, b.ID)
		p.is(err, transport.ErrHandshakeTimeout, "Dial")
		l = p.listen(b)
		p.echo(pair{a, b, p.dial(a, b), p.accept(l), l})
	}},
	{name: "there is one listener at a time", f: func(p *probe) {
		b := p.host(transport.Config{})
		p.listen(b)
		_, err := b.Listen(transport.ListenConfig{})
		p.check(err != nil, "a second Listen succeeded")
	}},
	{name: "Close meets handshakes and leaves nothing of them", f: func(p *probe) {
		a, b := p.host(hasty), p.host(hasty)
		for range 6 {
			l := p.listen(b)
			for range 3 {
				p.spawn(func() {
					c, err := a.Dial(p.ctx, b.Addr, b.ID)
					switch {
					case err == nil:
						p.is(p.died(c), transport.ErrRefused, "one that nobody accepted")
					default:
						p.check(isAny(err, transport.ErrRefused, transport.ErrHandshakeTimeout), "Dial: %v", err)
					}
				})
			}
			p.jitter()
			p.is(l.Close(), nil, "Close")
			p.join()
			p.check(a.Stats() == transport.Stats{}, "the dialler is left with %+v", a.Stats())
			p.empty(b)
		}
	}},
}
