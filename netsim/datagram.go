package netsim

import (
	"context"
	"slices"

	"github.com/maculamesh/macula/transport"
)

// maxMail is how many datagrams wait for ReceiveDatagram, as in quic-go. Over
// it the newcomer is lost.
const maxMail = 128

// mail is the datagrams of an end.
type mail struct {
	sent    int64
	waiting [][]byte // that have arrived
	takers  line
}

var _ transport.DatagramConn = (*end)(nil)

// letters returns the end's mail, which most ends have not.
func (e *end) letters() *mail {
	if e.mail == nil {
		e.mail = &mail{}
	}
	return e.mail
}

// SendDatagram implements transport.DatagramConn. One that does not fit into
// the MTU of the link is lost, since QUIC packets are never fragmented.
func (e *end) SendDatagram(p []byte) error {
	n := e.c.n
	n.lock()
	defer n.unlock()
	switch {
	case len(p) > transport.MaxDatagram:
		return transport.ErrDatagramTooLarge
	case e.state == ended:
		return e.cause
	}
	m := e.letters()
	m.sent++
	e.sends()
	copies := 1
	if d := e.out; d.Duplicate > 0 && n.happens(d, d.Duplicate) {
		copies = 2
	}
	for range copies {
		f := n.newFlight(kDatagram, e, nil, m.sent)
		f.data = slices.Clone(p)
		n.sendDatagram(e, f)
	}
	return nil
}

func (n *Net) sendDatagram(e *end, f *flight) {
	d, size := e.out, len(f.data)+controlSize
	if e.cut() || d.full(n.at, size) || (d.MTU > 0 && size > d.MTU) {
		n.lose(e, f)
		return
	}
	at := n.transit(d, size)
	if d.Loss > 0 && n.happens(d, d.Loss) {
		n.lose(e, f)
		return
	}
	f.arm(at)
}

// onDatagram is the arrival of a datagram.
func (n *Net) onDatagram(to *end, f *flight) {
	m := to.letters()
	if len(m.waiting) == maxMail {
		n.drop(f.packet(), 1)
		return
	}
	m.waiting = append(m.waiting, f.data)
	if w := m.takers.head; w != nil {
		w.wake() // to look again
	}
}

// ReceiveDatagram implements transport.DatagramConn. What has arrived can be
// taken after the end of the connection too.
func (e *end) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	n := e.c.n
	for {
		n.lock()
		m := e.letters()
		if len(m.waiting) > 0 {
			p := m.waiting[0]
			m.waiting = slices.Delete(m.waiting, 0, 1)
			n.unlock()
			return p, nil
		}
		if e.state == ended {
			n.unlock()
			return nil, e.cause
		}
		w := e.ep.newWaiter()
		m.takers.add(w)
		n.unlock()
		if _, _, err := e.ep.wait(ctx, w, nil); err != nil {
			return nil, err
		}
	}
}
