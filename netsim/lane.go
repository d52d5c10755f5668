package netsim

import "github.com/maculamesh/macula/mono"

// lane is the stream data of one direction that is on its way, in order. A
// flight stands for all of it: it runs when the first chunk arrives.
type lane struct {
	chunks []chunk
	head   int // the first that has not arrived
	flight *flight
}

// chunk is a piece of stream data.
type chunk struct {
	end  int64 // the offset after it
	sent mono.Time
	at   mono.Time // when it arrives; zero waits for the link to heal
	fin  bool
}

// maxChunk is the most bytes that share one fate.
const maxChunk = 16 << 10

func (l *lane) empty() bool { return l.head == len(l.chunks) }

func (l *lane) first() *chunk { return &l.chunks[l.head] }

// push appends a chunk. What arrives in the same instant is one chunk. It
// returns the time at which the chunk will arrive, after those before it.
func (l *lane) push(c chunk) {
	if l.head == len(l.chunks) {
		l.chunks, l.head = l.chunks[:0], 0
	} else {
		last := &l.chunks[len(l.chunks)-1]
		switch {
		case last.at == 0:
			c.at = 0
		case c.at != 0 && c.at < last.at:
			c.at = last.at
		}
		if c.at == last.at {
			last.end, last.sent, last.fin = c.end, c.sent, c.fin
			return
		}
		if l.head > 0 && len(l.chunks) == cap(l.chunks) {
			n := copy(l.chunks, l.chunks[l.head:])
			l.chunks, l.head = l.chunks[:n], 0
		}
	}
	l.chunks = append(l.chunks, c)
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
func (l *lane) resume(at mono.Time) {
	for i := l.head; i < len(l.chunks); i++ {
		if c := &l.chunks[i]; c.at == 0 {
			c.at = at
		}
	}
}

// stall makes wait for the link what should have arrived, and so whatever is
// behind it.
func (l *lane) stall(now mono.Time) {
	for i := l.head; i < len(l.chunks) && l.chunks[i].at <= now; i++ {
		l.chunks[i].at = 0
	}
}

// transmit sends the last size bytes of those that h counts as sent, and the
// FIN.
func (n *Net) transmit(e *end, s *stream, size int, fin bool) {
	h := &s.halves[e.side]
	e.sends()
	c := chunk{end: h.sent, sent: n.at, fin: fin}
	if e.out.cut {
		n.drop(e, s, kData, c.end, 1)
	} else {
		var lost int
		c.at, lost = n.arrival(e.out, size+controlSize)
		n.drop(e, s, kData, c.end, lost)
	}
	h.lane.push(c)
	if h.lane.flight == nil {
		h.lane.flight = n.newFlight(kData, e, s, 0)
		n.launch(e, h)
	}
}

// launch lets the lane's flight run when its first chunk arrives.
func (n *Net) launch(e *end, h *half) {
	f, first := h.lane.flight, h.lane.first()
	if first.at == 0 {
		if e.out.cut {
			f.next = e.stalled
			e.stalled = f
			return
		}
		at, lost := n.again(e)
		n.drop(e, f.s, kData, first.end, lost)
		h.lane.resume(at)
	}
	f.arm(max(first.at, n.at))
}

// runLane is the arrival of stream data: of every chunk that is due.
func (n *Net) runLane(f *flight) {
	from, to, s := &f.c.ends[f.side], &f.c.ends[1-f.side], f.s
	h := &s.halves[f.side]
	if from.out.cut && !h.lane.empty() && h.lane.first().at != 0 {
		n.drop(from, s, kData, h.lane.first().end, 1)
		h.lane.stall(n.at)
	}
	for !h.lane.empty() {
		first := h.lane.first()
		if first.at == 0 || first.at > n.at {
			break
		}
		c := *first
		h.lane.head++
		if !to.alive() {
			h.lane.clear()
			break
		}
		n.hears(from, to, s, kData, c.end)
		n.onData(to, s, h, c)
	}
	if h.lane.empty() || !to.alive() || (h.lane.first().at == 0 && !from.alive()) {
		h.lane.clear()
		h.lane.flight = nil
		n.release(f)
		return
	}
	n.launch(from, h)
}
