package netsim

import (
	"context"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// stream is a stream with both of its ends and both of its directions.
type stream struct {
	c      *conn
	id     int64 // counted from zero for each opener
	opener uint8 // the side that opened it
	next   *stream
	halves [2]half // by the side that writes
	ends   [2]streamEnd
	single mono.Time // since when only one end has state for it
}

// streamList is a queue of streams, linked through next.
type streamList struct{ head, tail *stream }

func (l *streamList) push(s *stream) {
	s.next = nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

func (l *streamList) pop() *stream {
	s := l.head
	l.head = s.next
	if l.head == nil {
		l.tail = nil
	}
	s.next = nil
	return s
}

// streamEnd is one end of a stream; it implements transport.Stream.
type streamEnd struct {
	s        *stream
	side     uint8
	open     bool // this end has state: a half of it is not finished
	accepted bool // the application has it
	site     uintptr

	prev, next    *streamEnd // in the end of the connection
	nextBlocked   *streamEnd
	queued        bool // waits for credit of the connection
	counted       bool // its user has ended one half at most
	readEnded     bool // its user has seen the end of the reading half, or made it
	writeEnded    bool
	rationed      bool   // it will be woken to read on
	writing       bool   // a Write is under way
	pending       []byte // what it has not got rid of
	finWanted     bool   // by a CloseWrite during it: it sends the FIN at its end
	readDeadline  mono.Time
	writeDeadline mono.Time
	reader        *slot
	writer        *slot
}

func (s *streamEnd) conn() *end { return &s.s.c.ends[s.side] }

func (s *streamEnd) other() *streamEnd { return &s.s.ends[1-s.side] }

func (s *streamEnd) out() *half { return &s.s.halves[s.side] }

func (s *streamEnd) in() *half { return &s.s.halves[1-s.side] }

// OpenStream implements transport.Conn.
func (e *end) OpenStream(ctx context.Context) (transport.Stream, error) {
	site := caller()
	n := e.c.n
	n.lock()
	if e.state == ended {
		n.unlock()
		return nil, e.cause
	}
	if ctx.Err() != nil {
		n.unlock()
		return nil, context.Cause(ctx)
	}
	if e.opening.head == nil && e.opened < e.openLimit {
		s := n.openStream(e, site)
		n.unlock()
		return s, nil
	}
	w := e.ep.newWaiter()
	w.site = site
	e.opening.add(w)
	n.unlock()
	s, _, err := e.ep.wait(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// AcceptStream implements transport.Conn.
func (e *end) AcceptStream(ctx context.Context) (transport.Stream, error) {
	site := caller()
	n := e.c.n
	n.lock()
	if e.state == ended {
		n.unlock()
		return nil, e.cause
	}
	if e.backlog.head != nil {
		s := n.accept(e, site)
		n.unlock()
		return s, nil
	}
	w := e.ep.newWaiter()
	w.site = site
	e.accepting.add(w)
	n.unlock()
	s, _, err := e.ep.wait(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Read implements transport.Stream.
func (s *streamEnd) Read(p []byte) (int, error) {
	n := s.s.c.n
	for {
		n.lock()
		k, err, wait := n.read(s, p)
		if !wait {
			n.unlock()
			return k, err
		}
		deadline := s.readDeadline
		sl := s.conn().ep.begin(&s.reader, deadline)
		n.unlock()
		sl.park(deadline)
	}
}

// Write implements transport.Stream. Like quic-go's it returns when at most one
// packet of p is still to be sent. After CloseWrite or Close it fails with
// io.ErrClosedPipe.
func (s *streamEnd) Write(p []byte) (int, error) {
	n := s.s.c.n
	n.lock()
	if err := n.beginWrite(s, p); err != nil || len(p) == 0 {
		n.unlock()
		return 0, err
	}
	for {
		if done, err, wait := n.written(s, p); !wait {
			n.endWrite(s)
			n.unlock()
			return done, err
		}
		deadline := s.writeDeadline
		sl := s.conn().ep.begin(&s.writer, deadline)
		n.unlock()
		sl.park(deadline)
		n.lock()
	}
}

// CloseWrite implements transport.Stream.
func (s *streamEnd) CloseWrite() error {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	return n.closeWrite(s)
}

// CancelRead implements transport.Stream.
func (s *streamEnd) CancelRead(code transport.Code) {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	n.cancelRead(s, code)
}

// CancelWrite implements transport.Stream.
func (s *streamEnd) CancelWrite(code transport.Code) {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	n.cancelWrite(s, code)
}

// Close implements transport.Stream. What a Write under way has not sent is
// given up, as it could wait for the peer.
func (s *streamEnd) Close() error {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	if out := s.out(); s.writing || out.resetErr != nil {
		n.cancelWrite(s, 0)
	} else {
		n.closeWrite(s)
	}
	if !s.in().seen {
		n.cancelRead(s, 0)
	}
	return nil
}

// SetReadDeadline implements transport.Stream.
func (s *streamEnd) SetReadDeadline(d mono.Time) {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	s.readDeadline = d
	s.reader.wake()
}

// SetWriteDeadline implements transport.Stream.
func (s *streamEnd) SetWriteDeadline(d mono.Time) {
	n := s.s.c.n
	n.lock()
	defer n.unlock()
	s.writeDeadline = d
	s.writer.wake()
}
