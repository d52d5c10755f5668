package netsim

import "github.com/maculamesh/macula/mono"

// lane is the stream data of one direction that is on its way, in order. A
// flight stands for all of it: it runs when the first chunk arrives.
type lane struct {
	chunks []chunk
	head   int  // the first that has not arrived
	waits  bool // a chunk may be among them that found no room
	flight *flight
}

// chunk is a piece of stream data.
type chunk struct {
	end   int64 // the offset after it
	seq   uint64
	sent  mono.Time
	at    mono.Time // when it arrives; zero waits for the link to heal
	again bool      // found no room: at is when it is tried again
	fin   bool
}

// maxChunk is the most bytes that share one fate.
const maxChunk = 16 << 10

func (l *lane) empty() bool { return l.head == len(l.chunks) }

func (l *lane) first() *chunk { return &l.chunks[l.head] }

// push appends a chunk. What arrives in the same instant is one chunk. It
// returns the time at which the chunk will arrive, after those before it.
func (l *lane) push(c *chunk) {
	l.waits = l.waits || c.again
	if l.head == len(l.chunks) {
		l.chunks, l.head = l.chunks[:0], 0
	} else {
		last := &l.chunks[len(l.chunks)-1]
		switch {
		case last.at == 0:
			c.at, c.again = 0, false
		case c.at != 0 && c.at < last.at && !c.again:
			c.at = last.at
		}
		if c.at == last.at && !c.again && !last.again {
			last.end, last.sent, last.fin = c.end, c.sent, c.fin
			return
		}
		if l.head > 0 && len(l.chunks) == cap(l.chunks) {
			n := copy(l.chunks, l.chunks[l.head:])
			l.chunks, l.head = l.chunks[:n], 0
		}
	}
	// Field by field: to copy what was just written in parts is slow.
	l.chunks = append(l.chunks, chunk{})
	k := &l.chunks[len(l.chunks)-1]
	k.end, k.seq, k.sent, k.at, k.again, k.fin = c.end, c.seq, c.sent, c.at, c.again, c.fin
}

// clear forgets what has not arrived.
func (l *lane) clear() { l.chunks, l.head = l.chunks[:0], 0 }

// unsend takes back what was sent at that time.
func (l *lane) unsend(at mono.Time) {
	for n := len(l.chunks); n > l.head && l.chunks[n-1].sent == at; n-- {
		l.chunks = l.chunks[:n-1]
	}
}

// resume gives what waits for the link the time at which it arrives.
func (l *lane) resume(at mono.Time, again bool) {
	for i := l.head; i < len(l.chunks); i++ {
		if c := &l.chunks[i]; c.at == 0 {
			c.at, c.again, l.waits = at, again, l.waits || again
		}
	}
}

// resumeLane sends again what a lane could not get through a cut link, all in
// one, and returns when it arrives.
func (n *Net) resumeLane(e *end, f *flight) mono.Time {
	l := &f.s.halves[f.side].lane
	at, lost, again := n.send(e, controlSize)
	if lost > 0 && !l.empty() {
		n.drop(l.first().packet(e, f.s), lost)
	}
	at = at.Add(e.out.retransmit()) // to notice that it was lost
	l.resume(at, again)
	return at
}

// stall makes wait for the link what is due, and so whatever is behind it. It
// returns the first such chunk, or nil.
func (l *lane) stall(now mono.Time) (first *chunk) {
	for i := l.head; i < len(l.chunks); i++ {
		c := &l.chunks[i]
		if c.at == 0 || c.at > now {
			continue
		}
		c.at, c.again = 0, false
		if first == nil {
			first = c
		}
	}
	return first
}

// next is when something happens to the lane: the first chunk arrives, or one
// is tried again. It is zero when the first waits for the link.
func (l *lane) next() mono.Time {
	if l.empty() {
		return 0
	}
	at := l.first().at
	for i := l.head; at != 0 && l.waits && i < len(l.chunks); i++ {
		if c := &l.chunks[i]; c.again {
			at = min(at, c.at)
		}
	}
	return at
}

// retry tries what found no room in the queue, and is due. If nobody is left
// to do it, the data ends there.
func (n *Net) retry(from *end, s *stream, h *half) {
	l, start := &h.lane, h.arrived
	l.waits = false
	for i := l.head; i < len(l.chunks); i++ {
		c := &l.chunks[i]
		if c.again && !from.alive() {
			l.chunks = l.chunks[:i]
			return
		}
		if c.again && c.at <= n.at {
			n.sendChunk(from, s, c, c.end-start)
		}
		l.waits = l.waits || c.again
		start = c.end
	}
}

// transmit sends the last size bytes of those that h counts as sent, and the
// FIN.
func (n *Net) transmit(e *end, s *stream, size int, fin bool) {
	h := &s.halves[e.side]
	e.sends()
	c := chunk{end: h.sent, seq: n.nextSeq(), sent: n.at, fin: fin}
	if e.cut() {
		n.drop(c.packet(e, s), 1)
	} else {
		n.sendChunk(e, s, &c, int64(size))
	}
	h.lane.push(&c)
	if h.lane.flight == nil {
		h.lane.flight = n.newFlight(kData, e, s, 0)
		n.launch(e, h)
	} else if f := h.lane.flight; c.again && f.armed && c.at < f.at {
		f.arm(c.at)
	}
}

// launch lets the lane's flight run when its first chunk arrives.
func (n *Net) launch(e *end, h *half) {
	f, first := h.lane.flight, h.lane.first()
	if first.at == 0 {
		if e.cut() {
			f.next = e.stalled
			e.stalled = f
			return
		}
		n.resumeLane(e, f)
	}
	f.arm(max(h.lane.next(), n.at))
}

// runLane is the arrival of stream data: of every chunk that is due.
func (n *Net) runLane(f *flight) {
	from, to, s := &f.c.ends[f.side], &f.c.ends[1-f.side], f.s
	h := &s.halves[f.side]
	if from.cut() {
		if c := h.lane.stall(n.at); c != nil {
			n.drop(c.packet(from, s), 1)
		}
	}
	if h.lane.waits {
		n.retry(from, s, h)
	}
	for !h.lane.empty() {
		first := h.lane.first()
		if first.at == 0 || first.at > n.at {
			break
		}
		if from.out.holds {
			f.held = true
			return
		}
		h.lane.head++
		if to.deaf() {
			h.lane.clear()
			break
		}
		if from.out.lit && n.burn(from, to, s, h, first) {
			h.lane.clear()
			break
		}
		if n.rec != nil {
			n.rec.Delivered(first.packet(from, s))
		}
		n.hears(from, to, kData, first.sent)
		n.onData(to, s, h, first.end, first.fin)
	}
	if h.lane.empty() || to.deaf() || (h.lane.first().at == 0 && !from.alive()) {
		h.lane.clear()
		h.lane.flight = nil
		n.release(f)
		return
	}
	n.launch(from, h)
}
