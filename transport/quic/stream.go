package quic

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// stream is a transport.Stream. It keeps the state of both halves as their
// user sees it: quic-go's own is about what was sent and acknowledged.
type stream struct {
	c *conn
	q *quic.Stream

	mu       sync.Mutex
	readEnd  error // why there is nothing more to read; nil is open
	writeEnd error // what a further Write returns; nil is open
	writing  int   // calls of Write under way
	fin      bool  // CloseWrite was called during a Write, which sends the FIN
}

func newStream(c *conn, q *quic.Stream) *stream {
	c.t.books.openStream(c)
	return &stream{c: c, q: q}
}

// Read reads what has arrived, and waits while there is nothing.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.q.Read(p)
	if err == nil {
		return n, nil
	}
	return n, s.readError(err)
}

func (s *stream) readError(err error) error {
	if err == io.EOF {
		s.endRead(err)
		return err
	}
	var reset *quic.StreamError
	switch {
	case errors.As(err, &reset):
		err := streamError(reset)
		s.endRead(err)
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return s.c.die(err)
}

// Write writes all of p. It returns when at most one packet of it is still to
// be sent. After CloseWrite or Close it fails with io.ErrClosedPipe.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if err := s.writeEnd; err != nil || s.fin {
		s.mu.Unlock()
		if err == nil {
			err = io.ErrClosedPipe
		}
		return 0, err
	}
	s.writing++
	s.mu.Unlock()

	n, err := s.q.Write(p)
	if err != nil {
		err = s.writeError(err)
	}

	s.mu.Lock()
	s.writing--
	fin := s.fin && s.writing == 0 && s.writeEnd == nil
	if fin {
		s.endWriteLocked(io.ErrClosedPipe)
	}
	s.mu.Unlock()
	if fin {
		s.q.Close()
	}
	return n, err
}

func (s *stream) writeError(err error) error {
	var reset *quic.StreamError
	switch {
	case errors.As(err, &reset):
		err := streamError(reset)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endWriteLocked(err)
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, quic.ErrStreamClosed):
		return io.ErrClosedPipe
	}
	return s.c.die(err)
}

// CloseWrite sends a FIN after all data. While a Write is under way it is that
// one which sends it. It does not block. It fails with a *StreamError when the
// half was given up by either side, and with the connection's cause.
func (s *stream) CloseWrite() error {
	s.mu.Lock()
	if err := s.writeEnd; err != nil {
		s.mu.Unlock()
		if err == io.ErrClosedPipe {
			return nil
		}
		return err
	}
	if s.writing > 0 {
		s.fin = true
		s.mu.Unlock()
		return nil
	}
	s.endWriteLocked(io.ErrClosedPipe)
	s.mu.Unlock()
	return s.finish()
}

// finish sends the FIN of a half that nobody writes to any more.
func (s *stream) finish() error {
	if s.q.Close() != nil {
		var reset *quic.StreamError
		if errors.As(context.Cause(s.q.Context()), &reset) {
			return streamError(reset)
		}
	}
	if s.c.ctx.Err() != nil {
		return context.Cause(s.c.ctx)
	}
	return nil
}

// CancelRead gives up the reading half. It does not block.
func (s *stream) CancelRead(code transport.Code) {
	if s.endRead(&transport.StreamError{Code: wireCode(code)}) {
		s.q.CancelRead(quic.StreamErrorCode(code))
	}
}

// CancelWrite gives up the writing half. It does not block.
func (s *stream) CancelWrite(code transport.Code) {
	s.mu.Lock()
	ended := s.endWriteLocked(&transport.StreamError{Code: wireCode(code)})
	s.mu.Unlock()
	if ended {
		s.q.CancelWrite(quic.StreamErrorCode(code))
	}
}

// Close ends both halves. What a Write under way has not sent is given up, as
// it could wait for the peer. The error is always nil.
func (s *stream) Close() error {
	s.mu.Lock()
	writing := s.writing > 0
	ended := s.endWriteLocked(io.ErrClosedPipe)
	s.mu.Unlock()
	switch {
	case ended && writing:
		s.q.CancelWrite(0)
	case ended:
		s.finish()
	}
	s.CancelRead(0)
	return nil
}

// SetReadDeadline bounds Read.
func (s *stream) SetReadDeadline(d mono.Time) { s.q.SetReadDeadline(s.c.t.systemTime(d)) }

// SetWriteDeadline bounds Write.
func (s *stream) SetWriteDeadline(d mono.Time) { s.q.SetWriteDeadline(s.c.t.systemTime(d)) }

// endRead ends the reading half and reports whether it was open.
func (s *stream) endRead(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readEnd != nil {
		return false
	}
	s.readEnd = err
	if s.writeEnd != nil {
		s.c.t.books.endStream(s.c)
	}
	return true
}

// endWriteLocked ends the writing half and reports whether it was open. Called
// with mu held.
func (s *stream) endWriteLocked(err error) bool {
	if s.writeEnd != nil {
		return false
	}
	s.writeEnd = err
	if s.readEnd != nil {
		s.c.t.books.endStream(s.c)
	}
	return true
}

func streamError(err *quic.StreamError) error {
	return &transport.StreamError{Code: transport.Code(err.ErrorCode), Remote: err.Remote}
}

// systemTime is d on the system clock, which quic-go lives by.
func (t *Transport) systemTime(d mono.Time) time.Time {
	now := t.cfg.Clock.Now()
	switch {
	case d.IsZero():
		return time.Time{}
	case d.Reached(now):
		return time.Unix(1, 0)
	}
	return time.Now().Add(d.Sub(now))
}
