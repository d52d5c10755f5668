package netsim

import (
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// controlSize is what a packet counts in bytes beside stream data, headers
// and protection included.
const controlSize = 64

// flight is a packet on its way, or an alarm. Flights and their timers are
// used again: a delivery allocates nothing.
type flight struct {
	n     *Net
	next  *flight // in the free list, or of those that wait for the link to heal
	timer rt.Timer
	fire  func()
	at    mono.Time
	armed bool
	held  bool // has come to the end of a link that is held

	seq   uint64    // among all that was sent
	sent  mono.Time // first
	again bool      // found no room: at is when it is tried again

	kind Kind
	side uint8 // of the end that sent it, or that it is an alarm of
	c    *conn
	s    *stream
	val  int64
	err  error
	data []byte // of a datagram
}

func (n *Net) newFlight(k Kind, e *end, s *stream, val int64) *flight {
	f := n.flights
	if f == nil {
		f = &flight{n: n}
		f.fire = f.run
		n.made = append(n.made, f)
	} else {
		n.flights = f.next
		f.next = nil
	}
	f.kind, f.side, f.c, f.s, f.val = k, e.side, e.c, s, val
	f.sent, f.seq = n.at, n.nextSeq()
	return f
}

// release puts a flight that is not armed back into the free list.
func (n *Net) release(f *flight) {
	f.c, f.s, f.err, f.data, f.held, f.again = nil, nil, nil, nil, false, false
	f.next = n.flights
	n.flights = f
}

// arm lets the flight run at the given time.
func (f *flight) arm(at mono.Time) {
	f.at, f.armed = at, true
	d := at.Sub(f.n.at)
	switch {
	case f.timer != nil:
		f.timer.Reset(d)
	case f.n.in != nil:
		f.timer = f.n.in.AfterInline(d, f.fire)
	default:
		f.timer = f.n.r.AfterFunc(d, f.fire)
	}
}

// disarm takes an armed alarm back and frees it.
func (f *flight) disarm() {
	f.armed = false
	f.timer.Stop()
	f.n.release(f)
}

// run is called by the timer. One that was stopped too late can call it for a
// flight that is free, or in use again and not due.
func (f *flight) run() {
	n := f.n
	n.lock()
	defer n.unlock()
	if !f.armed || n.at < f.at {
		return
	}
	f.armed = false
	n.touch(f.c)
	switch f.kind {
	case kData:
		n.runLane(f)
		return
	case kHandshakeTimeout:
		n.handshakeTimeout(f)
	case kIdle:
		n.idle(f)
		return
	case kRead:
		n.readOn(f)
	case kKill:
		n.die(&f.c.ends[0], ErrKilled)
		n.die(&f.c.ends[1], ErrKilled)
	default:
		if !n.through(f) {
			return
		}
		n.arrive(f)
	}
	n.release(f)
}

// through reports whether a control packet comes out of its link now. If not
// it is taken care of.
func (n *Net) through(f *flight) bool {
	e := &f.c.ends[f.side]
	switch {
	case e.cut():
		n.lose(e, f)
	case f.again && !e.alive():
		n.release(f)
	case f.again:
		n.sendControl(e, f, 0)
	case e.out.holds:
		f.held = true
	default:
		return true
	}
	return false
}

// post sends a control packet from e.
func (n *Net) post(e *end, k Kind, s *stream, val int64, err error) {
	f := n.newFlight(k, e, s, val)
	f.err = err
	if k != kAck {
		e.sends()
	}
	if e.cut() {
		n.lose(e, f)
		return
	}
	n.sendControl(e, f, 0)
}

// lose is what happens to a packet on a cut link: it is sent again after the
// heal, if there is somebody left to do it. A datagram is not.
func (n *Net) lose(e *end, f *flight) {
	n.drop(f.packet(), 1)
	f.again = false
	if !e.alive() || f.kind == kDatagram {
		n.release(f)
		return
	}
	f.next = e.stalled
	e.stalled = f
}

// drop tells the Recorder of a packet that was lost so many times.
func (n *Net) drop(p *Packet, times int) {
	if n.rec == nil {
		return
	}
	for range times {
		n.rec.Dropped(p)
	}
}

// resume sends again what e could not get through a cut link, in the order in
// which it was tried.
func (n *Net) resume(e *end) {
	var list *flight
	for f := e.stalled; f != nil; {
		next := f.next
		f.next = list
		list, f = f, next
	}
	e.stalled = nil
	for f := list; f != nil; {
		next := f.next
		f.next = nil
		if f.kind == kData {
			f.arm(n.resumeLane(e, f))
		} else {
			n.sendControl(e, f, e.out.retransmit())
		}
		f = next
	}
}

// discard forgets what e has not got through.
func (n *Net) discard(e *end) {
	for f := e.stalled; f != nil; {
		next := f.next
		if f.kind == kData {
			l := &f.s.halves[f.side].lane
			l.clear()
			l.flight = nil
		}
		n.release(f)
		f = next
	}
	e.stalled = nil
}

// arrive is the arrival of a packet other than stream data.
func (n *Net) arrive(f *flight) {
	from, to := &f.c.ends[f.side], &f.c.ends[1-f.side]
	if f.kind == kInitial {
		n.initial(f)
		return
	}
	if to.deaf() {
		return
	}
	if n.rec != nil {
		n.rec.Delivered(f.packet())
	}
	n.hears(from, to, f.kind, f.sent)
	switch f.kind {
	case kReset:
		n.onReset(to, f)
	case kStop:
		n.onStop(to, f)
	case kAck:
		n.onAck(to, f)
	case kDatagram:
		n.onDatagram(to, f)
	case kMaxStreamData:
		h := &f.s.halves[to.side]
		h.limit = max(h.limit, f.val)
		n.pump(&f.s.ends[to.side], maxWrite)
	case kMaxData:
		to.sendLimit = max(to.sendLimit, f.val)
		n.unblock(to)
	case kMaxStreams:
		to.openLimit = max(to.openLimit, f.val)
		n.openWaiting(to)
	case kClose:
		n.die(to, f.err)
	default:
		n.shake(from, to, f)
	}
}

// hears notes that a packet has come through: to has heard of from, and from
// will of to, by the acknowledgement.
func (n *Net) hears(from, to *end, k Kind, sent mono.Time) {
	to.heard, to.asked = max(to.heard, n.at), 0
	if n.moves > 0 && to.follows(sent) {
		to.remote = from.ep.seen()
	}
	if k != kAck && !to.shut() && from.alive() {
		from.heard, from.asked = max(from.heard, n.at.Add(to.out.Latency)), 0
	}
}

// sends notes that e sends something that wants an acknowledgement. Where no
// keep-alive gets through, e need not wait for its own then.
func (e *end) sends() {
	if e.asked != 0 {
		return
	}
	now := e.c.n.at
	e.asked = now
	if e.state == open && e.alarm != nil && e.keepAlive > 0 {
		e.alarm.arm(max(e.deadline(), now))
	}
}
