package netsim

import (
	"cmp"
	"slices"

	"github.com/maculamesh/macula/mono"
)

// Hold lets nothing come out of the link from one host to another until
// Release or HealAll: packets wait at its end, those in flight and those sent
// meanwhile, and none is lost. The other direction is not touched. To the ends
// of a connection it is as if nothing was sent: idle timeouts run.
func (n *Net) Hold(from, to *Host) {
	n.lock()
	defer n.unlock()
	n.fault(from, "hold to "+to.name)
	p, d := n.pair(from, to), n.dir(from, to)
	if !d.holds {
		n.shut(p, d, &d.holds)
	}
}

// Release ends Hold. What has waited arrives in the order in which it was
// sent, a nanosecond apart.
func (n *Net) Release(from, to *Host) {
	n.lock()
	defer n.unlock()
	n.fault(from, "release to "+to.name)
	n.letGo(n.pair(from, to), n.dir(from, to))
}

// InFlight returns the packets that are on the link from one host to another,
// under way or held, in the order in which they were sent. What is lost and
// will be sent again is not among them.
func (n *Net) InFlight(from, to *Host) []Packet {
	n.lock()
	defer n.unlock()
	all := []Packet{}
	for _, k := range n.inFlight(n.dir(from, to)) {
		p := k.f.packet()
		if k.c != nil {
			p = k.c.packet(&k.f.c.ends[k.f.side], k.f.s)
			p.Held = k.f.held && k.c.at <= n.at
		}
		all = append(all, *p)
	}
	return all
}

// carried is a packet on a link: a flight, or a chunk of the lane that it
// stands for.
type carried struct {
	seq uint64
	f   *flight
	c   *chunk
}

func (n *Net) inFlight(d *dir) []carried {
	var all []carried
	for _, f := range n.made {
		switch {
		case !f.armed && !f.held, f.kind >= kHandshakeTimeout, f.c.ends[f.side].out != d:
		case f.kind != kData:
			if !f.again {
				all = append(all, carried{f.seq, f, nil})
			}
		default:
			l := &f.s.halves[f.side].lane
			for i := l.head; i < len(l.chunks); i++ {
				if c := &l.chunks[i]; c.at != 0 && !c.again {
					all = append(all, carried{c.seq, f, c})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b carried) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// letGo ends the hold of a link.
func (n *Net) letGo(p *pair, d *dir) {
	if !d.holds {
		return
	}
	d.holds, d.changed = false, n.at
	n.eachEnd(p, (*end).watch)
	at := n.at
	for _, k := range n.inFlight(d) {
		switch {
		case !k.f.held, k.c != nil && k.c.at > n.at:
			continue
		case k.c != nil:
			k.c.at = at
		default:
			k.f.wait(at)
		}
		at++
	}
	for _, f := range n.made { // the lanes, also those that a reset has emptied
		if f.held && f.c.ends[f.side].out == d {
			f.wait(max(n.at, f.s.halves[f.side].lane.next()))
		}
	}
}

// wait lets a flight that is held run at the given time.
func (f *flight) wait(at mono.Time) {
	f.held = false
	f.arm(at)
}
