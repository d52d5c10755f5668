package transporttest

import (
	"context"
	"fmt"
	"io"

	"github.com/maculamesh/macula/transport"
)

var streamCases = []testCase{
	{name: "each half ends by itself", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.check(n.a.Stats().Streams == 1 && n.b.Stats().Streams == 1, "a has %+v, b %+v", n.a.Stats(), n.b.Stats())
		p.write(sa, "question")
		p.must(sa.CloseWrite(), "CloseWrite")
		p.readAll(sb, "question")
		p.check(n.b.Stats().Streams == 1, "with one half open the host has %+v", n.b.Stats())
		p.write(sb, "answer, part one")
		p.read(sa, "answer, part one")
		p.write(sb, ", part two")
		p.must(sb.CloseWrite(), "CloseWrite")
		p.check(n.b.Stats().Streams == 0, "with both halves finished the host has %+v", n.b.Stats())
		p.readAll(sa, ", part two")
		p.check(n.a.Stats().Streams == 0, "with both halves finished the host has %+v", n.a.Stats())
		m, err := sa.Read(make([]byte, 1))
		p.check(m == 0 && err == io.EOF, "Read after the end: %d, %v", m, err)
		p.must(sa.CloseWrite(), "CloseWrite again")
		p.is(sa.Close(), nil, "Close of a finished stream")
	}},
	{name: "a FIN without data is an end", f: func(p *probe) {
		n := p.connect(transport.Config{})
		s := p.open(n.ca)
		p.must(s.CloseWrite(), "CloseWrite")
		p.readAll(p.acceptStream(n.cb), "")
	}},
	{name: "Write after CloseWrite fails and sends nothing", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.must(sa.CloseWrite(), "CloseWrite")
		m, err := sa.Write([]byte("x"))
		p.check(m == 0 && err != nil, "Write: %d, %v", m, err)
		p.readAll(sb, "")
	}},
	{name: "Close sends a FIN after the data", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 10 {
			s := p.open(n.ca)
			p.write(s, "data")
			p.is(s.Close(), nil, "Close")
			p.is(s.Close(), nil, "Close again")
			t := p.acceptStream(n.cb)
			p.readAll(t, "data")
			p.is(t.Close(), nil, "Close")
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "Close after CloseWrite leaves no error at the reader", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 30 {
			sa := p.open(n.ca)
			p.write(sa, "data")
			p.must(sa.CloseWrite(), "CloseWrite")
			p.is(sa.Close(), nil, "Close")
			sb := p.acceptStream(n.cb)
			p.readAll(sb, "data")
			p.is(sb.Close(), nil, "Close")
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "Close gives up what was not read, and the peer's Write hears of it", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.is(sb.Close(), nil, "Close")
		p.isReset(p.writeUntil(sa), transport.StreamError{Remote: true}, "Write")
		sa.Close()
		p.noStreams(n.a, n.b)
	}},
	{name: "Close of one end that the other one never touches ends both", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.is(sa.Close(), nil, "Close")
		p.is(sb.Close(), nil, "Close")
		p.noStreams(n.a, n.b)
	}},
	{name: "streams come out of Accept in the order of their opening", f: func(p *probe) {
		const streams = 10
		n := p.connect(transport.Config{})
		var opened []transport.Stream
		for range streams {
			opened = append(opened, p.open(n.ca))
		}
		for i := streams - 1; i >= 0; i-- {
			p.write(opened[i], fmt.Sprintf("%2d", i))
		}
		for i := range streams {
			p.read(p.acceptStream(n.cb), fmt.Sprintf("%2d", i))
		}
	}},
	{name: "a silent stream is unheard of until a later one is written, and then comes first", f: func(p *probe) {
		n := p.connect(transport.Config{})
		silent := p.open(n.ca)
		p.brief(func(ctx context.Context) error { _, err := n.cb.AcceptStream(ctx); return err }, "AcceptStream of a silent stream")
		later := p.open(n.ca)
		p.write(later, "later")
		first, second := p.acceptStream(n.cb), p.acceptStream(n.cb)
		p.read(second, "later")
		p.write(silent, "at last")
		p.read(first, "at last")
		for _, s := range []transport.Stream{silent, later, first, second} {
			s.Close()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "the acceptor may write first", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.write(sb, "hello")
		p.read(sa, "hello")
	}},
	{name: "an empty Write changes nothing", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.write(sa, "")
		p.write(sa, "x")
		p.read(sb, "x")
	}},
	{name: "one task reads while another one writes", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		for _, s := range []transport.Stream{sa, sb} {
			p.spawn(func() {
				for range 50 {
					p.write(s, "0123456789")
				}
				p.must(s.CloseWrite(), "CloseWrite")
			})
			p.spawn(func() {
				got, err := io.ReadAll(s)
				p.must(err, "Read")
				p.check(len(got) == 500, "read %d bytes, want 500", len(got))
			})
		}
		p.join()
		p.noStreams(n.a, n.b)
	}},
}

// writeUntil writes until there is an error, and returns that.
func (p *probe) writeUntil(s transport.Stream) error {
	for p.ctx.Err() == nil {
		if _, err := s.Write([]byte("x")); err != nil {
			return err
		}
		p.Yield()
		p.sleep(timestep)
	}
	return nil
}

