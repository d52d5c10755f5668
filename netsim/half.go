package netsim

import (
	"github.com/maculamesh/macula/transport"
)

// half is one direction of a stream: what its writing end knows, what its
// reading end knows, and what is between them.
type half struct {
	buf  ring // from read to written
	lane lane // from arrived to sent

	// The writing end.
	written  int64 // taken from Write
	sent     int64 // of that; the rest waits for credit
	limit    int64 // how far it may write
	closed   bool  // FIN is sent, or buffered
	resetErr error // given up, here or by the peer's CancelRead
	flagged  bool  // the application knows of that
	acked    bool  // FIN or reset is acknowledged
	sentDone bool

	// The reading end.
	arrived  int64
	read     int64
	granted  int64 // the limit that the writing end was told
	final    bool  // FIN or reset has come: arrived is the end
	readErr  error // given up, here or by the peer's CancelWrite
	reset    bool  // by the latter
	canceled bool  // CancelRead was called
	eof      bool  // Read has returned io.EOF
	seen     bool  // Read has returned io.EOF or readErr
	readDone bool
}

// The values of kAck.
const (
	ackFIN int64 = iota
	ackReset
)

// openStream makes a stream that e opens. The peer does not hear of it.
func (n *Net) openStream(e *end, site uintptr) *streamEnd {
	s := &stream{c: e.c, id: e.opened, opener: e.side, single: n.at}
	e.opened++
	o := e.other()
	for side := range s.halves {
		h := &s.halves[side]
		window := int64(e.ep.cfg.StreamWindow)
		if uint8(side) == e.side {
			window = int64(o.ep.cfg.StreamWindow)
		}
		h.limit, h.granted = window, window
		s.ends[side].s, s.ends[side].side = s, uint8(side)
	}
	end := &s.ends[e.side]
	end.accepted, end.site = true, site
	e.addStream(end)
	end.count()
	e.unseen.push(s)
	return end
}

// openWaiting opens streams for those that wait, as far as the credit goes.
func (n *Net) openWaiting(e *end) {
	for e.opening.head != nil && e.opened < e.openLimit {
		w := e.opening.head
		w.stream = n.openStream(e, w.site)
		w.wake()
	}
}

// meet makes to know of s, and of every stream that was opened before it.
func (n *Net) meet(to *end, s *stream) {
	if s.opener == to.side || s.id < to.seen {
		return
	}
	from := to.other()
	for to.seen <= s.id {
		next := from.unseen.pop()
		to.seen++
		next.single = 0
		end := &next.ends[to.side]
		to.addStream(end)
		to.backlog.push(next)
	}
	for to.accepting.head != nil && to.backlog.head != nil {
		w := to.accepting.head
		w.stream = n.accept(to, w.site)
		w.wake()
	}
}

// accept takes the next stream for the application.
func (n *Net) accept(e *end, site uintptr) *streamEnd {
	s := e.backlog.pop()
	e.accepted++
	end := &s.ends[e.side]
	end.accepted, end.site = true, site
	end.count()
	return end
}

// creditStream lets the peer open another stream in place of one that is
// finished.
func (n *Net) creditStream(e *end) {
	e.finished++
	n.post(e, kMaxStreams, nil, e.finished+int64(e.ep.cfg.MaxStreams), nil)
}

func (e *end) addStream(s *streamEnd) {
	s.open = true
	s.next = e.streams
	if e.streams != nil {
		e.streams.prev = s
	}
	e.streams = s
	e.nstreams++
}

