package transporttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"time"

	"github.com/maculamesh/macula/transport"
)

var loadCases = []testCase{
	{name: "large transfers arrive intact, both ways at once", f: func(p *probe) {
		n := p.connect(transport.Config{})
		transfers(p, n, 3, 256<<10)
		p.noStreams(n.a, n.b)
	}},
	{name: "large transfers arrive intact over a slow link", needs: delay, f: func(p *probe) {
		n := p.connect(transport.Config{})
		p.Delay(3 * time.Millisecond)
		transfers(p, n, 2, 128<<10)
		p.noStreams(n.a, n.b)
	}},
	{name: "many small streams at once, over little credit", f: func(p *probe) {
		n := p.connect(transport.Config{MaxStreams: 8})
		calls(p, n, 200)
		p.noStreams(n.a, n.b)
	}},
	{name: "streams opened at once by many tasks come out once each", f: func(p *probe) {
		const streams = 50
		n := p.connect(transport.Config{})
		for i := range streams {
			p.spawn(func() {
				s := p.open(n.ca)
				defer s.Close()
				p.jitter()
				p.write(s, string([]byte{byte(i)}))
			})
		}
		var seen [streams]bool
		for range streams {
			s := p.acceptStream(n.cb)
			got, err := io.ReadAll(s)
			p.check(err == nil && len(got) == 1, "read %q, %v", got, err)
			if len(got) == 1 && int(got[0]) < streams {
				p.check(!seen[got[0]], "stream %d came out twice", got[0])
				seen[got[0]] = true
			}
			s.Close()
		}
		p.join()
		p.noStreams(n.a, n.b)
	}},
}

// transfers sends size bytes over each of some streams in each direction of
// each, opened by both ends.
func transfers(p *probe, n pair, streams, size int) {
	send := func(s transport.Stream, seed uint64) {
		data := append(binary.BigEndian.AppendUint64(nil, seed), pattern(seed, size)...)
		m, err := s.Write(data)
		p.check(m == len(data) && err == nil, "Write: %d of %d, %v", m, len(data), err)
		p.must(s.CloseWrite(), "CloseWrite")
	}
	receive := func(s transport.Stream) {
		got, err := io.ReadAll(s)
		p.must(err, "Read")
		if len(got) != size+8 {
			p.t.Errorf("%d bytes arrived, want %d", len(got), size+8)
			return
		}
		p.check(bytes.Equal(got[8:], pattern(binary.BigEndian.Uint64(got), size)), "what arrived is not what was sent")
	}
	for i, ends := range [][2]transport.Conn{{n.ca, n.cb}, {n.cb, n.ca}} {
		for k := range streams {
			s := p.open(ends[0])
			p.spawn(func() { send(s, uint64(100*i+10*k)) })
			p.spawn(func() { receive(s) })
			p.spawn(func() {
				s := p.acceptStream(ends[1])
				p.spawn(func() { send(s, uint64(100*i+10*k+1)) })
				receive(s)
			})
		}
	}
	p.join()
}

// calls makes that many requests with a stream each, all at once.
func calls(p *probe, n pair, count int) {
	for i := range count {
		p.spawn(func() {
			s := p.open(n.ca)
			defer s.Close()
			request := pattern(uint64(i), 100+i)
			m, err := s.Write(request)
			p.check(m == len(request) && err == nil, "Write: %d, %v", m, err)
			p.must(s.CloseWrite(), "CloseWrite")
			p.readAll(s, string(request))
		})
	}
	for range count {
		s := p.acceptStream(n.cb)
		p.spawn(func() {
			defer s.Close()
			got, err := io.ReadAll(s)
			p.must(err, "Read")
			p.write(s, string(got))
		})
	}
	p.join()
}
