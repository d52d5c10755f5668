// Package rawquic is the upper bound that calls over QUIC are measured
// against: requests and answers as frames on one stream of quic-go, without
// names, deadlines, limits or anything else that a node adds. It is for
// benchmarks and not part of a node.
package rawquic

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/quic-go/quic-go"
)

// MaxBody is the longest request that Call takes, in bytes.
const MaxBody = 1 << 16

// headerSize is that of a frame: the length of the body and the number of the
// caller, 4 bytes each.
const headerSize = 8

// Loop is a client and a server that answers every request with its own body,
// both in this process, with one connection and one stream between them.
type Loop struct {
	server, client *quic.Transport
	sockets        [2]*net.UDPConn
	conns          [2]*quic.Conn
	writers        [2]*writer
	wg             sync.WaitGroup

	mu    sync.Mutex
	slots []*slot // every one that was ever needed, by number
	free  []*slot
	err   error // why there are no more answers
}

// slot is a caller that waits for its answer.
type slot struct {
	number uint32
	buf    []byte        // what the answer is copied to
	done   chan struct{} // one item when it has been
	err    error
}

// New connects a client and a server over UDP on loopback.
func New() (*Loop, error) {
	l := &Loop{}
	ends, err := l.connect()
	if err != nil {
		l.Close()
		return nil, err
	}
	for i, s := range ends {
		l.writers[i] = newWriter(s)
		l.wg.Go(l.writers[i].run)
	}
	l.wg.Go(func() {
		read(ends[0], l.answer)
		l.conns[0].CloseWithError(0, "")
	})
	l.wg.Go(func() {
		l.fail(read(ends[1], l.dispatch))
	})
	return l, nil
}

// Call sends a request and waits for the answer, which it appends to dst. At
// most MaxBody bytes. It is safe for concurrent use.
func (l *Loop) Call(dst, request []byte) ([]byte, error) {
	if len(request) > MaxBody {
		return dst, errors.New("rawquic: the request is too long")
	}
	s, err := l.slot()
	if err != nil {
		return dst, err
	}
	s.buf = dst
	if err := l.writers[1].add(s.number, request); err != nil {
		return dst, err
	}
	<-s.done
	dst, err = s.buf, s.err
	l.mu.Lock()
	l.free = append(l.free, s)
	l.mu.Unlock()
	return dst, err
}

// Close ends both sides and waits for them. Calls under way fail.
func (l *Loop) Close() error {
	for _, c := range l.conns {
		if c != nil {
			c.CloseWithError(0, "")
		}
	}
	for _, w := range l.writers {
		if w != nil {
			w.close()
		}
	}
	for _, t := range []*quic.Transport{l.client, l.server} {
		if t != nil {
			t.Close()
		}
	}
	for _, s := range l.sockets {
		if s != nil {
			s.Close()
		}
	}
	l.wg.Wait()
	return nil
}

// slot takes a free one or makes one.
func (l *Loop) slot() (*slot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	if n := len(l.free); n > 0 {
		s := l.free[n-1]
		l.free = l.free[:n-1]
		return s, nil
	}
	s := &slot{number: uint32(len(l.slots)), done: make(chan struct{}, 1)}
	l.slots = append(l.slots, s)
	return s, nil
}

// answer is what the server does with a frame.
func (l *Loop) answer(number uint32, body []byte) error { return l.writers[0].add(number, body) }

// dispatch gives an answer to its caller.
func (l *Loop) dispatch(number uint32, body []byte) error {
	l.mu.Lock()
	if int(number) >= len(l.slots) {
		l.mu.Unlock()
		return errors.New("rawquic: an answer to nobody")
	}
	s := l.slots[number]
	l.mu.Unlock()
	s.buf = append(s.buf, body...)
	s.done <- struct{}{}
	return nil
}

// fail ends every call.
func (l *Loop) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, s := range l.slots {
		s.err = err
		select {
		case s.done <- struct{}{}:
		default:
		}
	}
}

// read takes frames off a stream until one of it and f fails.
func read(s io.Reader, f func(number uint32, body []byte) error) error {
	buf := make([]byte, 2*(headerSize+MaxBody))
	have := 0
	for {
		n, err := s.Read(buf[have:])
		have += n
		rest := buf[:have]
		for len(rest) >= headerSize {
			size := headerSize + int(binary.BigEndian.Uint32(rest))
			if size > headerSize+MaxBody {
				return errors.New("rawquic: a frame is too long")
			}
			if len(rest) < size {
				break
			}
			if err := f(binary.BigEndian.Uint32(rest[4:]), rest[headerSize:size]); err != nil {
				return err
			}
			rest = rest[size:]
		}
		have = copy(buf, rest)
		if err != nil {
			return err
		}
	}
}

// connect returns the server's end of the stream and the client's.
func (l *Loop) connect() ([2]*quic.Stream, error) {
	var ends [2]*quic.Stream
	for i := range l.sockets {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return ends, err
		}
		l.sockets[i] = udp
	}
	l.server, l.client = &quic.Transport{Conn: l.sockets[0]}, &quic.Transport{Conn: l.sockets[1]}
	conf, err := tlsConfig()
	if err != nil {
		return ends, err
	}
	listener, err := l.server.Listen(conf, nil)
	if err != nil {
		return ends, err
	}
	ctx := context.Background()
	if l.conns[1], err = l.client.Dial(ctx, l.sockets[0].LocalAddr(), conf, nil); err != nil {
		return ends, err
	}
	if l.conns[0], err = listener.Accept(ctx); err != nil {
		return ends, err
	}
	if ends[1], err = l.conns[1].OpenStreamSync(ctx); err != nil {
		return ends, err
	}
	// The server hears of the stream with its first byte.
	if _, err := ends[1].Write([]byte{0}); err != nil {
		return ends, err
	}
	if ends[0], err = l.conns[0].AcceptStream(ctx); err != nil {
		return ends, err
	}
	_, err = io.ReadFull(ends[0], make([]byte, 1))
	return ends, err
}