var resetCases = []testCase{
	{name: "CancelWrite reaches Read with its code", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for _, code := range []transport.Code{0, 5, 1<<62 - 1} {
			sa, sb := p.streams(n)
			sa.CancelWrite(code)
			_, err := sb.Read(make([]byte, 1))
			p.isReset(err, transport.StreamError{Code: code, Remote: true}, "Read")
			_, err = sb.Read(make([]byte, 1))
			p.isReset(err, transport.StreamError{Code: code, Remote: true}, "Read again")
			p.write(sb, "the other half lives")
			p.read(sa, "the other half lives")
			sa.Close()
			sb.Close()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "CancelWrite ends a Read that waits", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.spawn(func() {
			_, err := sb.Read(make([]byte, 1))
			p.isReset(err, transport.StreamError{Code: 5, Remote: true}, "Read")
		})
		p.sleep(timestep)
		sa.CancelWrite(5)
		p.join()
	}},
	{name: "CancelRead reaches Write with its code", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for _, code := range []transport.Code{0, 5, 1<<62 - 1} {
			sa, sb := p.streams(n)
			sb.CancelRead(code)
			p.isReset(p.writeUntil(sa), transport.StreamError{Code: code, Remote: true}, "Write")
			_, err := sa.Write([]byte("x"))
			p.isReset(err, transport.StreamError{Code: code, Remote: true}, "Write again")
			p.write(sb, "the other half lives")
			p.read(sa, "the other half lives")
			sa.Close()
			sb.Close()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "CancelRead ends a Write that waits", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10})
		sa, sb := p.streams(n)
		p.spawn(func() {
			_, err := sa.Write(make([]byte, 64<<10))
			p.isReset(err, transport.StreamError{Code: 5, Remote: true}, "Write")
		})
		p.sleep(while)
		sb.CancelRead(5)
		p.join()
	}},
	{name: "what was given up here fails here", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, _ := p.streams(n)
		sa.CancelRead(5)
		sa.CancelRead(6)
		_, err := sa.Read(make([]byte, 1))
		p.isReset(err, transport.StreamError{Code: 5}, "Read")
		sa.CancelWrite(7)
		sa.CancelWrite(8)
		_, err = sa.Write([]byte("x"))
		p.isReset(err, transport.StreamError{Code: 7}, "Write")
		p.isReset(sa.CloseWrite(), transport.StreamError{Code: 7}, "CloseWrite")
		p.check(n.a.Stats().Streams == 0, "with both halves given up the host has %+v", n.a.Stats())
	}},
	{name: "giving up here ends what waits here", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10})
		sa, _ := p.streams(n)
		p.spawn(func() {
			_, err := sa.Read(make([]byte, 1))
			p.isReset(err, transport.StreamError{Code: 5}, "Read")
		})
		p.spawn(func() {
			_, err := sa.Write(make([]byte, 64<<10))
			p.isReset(err, transport.StreamError{Code: 6}, "Write")
		})
		p.sleep(while)
		sa.CancelRead(5)
		sa.CancelWrite(6)
		p.join()
	}},
	{name: "Close does not block, and ends what waits", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10})
		sa, sb := p.streams(n)
		p.spawn(func() {
			_, err := sa.Read(make([]byte, 1))
			p.check(err != nil, "Read that waited succeeded")
		})
		p.spawn(func() {
			m, err := sa.Write(make([]byte, 64<<10))
			p.check(err != nil && m < 64<<10, "Write that waited: %d, %v", m, err)
		})
		p.sleep(while)
		p.is(sa.Close(), nil, "Close")
		p.join()
		sb.Close()
		p.noStreams(n.a, n.b)
	}},
	{name: "a stream that its opener reset still comes out of Accept", f: func(p *probe) {
		n := p.connect(transport.Config{})
		silent := p.open(n.ca)
		silent.CancelWrite(5)
		silent.Close()
		written := p.open(n.ca)
		p.write(written, "never read")
		written.CancelWrite(6)
		written.Close()
		last := p.open(n.ca)
		p.write(last, "last")
		last.Close()
		for _, code := range []transport.Code{5, 6} {
			s := p.acceptStream(n.cb)
			_, err := io.ReadAll(s)
			p.isReset(err, transport.StreamError{Code: code, Remote: true}, "Read")
			s.Close()
		}
		s := p.acceptStream(n.cb)
		p.readAll(s, "last")
		s.Close()
		p.noStreams(n.a, n.b)
	}},
	{name: "CancelWrite after CloseWrite changes nothing", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 20 {
			sa, sb := p.streams(n)
			p.write(sa, "all of it")
			p.must(sa.CloseWrite(), "CloseWrite")
			sa.CancelWrite(5)
			p.readAll(sb, "all of it")
			sa.Close()
			sb.Close()
		}
		p.noStreams(n.a, n.b)
	}},
	{name: "CloseWrite says that the peer gave up", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		sb.CancelRead(5)
		p.isReset(p.writeUntil(sa), transport.StreamError{Code: 5, Remote: true}, "Write")
		p.isReset(sa.CloseWrite(), transport.StreamError{Code: 5, Remote: true}, "CloseWrite")
		sa.Close()
		sb.Close()
		p.noStreams(n.a, n.b)
	}},
	{name: "both ends may give up at once", f: func(p *probe) {
		n := p.connect(transport.Config{})
		for range 20 {
			sa, sb := p.streams(n)
			for _, s := range []transport.Stream{sa, sb} {
				p.spawn(func() { p.jitter(); s.CancelWrite(1); s.Close() })
				p.spawn(func() { p.jitter(); s.CancelRead(2) })
			}
			p.join()
		}
		p.noStreams(n.a, n.b)
	}},
}
