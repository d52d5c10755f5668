package netsim

import (
	"fmt"

	"github.com/maculamesh/macula/transport"
)

// ErrNoPorts is why dials fail under ExhaustPorts. It is also a
// transport.ErrBroken, as an error of the socket is.
var ErrNoPorts = fmt.Errorf("netsim: no port is free to dial from: %w", transport.ErrBroken)

// ExhaustPorts makes every Dial of the host fail at once with ErrNoPorts.
// Connections that it has, and those that others dial, are not touched.
// HealAll ends it.
func (n *Net) ExhaustPorts(h *Host, on bool) {
	n.lock()
	defer n.unlock()
	n.fault(h, fmt.Sprintf("exhaust ports: %v", on))
	h.exhausted = on
}

// rations is how many pieces a slow reader takes in a second.
const rations = 100

// SlowReader lets what runs on the host read its streams at that many bytes a
// second and no faster, over all of them together; zero ends it, as HealAll
// does. Credit goes back to the peers as data is read, so they come to wait
// for it. Deadlines, resets and what was read already are not touched.
func (n *Net) SlowReader(h *Host, bytesPerSecond int64) {
	n.lock()
	defer n.unlock()
	n.fault(h, fmt.Sprintf("slow reader: %d bytes a second", bytesPerSecond))
	n.slow(h, bytesPerSecond)
}

func (n *Net) slow(h *Host, speed int64) {
	h.speed, h.nextRead = speed, min(h.nextRead, n.at)
	for _, p := range h.ends {
		for e := p.first; e != nil; e = e.next {
			for s := e.streams; s != nil; s = s.next {
				s.reader.wake()
			}
		}
	}
}

// ration is how much of k bytes a stream may read now. If it is none, its
// reader is woken when it may look again.
func (n *Net) ration(s *streamEnd, k int) int {
	e := s.conn()
	h := e.host
	if n.at < h.nextRead {
		if !s.rationed {
			s.rationed = true
			n.newFlight(kRead, e, s.s, 0).arm(h.nextRead)
		}
		return 0
	}
	k = min(k, int(max(h.speed/rations, 1)))
	h.nextRead = n.at.Add(transmission(int64(k), h.speed))
	return k
}

// readOn is the alarm of a reader that had to wait.
func (n *Net) readOn(f *flight) {
	s := &f.s.ends[f.side]
	s.rationed = false
	s.reader.wake()
}