func (e *end) removeStream(s *streamEnd) {
	s.open = false
	if s.prev == nil {
		e.streams = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	e.nstreams--
	s.s.single = e.c.n.at
}

// abandon is the end of a stream whose connection has died at this end.
func (s *streamEnd) abandon() {
	s.conn().removeStream(s)
	s.uncount()
	s.queued, s.nextBlocked = false, nil
	in := s.in()
	s.s.c.n.bufs.put(in.buf)
	in.buf = nil
	in.read = in.written
	s.reader.wake()
	s.writer.wake()
}

// finish ends this end of the stream if both halves are finished here.
func (n *Net) finish(s *streamEnd) {
	e, in, out := s.conn(), s.in(), s.out()
	if e.state == ended {
		return
	}
	n.touch(e.c)
	if out.acked && (out.resetErr == nil || out.flagged) {
		out.sentDone = true
	}
	if !in.readDone && in.final && (in.canceled || in.seen) {
		in.readDone = true
		n.consume(e, in, in.arrived-in.read)
		n.bufs.put(in.buf)
		in.buf = nil
		n.grantConn(e)
	}
	if !s.open || !in.readDone || !out.sentDone {
		return
	}
	e.removeStream(s)
	if s.s.opener != s.side {
		n.creditStream(e)
	}
}

// consume takes k bytes that have arrived out of the windows.
func (n *Net) consume(e *end, h *half, k int64) {
	h.read += k
	e.consumed += k
	if h.read == h.written && len(h.buf) > keptRing {
		n.bufs.put(h.buf)
		h.buf = nil
	}
	n.touch(e.c)
}

// A window is told anew when a quarter of it is used up, as in quic-go.
const (
	windowNum = 3
	windowDen = 4
)

// grant gives credit for what was read back to the peer.
func (n *Net) grant(s *streamEnd) {
	e, h := s.conn(), s.in()
	if window := int64(e.ep.cfg.StreamWindow); !h.final && !h.canceled && h.granted-h.read <= window*windowNum/windowDen {
		h.granted = h.read + window
		n.post(e, kMaxStreamData, s.s, h.granted, nil)
	}
	n.grantConn(e)
}

func (n *Net) grantConn(e *end) {
	if window := int64(e.ep.cfg.ConnWindow); e.granted-e.consumed <= window*windowNum/windowDen {
		e.granted = e.consumed + window
		n.post(e, kMaxData, nil, e.granted, nil)
	}
}

// block puts s into the line for credit of the connection.
func (e *end) block(s *streamEnd) {
	if s.queued {
		return
	}
	s.queued = true
	if e.blocked == nil {
		e.blocked = s
	} else {
		e.blockedLast.nextBlocked = s
	}
	e.blockedLast = s
}

// unblock shares new credit of the connection among those that wait for it,
// a packet at a time.
func (n *Net) unblock(e *end) {
	for e.blocked != nil && e.sent < e.sendLimit {
		s := e.blocked
		e.blocked = s.nextBlocked
		s.queued, s.nextBlocked = false, nil
		n.pump(s, maxBuffered)
	}
}

// onData is the arrival of stream data up to an offset.
func (n *Net) onData(to *end, st *stream, h *half, upTo int64, fin bool) {
	n.meet(to, st)
	s := &st.ends[to.side]
	if h.final {
		return // a reset has overtaken it
	}
	to.arrived += upTo - h.arrived
	h.arrived = upTo
	if fin {
		h.final = true
		n.post(to, kAck, st, ackFIN, nil)
	}
	if h.canceled {
		n.consume(to, h, h.arrived-h.read)
		n.grantConn(to)
		n.finish(s)
		return
	}
	s.reader.wake()
}

// onReset is the arrival of the peer's RESET_STREAM.
func (n *Net) onReset(to *end, f *flight) {
	n.meet(to, f.s)
	s, h := &f.s.ends[to.side], &f.s.halves[1-to.side]
	n.post(to, kAck, f.s, ackReset, nil)
	if h.final {
		return // it answers our CancelRead, and the FIN came first
	}
	to.arrived += f.val - h.arrived
	h.arrived, h.final = f.val, true
	if !h.canceled && !h.seen {
		h.reset, h.readErr = true, f.err
	}
	n.consume(to, h, h.arrived-h.read)
	n.grantConn(to)
	n.finish(s)
	s.reader.wake()
}

// onStop is the arrival of the peer's STOP_SENDING.
func (n *Net) onStop(to *end, f *flight) {
	n.meet(to, f.s)
	s, h := &f.s.ends[to.side], &f.s.halves[to.side]
	if h.sentDone || h.resetErr != nil {
		return
	}
	code := transport.Code(f.val)
	h.resetErr = &transport.StreamError{Code: code, Remote: true}
	h.flagged = h.closed
	n.sendReset(to, s, code)
}

// onAck is the arrival of the acknowledgement of a FIN or a reset.
func (n *Net) onAck(to *end, f *flight) {
	s, h := &f.s.ends[to.side], &f.s.halves[to.side]
	if (f.val == ackReset) != (h.resetErr != nil) {
		return // of a FIN that a reset has followed
	}
	h.acked = true
	n.finish(s)
}
