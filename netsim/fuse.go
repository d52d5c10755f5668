package netsim

import "fmt"

// KillAfter kills the connection that delivers the last of so many bytes of
// stream data from one host to another, counted from now on and over all
// connections. Exactly so many are delivered; a nanosecond later, so that who
// waits for them can read them, both ends die of ErrKilled. A resumed
// connection is not killed again: one call, one death. A later call takes the
// place of an earlier one, and HealAll takes it back.
func (n *Net) KillAfter(from, to *Host, bytes int64) {
	n.lock()
	defer n.unlock()
	n.fault(from, fmt.Sprintf("kill the connection to %s after %d bytes", to.name, bytes))
	d := n.dir(from, to)
	d.lit, d.fuse = true, bytes
}

// burn takes a chunk that arrives off the fuse of its link. If the fuse ends
// in it, burn delivers what is before the end and reports that it was the
// connection's last.
func (n *Net) burn(from, to *end, s *stream, h *half, c *chunk) bool {
	d, size := from.out, c.end-h.arrived
	if h.final || size == 0 {
		return false
	}
	if size < d.fuse {
		d.fuse -= size
		return false
	}
	if size > d.fuse {
		c.end, c.fin = h.arrived+d.fuse, false
	}
	if d.fuse > 0 {
		if n.rec != nil {
			n.rec.Delivered(c.packet(from, s))
		}
		n.hears(from, to, kData, c.sent)
		n.onData(to, s, h, c.end, c.fin)
	}
	d.lit, d.fuse = false, 0
	s.c.doomed = true
	n.newFlight(kKill, from, nil, 0).arm(n.at + 1)
	if n.rec != nil {
		n.fault(d.from, fmt.Sprintf("kill #%d with %s after its last byte", s.c.id, d.to.name))
	}
	return true
}
