package transporttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/transport"
)

// slack is what a Write may take over the window: the packet that it leaves to
// be sent later.
const slack = 2 << 10

var deadlineCases = []testCase{
	{name: "Read ends with its deadline, not before, and the stream lives on", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		d := p.Now().Add(20 * time.Millisecond)
		sb.SetReadDeadline(d)
		m, err := sb.Read(make([]byte, 1))
		p.check(m == 0 && err == os.ErrDeadlineExceeded, "Read: %d, %v", m, err)
		p.check(d.Reached(p.Now()), "it ended %v before its deadline", d.Sub(p.Now()))
		_, err = sb.Read(make([]byte, 1))
		p.is(err, os.ErrDeadlineExceeded, "Read again")
		p.check(n.b.Stats().Streams == 1, "the host has %+v", n.b.Stats())
		sb.SetReadDeadline(0)
		p.write(sa, "still there")
		p.read(sb, "still there")
	}},
	{name: "a deadline in the past ends Read at once, also with data there", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		p.write(sa, "data")
		sb.SetReadDeadline(1)
		p.sleep(while)
		m, err := sb.Read(make([]byte, 4))
		p.check(m == 0 && err == os.ErrDeadlineExceeded, "Read: %d, %v", m, err)
		sb.SetReadDeadline(p.Now().Add(time.Hour))
		p.read(sb, "data")
	}},
	{name: "a deadline that is set ends a Read that waits", f: func(p *probe) {
		n := p.connect(transport.Config{})
		_, sb := p.streams(n)
		p.spawn(func() {
			_, err := sb.Read(make([]byte, 1))
			p.is(err, os.ErrDeadlineExceeded, "Read")
		})
		p.sleep(timestep)
		sb.SetReadDeadline(p.Now())
		p.join()
	}},
	{name: "a deadline that is put off does not end a Read that waits", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		for _, d := range []time.Duration{time.Hour, 0} {
			sb.SetReadDeadline(p.Now().Add(50 * time.Millisecond))
			p.spawn(func() { p.read(sb, "x") })
			p.sleep(timestep)
			if d == 0 {
				sb.SetReadDeadline(0)
			} else {
				sb.SetReadDeadline(p.Now().Add(d))
			}
			p.sleep(70 * time.Millisecond)
			p.write(sa, "x")
			p.join()
		}
	}},
	{name: "a read deadline does not bound Write, nor the other way round", f: func(p *probe) {
		n := p.connect(transport.Config{})
		sa, sb := p.streams(n)
		sa.SetReadDeadline(1)
		sb.SetWriteDeadline(1)
		p.write(sa, "x")
		p.read(sb, "x")
		_, err := sb.Write([]byte("x"))
		p.is(err, os.ErrDeadlineExceeded, "Write")
	}},
	{name: "Write ends with its deadline, and says how much it took", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 8 << 10})
		sa, sb := p.streams(n)
		data := pattern(1, 64<<10)
		d := p.Now().Add(50 * time.Millisecond)
		sa.SetWriteDeadline(d)
		m, err := sa.Write(data)
		p.is(err, os.ErrDeadlineExceeded, "Write")
		p.check(d.Reached(p.Now()), "it ended %v before its deadline", d.Sub(p.Now()))
		p.check(m < len(data), "it took all")
		sa.SetWriteDeadline(0)
		p.spawn(func() {
			k, err := sa.Write(data[m:])
			p.check(k == len(data)-m && err == nil, "Write of the rest: %d of %d, %v", k, len(data)-m, err)
			p.must(sa.CloseWrite(), "CloseWrite")
		})
		got, err := io.ReadAll(sb)
		p.is(err, nil, "Read")
		p.check(bytes.Equal(got, data), "%d bytes arrived that are not the %d that were sent", len(got), len(data))
		p.join()
	}},
	{name: "a deadline that is set ends a Write that waits", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10})
		sa, _ := p.streams(n)
		p.spawn(func() {
			_, err := sa.Write(make([]byte, 64<<10))
			p.is(err, os.ErrDeadlineExceeded, "Write")
		})
		p.sleep(while)
		sa.SetWriteDeadline(p.Now())
		p.join()
	}},
}

