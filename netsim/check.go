package netsim

import (
	"fmt"

	"github.com/maculamesh/macula/transport"
)

// Check looks at the connections that something has happened to since the
// last Check, the first one at all of them, and returns what is wrong with the books of their ends. It is
// cheap enough to call after every event.
func (n *Net) Check() error {
	n.lock()
	defer n.unlock()
	if !n.checked {
		n.checked = true
		return n.checkAll()
	}
	var first error
	for i, c := range n.touched {
		n.touched[i] = nil
		c.touched = false
		if err := c.check(); err != nil && first == nil {
			first = err
		}
	}
	n.touched = n.touched[:0]
	return first
}

// checkAll checks every connection.
func (n *Net) checkAll() error {
	for _, p := range n.order {
		for c := p.conns; c != nil; c = c.next {
			if err := c.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conn) check() error {
	for i := range c.ends {
		if err := c.ends[i].check(); err != nil {
			return fmt.Errorf("netsim: connection %s of %s: %w", &c.ends[i], c.ends[i].host.name, err)
		}
	}
	return nil
}

// check compares the sums at e, and those with what the other end has.
func (e *end) check() error {
	if e.state == unknown {
		return nil
	}
	o := e.other()
	if !e.alive() {
		if e.nstreams != 0 || e.streams != nil {
			return fmt.Errorf("it is dead and has %d streams", e.nstreams)
		}
		return nil
	}
	peerStreams := e.seen - e.finished
	switch {
	case e.consumed > e.arrived:
		return fmt.Errorf("%d bytes were read, %d have arrived", e.consumed, e.arrived)
	case e.granted > e.consumed+int64(e.ep.cfg.ConnWindow):
		return fmt.Errorf("the peer may send %d bytes while %d were read and the window is %d", e.granted, e.consumed, e.ep.cfg.ConnWindow)
	case e.state == open && e.sent > e.sendLimit:
		return fmt.Errorf("%d bytes were sent, the limit is %d", e.sent, e.sendLimit)
	case e.opened > e.openLimit:
		return fmt.Errorf("%d streams were opened, the limit is %d", e.opened, e.openLimit)
	case e.accepted > e.seen, peerStreams > int64(e.ep.cfg.MaxStreams):
		return fmt.Errorf("%d streams came, %d were accepted and %d are finished, the limit is %d", e.seen, e.accepted, e.finished, e.ep.cfg.MaxStreams)
	case e.nstreams < 0:
		return fmt.Errorf("it has %d streams", e.nstreams)
	}
	if o.alive() {
		switch {
		case e.arrived > o.sent:
			return fmt.Errorf("%d bytes have arrived, the peer has sent %d", e.arrived, o.sent)
		case o.state == open && o.sendLimit > e.granted:
			return fmt.Errorf("the peer may send %d bytes, it was allowed %d", o.sendLimit, e.granted)
		case o.state == open && o.openLimit > e.finished+int64(e.ep.cfg.MaxStreams):
			return fmt.Errorf("the peer may open %d streams, %d are finished", o.openLimit, e.finished)
		case e.seen > o.opened:
			return fmt.Errorf("%d streams came, the peer has opened %d", e.seen, o.opened)
		}
	}
	return nil
}

// Audit recounts everything and compares it with the books. It looks at every
// stream.
func (n *Net) Audit() error {
	n.lock()
	defer n.unlock()
	conns, ends := 0, 0
	for _, p := range n.order {
		for c := p.conns; c != nil; c = c.next {
			if err := c.check(); err != nil {
				return err
			}
			if !c.ends[0].alive() && !c.ends[1].alive() {
				return fmt.Errorf("netsim: connection #%d is dead and kept", c.id)
			}
			conns++
			for i := range c.ends {
				if c.ends[i].alive() {
					ends++
				}
			}
		}
	}
	for _, h := range n.hosts {
		for _, p := range h.ends {
			got, err := p.audit()
			if err != nil {
				return fmt.Errorf("netsim: transport %s of %s: %w", p.addr, h.name, err)
			}
			ends -= got
			for e := p.first; e != nil; e = e.next {
				if e.c.pair == nil {
					conns++
				}
			}
		}
	}
	if ends != 0 || conns != n.conns {
		return fmt.Errorf("netsim: %d connections by the books, %d by recount; transports and links differ by %d ends", n.conns, conns, ends)
	}
	return nil
}

// audit recounts a transport and returns how many ends it has on links.
func (p *endpoint) audit() (int, error) {
	got, linked := transport.Stats{}, 0
	for e := p.first; e != nil; e = e.next {
		if e.out != nil {
			linked++
		}
		switch e.state {
		case handshaking:
			got.Handshaking++
			if e.side == 1 {
				got.Accepting++
			}
		case open:
			got.Conns++
		default:
			return 0, fmt.Errorf("connection %s is dead and listed", e)
		}
		for s := e.streams; s != nil; s = s.next {
			if s.counted {
				got.Streams++
			}
		}
		if err := e.audit(); err != nil {
			return 0, fmt.Errorf("connection %s: %w", e, err)
		}
	}
	if got != p.stats {
		return 0, fmt.Errorf("the books say %+v, a recount %+v", p.stats, got)
	}
	return linked, nil
}

// audit recounts the streams of an end.
func (e *end) audit() error {
	streams, peers, waiting := 0, int64(0), int64(0)
	unread := int64(0)
	for s := e.streams; s != nil; s = s.next {
		streams++
		if s.s.opener != e.side {
			peers++
		}
		in, out := s.in(), s.out()
		unread += in.arrived - in.read
		switch o := e.other(); {
		case !s.open:
			return fmt.Errorf("stream %s is finished and listed", s)
		case in.read > in.arrived, in.arrived > in.sent, in.sent > in.written, int64(len(in.buf)) < in.written-in.read && !in.canceled && in.resetErr == nil:
			return fmt.Errorf("stream %s: %d bytes written, %d arrived, %d read, %d of room", s, in.written, in.arrived, in.read, len(in.buf))
		case out.sent > out.limit:
			return fmt.Errorf("stream %s: %d bytes were sent, the limit is %d", s, out.sent, out.limit)
		case in.granted > in.read+int64(e.ep.cfg.StreamWindow):
			return fmt.Errorf("stream %s: the peer may write %d bytes while %d were read", s, in.granted, in.read)
		case o.alive() && in.limit > in.granted:
			return fmt.Errorf("stream %s: the peer may write %d bytes, it was allowed %d", s, in.limit, in.granted)
		}
	}
	for s := e.backlog.head; s != nil; s = s.next {
		waiting++
	}
	switch {
	case streams != e.nstreams:
		return fmt.Errorf("%d streams by the books, %d by recount", e.nstreams, streams)
	case unread != e.arrived-e.consumed:
		return fmt.Errorf("%d bytes wait to be read by the books, %d by recount", e.arrived-e.consumed, unread)
	case waiting != e.seen-e.accepted:
		return fmt.Errorf("%d streams wait for AcceptStream by the books, %d by recount", e.seen-e.accepted, waiting)
	case peers != e.seen-e.finished:
		return fmt.Errorf("%d streams of the peer are open by the books, %d by recount", e.seen-e.finished, peers)
	}
	return nil
}
