package netsim

import (
	"io"
	"os"

	"github.com/maculamesh/macula/transport"
)

// maxBuffered is what Write takes beyond the windows: one packet, as in
// quic-go.
const maxBuffered = 1452

// read takes what there is, or says that there is nothing to do but wait.
func (n *Net) read(s *streamEnd, p []byte) (k int, err error, wait bool) {
	e, h := s.conn(), s.in()
	switch {
	case h.eof:
		return 0, io.EOF, false
	case h.readErr != nil:
		h.seen = true
		s.endReading()
		n.finish(s)
		return 0, h.readErr, false
	case e.state == ended:
		return 0, e.cause, false
	case len(p) == 0:
		return 0, nil, false
	case s.readDeadline != 0 && s.readDeadline.Reached(e.ep.r.Now()):
		return 0, os.ErrDeadlineExceeded, false
	}
	k = int(min(h.arrived-h.read, int64(len(p))))
	if k > 0 && e.host.speed > 0 {
		k = n.ration(s, k)
	}
	if k > 0 {
		h.buf.get(h.read, p[:k])
		n.consume(e, h, int64(k))
	}
	if h.final && h.read == h.arrived {
		h.eof, h.seen = true, true
		s.endReading()
		n.finish(s)
		return k, io.EOF, false
	}
	if k > 0 {
		n.grant(s)
	}
	return k, nil, k == 0
}

// beginWrite lets as much of p go as can, or says why none does.
func (n *Net) beginWrite(s *streamEnd, p []byte) error {
	if s.writing {
		panic("netsim: two tasks write to one stream")
	}
	if err := n.writeErr(s); err != nil {
		return err
	}
	if len(p) > 0 {
		n.touch(s.s.c)
		s.writing, s.pending = true, p
		n.pump(s, maxWrite)
	}
	return nil
}

// written is how a Write of p stands: how much was taken, and whether there is
// more to wait for.
func (n *Net) written(s *streamEnd, p []byte) (done int, err error, wait bool) {
	if s.pending == nil {
		return len(p), nil, false
	}
	err = n.writeErr(s)
	return len(p) - len(s.pending), err, err == nil
}

func (n *Net) endWrite(s *streamEnd) {
	s.writing, s.pending = false, nil
	if s.finWanted {
		s.finWanted = false
		n.closeWrite(s)
	}
}

// writeErr is why nothing can be written now.
func (n *Net) writeErr(s *streamEnd) error {
	e, h := s.conn(), s.out()
	switch {
	case h.resetErr != nil:
		h.flagged = true
		s.endWriting()
		n.finish(s)
		return h.resetErr
	case h.closed, s.finWanted && !s.writing:
		return io.ErrClosedPipe
	case e.state == ended:
		return e.cause
	case s.writeDeadline != 0 && s.writeDeadline.Reached(e.ep.r.Now()):
		return os.ErrDeadlineExceeded
	}
	return nil
}

const maxWrite = 1<<63 - 1

// pump sends up to budget bytes of what was buffered and of what a Write
// brings, as far as the windows go, and the FIN after it. What then fits into
// the buffer ends the Write.
func (n *Net) pump(s *streamEnd, budget int64) {
	e, h := s.conn(), s.out()
	if h.resetErr != nil || e.state == ended {
		return
	}
	for budget > 0 {
		buffered, pending := h.written-h.sent, int64(len(s.pending))
		if buffered+pending == 0 {
			break
		}
		k := min(buffered+pending, budget, e.out.payload(), h.limit-h.sent, e.sendLimit-e.sent)
		if k <= 0 {
			break
		}
		if k > buffered {
			n.buffer(h, s, int(k-buffered))
		}
		h.sent += k
		e.sent += k
		budget -= k
		n.transmit(e, s.s, int(k), h.closed && h.sent == h.written)
	}
	if left := len(s.pending); left > 0 && h.written-h.sent+int64(left) <= maxBuffered {
		n.buffer(h, s, left)
	}
	if s.writing && len(s.pending) == 0 {
		s.pending = nil
		s.writer.wake()
	}
	if (h.sent < h.written || len(s.pending) > 0) && h.sent < h.limit {
		e.block(s)
	}
}

// buffer moves k bytes from the Write under way to the stream.
func (n *Net) buffer(h *half, s *streamEnd, k int) {
	h.buf = n.bufs.room(h.buf, h.read, h.written, k)
	h.buf.set(h.written, s.pending[:k])
	h.written += int64(k)
	s.pending = s.pending[k:]
}

// closeWrite sends the FIN, or lets the Write under way do it.
func (n *Net) closeWrite(s *streamEnd) error {
	e, h := s.conn(), s.out()
	switch {
	case h.resetErr != nil:
		h.flagged = true
		s.endWriting()
		n.finish(s)
		return h.resetErr
	case h.closed:
		return nil
	case e.state == ended:
		return e.cause
	case s.writing:
		s.finWanted = true
		return nil
	}
	h.closed = true
	s.endWriting()
	if h.sent == h.written {
		n.transmit(e, s.s, 0, true)
	}
	return nil
}

// cancelWrite gives up the writing half.
func (n *Net) cancelWrite(s *streamEnd, code transport.Code) {
	e, h := s.conn(), s.out()
	if e.state == ended || h.closed || h.flagged {
		return
	}
	h.flagged = true
	s.endWriting()
	first := h.resetErr == nil
	h.resetErr = &transport.StreamError{Code: code}
	if first {
		n.sendReset(e, s, code)
	}
	n.finish(s)
}

// sendReset gives up what has not arrived, and says so.
func (n *Net) sendReset(e *end, s *streamEnd, code transport.Code) {
	h := s.out()
	h.lane.clear()
	h.written = h.sent
	n.post(e, kReset, s.s, h.sent, &transport.StreamError{Code: code, Remote: true})
	s.writer.wake()
}

// cancelRead gives up the reading half.
func (n *Net) cancelRead(s *streamEnd, code transport.Code) {
	e, h := s.conn(), s.in()
	if h.canceled || e.state == ended {
		return
	}
	h.canceled = true
	s.endReading()
	if !h.seen && !h.reset {
		h.readErr = &transport.StreamError{Code: code}
		n.consume(e, h, h.arrived-h.read)
		if !h.final {
			n.post(e, kStop, s.s, int64(code), nil)
		}
		n.grantConn(e)
		s.reader.wake()
	}
	n.finish(s)
}

// count counts s as open from its user's point of view.
func (s *streamEnd) count() {
	s.counted = true
	s.conn().ep.stats.Streams++
}

func (s *streamEnd) uncount() {
	if s.counted {
		s.counted = false
		s.conn().ep.stats.Streams--
	}
}

func (s *streamEnd) endReading() {
	s.readEnded = true
	if s.writeEnded {
		s.uncount()
	}
}

func (s *streamEnd) endWriting() {
	s.writeEnded = true
	if s.readEnded {
		s.uncount()
	}
}
