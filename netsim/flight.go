package netsim

import (
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// kind is what a packet carries, or what else happens at a time.
type kind uint8

// The kinds. The numbers are part of a recorded run.
const (
	kData kind = iota + 1 // stream data, FIN
	kReset
	kStop
	kAck           // of a FIN or a reset
	kMaxStreamData // credit
	kMaxData
	kMaxStreams
	kClose // the end of a connection, or a late refusal
	kInitial
	kRetry
	kHello
	kFinished
	kRefuse
	kHandshakeTimeout // these two are no packets
	kIdle
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

	kind kind
	side uint8 // of the end that sent it, or that it is an alarm of
	c    *conn
	s    *stream
	val  int64
	err  error
}

func (n *Net) newFlight(k kind, e *end, s *stream, val int64) *flight {
	f := n.flights
	if f == nil {
		f = &flight{n: n}
		f.fire = f.run
	} else {
		n.flights = f.next
		f.next = nil
	}
	f.kind, f.side, f.c, f.s, f.val = k, e.side, e.c, s, val
	return f
}

// release puts a flight that is not armed back into the free list.
func (n *Net) release(f *flight) {
	f.c, f.s, f.err = nil, nil, nil
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
	default:
		if e := &f.c.ends[f.side]; e.out.cut {
			n.lose(e, f)
			return
		}
		n.arrive(f)
	}
	n.release(f)
}

// names are what the Recorder is told of a packet.
func names(c *conn, s *stream, k kind, val int64) (a, b uint64) {
	a = c.id << 32
	if s != nil {
		a |= uint64(s.id)<<1&(1<<32-1) | uint64(s.opener)
	}
	return a, uint64(k)<<56 | uint64(val)&(1<<56-1)
}

// post sends a control packet from e.
func (n *Net) post(e *end, k kind, s *stream, val int64, err error) {
	f := n.newFlight(k, e, s, val)
	f.err = err
	if k != kAck {
		e.sends()
	}
	if e.out.cut {
		n.lose(e, f)
		return
	}
	at, lost := n.arrival(e.out, controlSize)
	n.drop(e, s, k, val, lost)
	f.arm(at)
}

// lose is what happens to a packet on a cut link: it is sent again after the
// heal, if there is somebody left to do it.
func (n *Net) lose(e *end, f *flight) {
	n.drop(e, f.s, f.kind, f.val, 1)
	if !e.alive() {
		n.release(f)
		return
	}
	f.next = e.stalled
	e.stalled = f
}

// drop tells the Recorder of a packet that was lost so many times.
func (n *Net) drop(e *end, s *stream, k kind, val int64, times int) {
	if n.rec == nil {
		return
	}
	for range times {
		a, b := names(e.c, s, k, val)
		n.rec.Dropped(e.out.from, e.out.to, a, b)
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
		at, lost := n.again(e)
		n.drop(e, f.s, f.kind, f.val, lost)
		if f.kind == kData {
			f.s.halves[f.side].lane.resume(at)
		}
		f.arm(at)
		f = next
	}
}

// again is the arrival of a packet that has to be noticed as lost first.
func (n *Net) again(e *end) (mono.Time, int) {
	at, lost := n.arrival(e.out, controlSize)
	return at.Add(e.out.retransmit()), lost
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
	if !to.alive() {
		return
	}
	n.hears(from, to, f.s, f.kind, f.val)
	switch f.kind {
	case kReset:
		n.onReset(to, f)
	case kStop:
		n.onStop(to, f)
	case kAck:
		n.onAck(to, f)
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
func (n *Net) hears(from, to *end, s *stream, k kind, val int64) {
	if n.rec != nil {
		a, b := names(to.c, s, k, val)
		n.rec.Delivered(from.host, to.host, a, b)
	}
	to.heard, to.asked = max(to.heard, n.at), 0
	if k != kAck && !to.out.cut && from.alive() {
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
