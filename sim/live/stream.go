package live

import (
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// stream is a transport.Stream.
type stream struct {
	c     *conn
	inner transport.Stream
}

// rations is how many pieces a slow reader takes in a second.
const rations = 100

// Read implements transport.Stream.
func (s *stream) Read(p []byte) (n int, err error) {
	h := s.c.l.h
	if h.speed > 0 && len(p) > 0 {
		p = p[:min(int64(len(p)), max(h.speed/rations, 1))]
		if wait := time.Until(h.nextRead); wait > 0 {
			s.c.l.w().outside("Read", nil, func() { time.Sleep(wait) })
		}
	}
	err = s.c.wait("Read", nil, func() (err error) {
		n, err = s.inner.Read(p)
		return err
	})
	if h.speed > 0 {
		h.nextRead = later(h.nextRead, time.Now()).Add(carry(n, h.speed))
	}
	if n > 0 {
		h.n.burn(s.c, n)
	}
	return n, err
}

// Write implements transport.Stream.
func (s *stream) Write(p []byte) (n int, err error) {
	err = s.c.wait("Write", nil, func() (err error) {
		n, err = s.inner.Write(p)
		return err
	})
	return n, err
}

// CloseWrite implements transport.Stream.
func (s *stream) CloseWrite() error { return s.now(s.inner.CloseWrite) }

// Close implements transport.Stream.
func (s *stream) Close() error { return s.now(s.inner.Close) }

// now runs what does not wait, but for a dying task.
func (s *stream) now(f func() error) error {
	if s.c.l.w().deaf() {
		return nil
	}
	return s.c.fails(f())
}

// CancelRead implements transport.Stream.
func (s *stream) CancelRead(code transport.Code) {
	if !s.c.l.w().deaf() {
		s.inner.CancelRead(code)
	}
}

// CancelWrite implements transport.Stream.
func (s *stream) CancelWrite(code transport.Code) {
	if !s.c.l.w().deaf() {
		s.inner.CancelWrite(code)
	}
}

// SetReadDeadline implements transport.Stream.
func (s *stream) SetReadDeadline(d mono.Time) { s.c.deadline(s.inner.SetReadDeadline, d) }

// SetWriteDeadline implements transport.Stream.
func (s *stream) SetWriteDeadline(d mono.Time) { s.c.deadline(s.inner.SetWriteDeadline, d) }
