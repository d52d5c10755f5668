package netsim

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/mono"
)

// Ratio is a share in parts per million, so that no float decides.
type Ratio uint32

// Percent returns p hundredths as a Ratio.
func Percent(p int) Ratio { return Ratio(p * 10_000) }

// maxLosses bounds how often one packet is lost in a row; a Loss of a million
// only delays. To lose everything, Cut.
const maxLosses = 16

// Link is what one direction between two hosts is like. The zero value is a
// perfect link: no delay, no loss, no limit.
type Link struct {
	// Latency is the time that every packet takes; Jitter is the most that is
	// added to it, drawn uniformly for each packet. Data of one stream stays
	// in order; streams, and control packets, overtake each other.
	Latency, Jitter time.Duration
	// Loss is the share of transmissions that are lost. Everything is sent
	// again after Retransmit, so a loss is a delay.
	Loss Ratio
	// Retransmit is how long it takes to notice a loss; zero is two latencies
	// and 25 ms, the probe timeout of QUIC (RFC 9002, 6.2.1).
	Retransmit time.Duration
	// Reorder is the share of packets that are held back by one more Latency
	// and Jitter, and a millisecond, so that later ones overtake them.
	Reorder Ratio
	// Bandwidth is in bytes a second; zero is no limit. Packets queue for it
	// in the order in which they are sent. Windows bound the queue.
	Bandwidth int64
}

// String renders what differs from a perfect link.
func (l Link) String() string {
	s := fmt.Sprintf("latency %v", l.Latency)
	if l.Jitter > 0 {
		s += fmt.Sprintf(", jitter %v", l.Jitter)
	}
	if l.Loss > 0 {
		s += fmt.Sprintf(", loss %d ppm, retransmit %v", l.Loss, l.retransmit())
	}
	if l.Reorder > 0 {
		s += fmt.Sprintf(", reorder %d ppm", l.Reorder)
	}
	if l.Bandwidth > 0 {
		s += fmt.Sprintf(", %d bytes a second", l.Bandwidth)
	}
	return s
}

// retransmit is the time to notice a loss.
func (l *Link) retransmit() time.Duration {
	if l.Retransmit > 0 {
		return l.Retransmit
	}
	return 2*l.Latency + 25*time.Millisecond
}

// worst is the longest that a packet takes without queueing for bandwidth.
func (l *Link) worst() time.Duration {
	d := l.Latency + l.Jitter
	if l.Reorder > 0 {
		d += l.held()
	}
	if l.Loss > 0 {
		d += maxLosses * l.retransmit()
	}
	return d
}

func (l *Link) held() time.Duration { return l.Latency + l.Jitter + time.Millisecond }

// pair is two hosts with the links between them and the connections on those.
type pair struct {
	hosts [2]*Host
	links [2]dir // links[i] leads from hosts[i] to the other
	conns *conn  // the first of those that live, in the order of their making
	last  *conn
}

// dir is a directed link.
type dir struct {
	Link
	from, to *Host
	cut      bool
	changed  mono.Time // of the last cut or heal
	free     mono.Time // when the queue for the bandwidth is empty
	rng      *rand.Rand
}

// pair returns the links between two hosts.
func (n *Net) pair(a, b *Host) *pair {
	if a.index > b.index {
		a, b = b, a
	}
	key := [2]int{a.index, b.index}
	if p := n.pairs[key]; p != nil {
		return p
	}
	cut := a.apart(b)
	p := &pair{hosts: [2]*Host{a, b}}
	p.links[0] = dir{Link: n.link, from: a, to: b, cut: cut}
	p.links[1] = dir{Link: n.link, from: b, to: a, cut: cut}
	n.pairs[key] = p
	n.order = append(n.order, p)
	a.pairs = append(a.pairs, p)
	if a != b {
		b.pairs = append(b.pairs, p)
	}
	return p
}

// dir returns the directed link.
func (n *Net) dir(from, to *Host) *dir {
	p := n.pair(from, to)
	if p.hosts[0] == from {
		return &p.links[0]
	}
	return &p.links[1]
}

// Link returns what the link from one host to another is like.
func (n *Net) Link(from, to *Host) Link {
	n.lock()
	defer n.unlock()
	return n.dir(from, to).Link
}

// SetLink changes the link from one host to another. Packets in flight keep
// their time of arrival.
func (n *Net) SetLink(from, to *Host, l Link) {
	n.lock()
	defer n.unlock()
	n.dir(from, to).Link = l
	if n.rec != nil {
		n.fault(from, "link to "+to.name+": "+l.String())
	}
}

// arrival draws when a packet of size bytes that is sent now arrives, unless
// the link is cut. lost is how often it was lost on the way.
func (n *Net) arrival(d *dir, size int) (at mono.Time, lost int) {
	at = n.at
	if d.Bandwidth > 0 {
		if d.free > at {
			at = d.free
		}
		at = at.Add(transmission(size, d.Bandwidth))
		d.free = at
	}
	at = at.Add(d.Latency)
	if d.Jitter > 0 {
		at = at.Add(time.Duration(n.below(d, uint64(d.Jitter)+1)))
	}
	if d.Reorder > 0 && n.happens(d, d.Reorder) {
		at = at.Add(d.held())
	}
	for d.Loss > 0 && lost < maxLosses && n.happens(d, d.Loss) {
		lost++
		at = at.Add(d.retransmit())
	}
	return at, lost
}

// transmission is how long size bytes take at so many bytes a second.
func transmission(size int, bandwidth int64) time.Duration {
	hi, lo := bits.Mul64(uint64(size), uint64(time.Second))
	if hi >= uint64(bandwidth) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(bandwidth))
	return time.Duration(min(q, 1<<63-1))
}

// below draws a number in [0, limit) from the link's own stream. It does not
// use the methods of rand.Rand, whose results another Go version may change.
func (n *Net) below(d *dir, limit uint64) uint64 {
	if d.rng == nil {
		d.rng = n.r.Rand("netsim/" + d.from.name + ">" + d.to.name)
	}
	hi, _ := bits.Mul64(d.rng.Uint64(), limit)
	return hi
}

func (n *Net) happens(d *dir, r Ratio) bool { return n.below(d, 1_000_000) < uint64(r) }