var flowCases = []testCase{
	{name: "a Write over the stream's window waits for the reader", f: func(p *probe) {
		const window, total = 8 << 10, 64 << 10
		n := p.connect(transport.Config{StreamWindow: window})
		sa, sb := p.streams(n)
		taken := p.writer(sa, total)
		p.eventually(func() bool { return taken.Load() >= window-1 }, "the window is full")
		p.sleep(while)
		p.check(taken.Load() <= window+slack, "%d bytes were taken over a window of %d", taken.Load(), window)
		got, err := io.ReadAll(sb)
		p.is(err, nil, "Read")
		p.check(len(got) == total, "%d bytes arrived, want %d", len(got), total)
		p.join()
	}},
	{name: "the window stays as it is, however fast the reader is", f: func(p *probe) {
		const window, total = 8 << 10, 512 << 10
		n := p.connect(transport.Config{StreamWindow: window})
		sa, sb := p.streams(n)
		taken := p.writer(sa, total)
		_, err := io.CopyN(io.Discard, sb, total/2)
		p.is(err, nil, "Read")
		p.sleep(while)
		p.check(taken.Load() <= total/2+window+slack, "%d bytes were taken, %d read, over a window of %d", taken.Load(), total/2, window)
		_, err = io.Copy(io.Discard, sb)
		p.is(err, nil, "Read")
		p.join()
	}},
	{name: "a stream that nobody reads does not stop another one", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10, ConnWindow: 64 << 10})
		sa, _ := p.streams(n)
		taken := p.writer(sa, 64<<10)
		p.eventually(func() bool { return taken.Load() >= 4<<10-1 }, "the window is full")
		p.echo(n)
		sa.CancelWrite(0)
	}},
	{name: "the connection's window is shared: a stream that nobody reads stops the others", f: func(p *probe) {
		const window = 16 << 10
		n := p.connect(transport.Config{StreamWindow: window, ConnWindow: window})
		s1 := p.open(n.ca)
		took := p.writer(s1, window)
		p.eventually(func() bool { return took.Load() >= window-slack }, "the window is full")
		r1 := p.acceptStream(n.cb)
		s2 := p.open(n.ca)
		taken := p.writer(s2, window)
		p.sleep(while)
		p.check(taken.Load() <= slack, "%d bytes were taken over a window that another stream fills", taken.Load())
		p.spawn(func() { p.discard(r1, window) })
		p.discard(p.acceptStream(n.cb), window)
		p.join()
	}},
	{name: "Close gives the connection's window back", f: func(p *probe) {
		const window = 16 << 10
		n := p.connect(transport.Config{StreamWindow: window, ConnWindow: window})
		for range 4 {
			sa, sb := p.streams(n)
			p.spawn(func() {
				_, err := sa.Write(make([]byte, 2*window))
				p.isReset(err, transport.StreamError{Remote: true}, "Write")
				sa.Close()
			})
			p.sleep(timestep)
			sb.Close()
			p.join()
		}
		p.echo(n)
		p.noStreams(n.a, n.b)
	}},
	{name: "CloseWrite during a Write lets all of it pass", f: func(p *probe) {
		n := p.connect(transport.Config{StreamWindow: 4 << 10})
		sa, sb := p.streams(n)
		data := pattern(2, 64<<10)
		p.spawn(func() {
			m, err := sa.Write(data)
			p.check(m == len(data) && err == nil, "Write: %d, %v", m, err)
		})
		p.sleep(while)
		p.must(sa.CloseWrite(), "CloseWrite")
		got, err := io.ReadAll(sb)
		p.is(err, nil, "Read")
		p.check(bytes.Equal(got, data), "%d bytes arrived that are not the %d that were sent", len(got), len(data))
		p.join()
		sa.Close()
		sb.Close()
		p.noStreams(n.a, n.b)
	}},
}

// discard reads to the end, which must come after size bytes.
func (p *probe) discard(s transport.Stream, size int64) {
	n, err := io.Copy(io.Discard, s)
	p.check(n == size && err == nil, "read %d bytes, want %d: %v", n, size, err)
}

// writer starts a task that writes total bytes in small pieces and then a FIN,
// and returns how many were taken. A reset of this end is no failure.
func (p *probe) writer(s transport.Stream, total int) *atomic.Int64 {
	var taken atomic.Int64
	p.spawn(func() {
		piece := make([]byte, 512)
		for taken.Load() < int64(total) {
			m, err := s.Write(piece)
			taken.Add(int64(m))
			if err != nil {
				p.isReset(err, transport.StreamError{}, "Write")
				return
			}
		}
		p.must(s.CloseWrite(), "CloseWrite")
	})
	return &taken
}

// pattern returns size bytes that no other seed gives.
func pattern(seed uint64, size int) []byte {
	b := make([]byte, 0, size+sha256.Size)
	for i := uint64(0); len(b) < size; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), i))
		b = append(b, sum[:]...)
	}
	return b[:size]
}
