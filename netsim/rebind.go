package netsim

import (
	"net/netip"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// Rebind gives the host a new address in the eyes of the others, as when a NAT
// in front of it forgets its binding. It stays so; the host itself does not
// notice, and its listeners tell the old one. It returns Host.Addr.
//
// It does what QUIC does (RFC 9000, 9). A connection that the host has dialled
// survives, and its peer finds the new address by the next packet. One that
// others have dialled does not: they go on sending to the old address, where
// nobody is any more, and both ends die of their idle timeouts, though the
// others hear the host until then. So does a handshake of either kind. Dials
// to the old address get no answer.
func (n *Net) Rebind(h *Host) transport.Addr {
	n.lock()
	defer n.unlock()
	n.moves++
	delete(n.byIP, h.ip)
	h.ip = netip.AddrFrom4([4]byte{100, 64 | byte(n.moves>>16)&63, byte(n.moves >> 8), byte(n.moves)}) // RFC 6598
	n.byIP[h.ip] = h
	h.moved = n.at
	if n.rec != nil {
		n.fault(h, "rebind to "+h.Addr().Addr().String())
	}
	for _, p := range h.pairs {
		if p.hosts[0] == p.hosts[1] {
			continue // it does not pass the NAT
		}
		for c := p.conns; c != nil; c = c.next {
			dialler := &c.ends[0]
			switch settled := dialler.state != handshaking && c.ends[1].state != handshaking && c.ends[1].state != unknown; {
			case dialler.host != h:
				n.lead(dialler)
			case !settled:
				n.lead(&c.ends[1])
			}
		}
	}
	return h.Addr()
}

// lead makes e send to where nobody is any more.
func (n *Net) lead(e *end) {
	o := e.other()
	for _, k := range []*end{e, o} {
		if k.hearing {
			k.catchUp()
		}
	}
	e.astray = true
	e.watch()
	o.watch()
}

// follows reports whether a packet of its peer that was sent at that time
// tells e a new address. Only who was dialled follows the other end.
func (e *end) follows(sent mono.Time) bool {
	moved := e.other().host.moved
	return moved != 0 && sent > moved && e.side == 1
}
