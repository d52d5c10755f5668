package transporttest

import (
	"context"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// timestep is enough for a task to begin to wait.
const timestep = time.Millisecond

var creditCases = []testCase{
	{name: "MaxStreams is how many the peer may have open", f: func(p *probe) {
		a, b := p.host(transport.Config{MaxStreams: 7}), p.host(transport.Config{MaxStreams: 3})
		l := p.listen(b)
		ca := p.dial(a, b)
		cb := p.accept(l)
		for range 3 {
			p.open(ca)
		}
		p.brief(func(ctx context.Context) error { _, err := ca.OpenStream(ctx); return err }, "OpenStream of a fourth")
		for range 7 {
			p.open(cb)
		}
		p.brief(func(ctx context.Context) error { _, err := cb.OpenStream(ctx); return err }, "OpenStream of an eighth")
	}},
	{name: "OpenStream waits for credit", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		sa, sb := p.streams(n)
		opened := rt.NewEvent(p)
		p.spawn(func() {
			s := p.open(n.ca)
			opened.Fire()
			s.Close()
		})
		p.sleep(while)
		p.check(!opened.Fired(), "a second stream was opened over the credit of one")
		sa.Close()
		sb.Close()
		p.join()
	}},
	{name: "OpenStream that waits ends with the cause of its context", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		p.streams(n)
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.sleep(timestep); cancel(errCause) })
		_, err := n.ca.OpenStream(ctx)
		p.is(err, errCause, "OpenStream")
		p.check(n.a.Stats().Streams == 1, "the host has %+v", n.a.Stats())
	}},
	{name: "Close gives the credit back after n bytes were read and no end was seen", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 2})
		for range 20 {
			sa := p.open(n.ca)
			p.write(sa, "call")
			sb := p.acceptStream(n.cb)
			p.read(sb, "call")
			p.write(sb, "reply")
			p.is(sb.Close(), nil, "Close")
			p.read(sa, "reply")
			p.is(sa.Close(), nil, "Close")
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "reading n bytes without the end, and no Close, keeps the credit", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		sa, sb := p.streams(n)
		p.must(sa.CloseWrite(), "CloseWrite")
		p.must(sb.CloseWrite(), "CloseWrite")
		p.readAll(sa, "")
		p.check(n.a.Stats().Streams == 0 && n.b.Stats().Streams == 1, "a has %+v, b %+v", n.a.Stats(), n.b.Stats())
		p.brief(func(ctx context.Context) error { _, err := n.ca.OpenStream(ctx); return err }, "OpenStream")
		p.is(sb.Close(), nil, "Close")
		p.open(n.ca)
	}},
	{name: "reading to the end gives it back", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		for range 10 {
			sa, sb := p.streams(n)
			p.must(sa.CloseWrite(), "CloseWrite")
			p.readAll(sb, "")
			p.must(sb.CloseWrite(), "CloseWrite")
			p.readAll(sa, "")
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "a stream that its opener reset keeps the credit until it is closed", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		for range 5 {
			sa := p.open(n.ca)
			sa.CancelWrite(1)
			sa.CancelRead(1)
			p.brief(func(ctx context.Context) error { _, err := n.ca.OpenStream(ctx); return err }, "OpenStream")
			p.is(p.acceptStream(n.cb).Close(), nil, "Close")
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "the peer's close ends OpenStream that waits", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 1})
		p.streams(n)
		for range 3 {
			p.spawn(func() {
				_, err := n.ca.OpenStream(p.ctx)
				p.isClose(err, transport.CloseError{Code: 7, Remote: true}, "OpenStream")
			})
		}
		p.sleep(timestep)
		n.cb.CloseWithError(7, "")
		p.join()
	}},
	{name: "a cancel that meets credit loses none", f: cancelMeetsCredit},
	{name: "many wait for little credit, and all get it", f: func(p *probe) {
		const tasks = 40
		n := p.connect(transport.Config{MaxStreams: 3})
		for range tasks {
			p.spawn(func() {
				s := p.open(n.ca)
				defer s.Close()
				p.write(s, "x")
				p.readAll(s, "y")
			})
		}
		for range tasks {
			s := p.acceptStream(n.cb)
			p.spawn(func() {
				defer s.Close()
				p.read(s, "x")
				p.check(n.b.Stats().Streams <= 3, "the host has %+v", n.b.Stats())
				p.write(s, "y")
			})
		}
		p.join()
		p.noStreams(n.a, n.b)
	}},
}

// cancelMeetsCredit ends the context of an OpenStream in the moment in which
// its credit arrives. Credit that is lost is missing in the next round.
func cancelMeetsCredit(p *probe) {
	n := p.connect(transport.Config{MaxStreams: 1})
	for range 60 {
		sa, sb := p.streams(n)
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() {
			s, err := n.ca.OpenStream(ctx)
			if err != nil {
				p.is(err, errCause, "OpenStream")
				return
			}
			p.write(s, "x")
			s.Close()
			p.is(p.acceptStream(n.cb).Close(), nil, "Close")
		})
		p.spawn(func() { p.jitter(); cancel(errCause) })
		sa.Close()
		p.jitter()
		sb.Close()
		p.join()
	}
	p.noStreams(n.a, n.b)
}
