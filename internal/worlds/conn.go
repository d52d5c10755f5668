package worlds

import (
	"net"
	"sync"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Conn is a stream as a net.Conn, so that suites for that can be run over it.
// Where the two differ, a stream has less: one task may read and one write, and
// deadlines are instants of a runtime.
type Conn struct {
	s             transport.Stream
	clock         rt.Clock
	local, remote transport.Addr

	reading, writing sync.Mutex // held during a call

	mu     sync.Mutex
	closed bool
}

var _ net.Conn = (*Conn)(nil)

// NewConn returns a stream as a net.Conn. The clock is that of its transport.
func NewConn(clock rt.Clock, s transport.Stream, local, remote transport.Addr) *Conn {
	return &Conn{s: s, clock: clock, local: local, remote: remote}
}

// Read implements net.Conn. Of several calls one waits for the other.
func (c *Conn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	n, err := c.s.Read(b)
	return n, c.failed(err)
}

// Write implements net.Conn. Of several calls one waits for the other.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.s.Write(b)
	return n, c.failed(err)
}

// failed is net.ErrClosed for whatever fails after Close.
func (c *Conn) failed(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.closed {
		return net.ErrClosed
	}
	return err
}

// Close ends both halves. A Read or Write that waits fails.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	return c.s.Close()
}

// CloseWrite ends the writing half, as that of a net.TCPConn does.
func (c *Conn) CloseWrite() error { return c.s.CloseWrite() }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.remote) }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.s.SetReadDeadline(c.instant(t))
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.s.SetWriteDeadline(c.instant(t))
	return nil
}

// instant is t on the clock of the stream.
func (c *Conn) instant(t time.Time) mono.Time {
	if t.IsZero() {
		return 0
	}
	return c.clock.Now().Add(max(time.Until(t), 0))
}
