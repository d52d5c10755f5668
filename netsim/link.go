package netsim

import (
	"fmt"
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

// maxDoublings bounds the tail: one packet in 64 of it gets there.
const maxDoublings = 6

// Link is what one direction between two hosts is like. The zero value is a
// perfect link: no delay, no loss, no limit.
type Link struct {
	// Latency is the time that every packet takes; Jitter is the most that is
	// added to it, drawn uniformly for each packet. Data of one stream stays
	// in order; streams, and control packets, overtake each other.
	Latency, Jitter time.Duration
	// Tail is the share of packets that take TailLatency longer, half of those
	// twice that, half of them four times, and so on up to 64 times: a heavy
	// tail beside the uniform Jitter.
	Tail        Ratio
	TailLatency time.Duration
	// Loss is the share of transmissions that are lost. Everything but
	// datagrams is sent again after Retransmit, so a loss is a delay.
	Loss Ratio
	// Retransmit is how long it takes to notice a loss; zero is two latencies
	// and 25 ms, the probe timeout of QUIC (RFC 9002, 6.2.1).
	Retransmit time.Duration
	// Reorder is the share of packets that are held back by one more Latency
	// and Jitter, and a millisecond, so that later ones overtake them.
	Reorder Ratio
	// Duplicate is the share of datagrams that arrive twice. QUIC throws the
	// second packet away; who demands nothing of the kind from its transport
	// can be tested with it.
	Duplicate Ratio
	// Bandwidth is in bytes a second; zero is no limit. Packets queue for it
	// in the order in which they are sent.
	Bandwidth int64
	// Queue is the most bytes that wait for the Bandwidth, the packet that is
	// being sent among them; zero leaves it to the windows of the connections.
	// A packet for which there is no room is lost, and sent again after
	// Retransmit. An empty queue takes any packet.
	Queue int64
	// MTU is the most bytes of a packet, 64 of them for headers; zero is no
	// limit. Stream data travels in as many packets as it takes, and each has
	// a latency and a fate of its own; a datagram that is larger is lost.
	// Without an MTU what is written at once, up to 16 KiB, is one packet.
	MTU int
}

// String renders what differs from a perfect link.
func (l Link) String() string {
	s := fmt.Sprintf("latency %v", l.Latency)
	if l.Jitter > 0 {
		s += fmt.Sprintf(", jitter %v", l.Jitter)
	}
	if l.Tail > 0 {
		s += fmt.Sprintf(", tail %d ppm of %v", l.Tail, l.TailLatency)
	}
	if l.Loss > 0 {
		s += fmt.Sprintf(", loss %d ppm, retransmit %v", l.Loss, l.retransmit())
	}
	if l.Reorder > 0 {
		s += fmt.Sprintf(", reorder %d ppm", l.Reorder)
	}
	if l.Duplicate > 0 {
		s += fmt.Sprintf(", duplicate %d ppm", l.Duplicate)
	}
	if l.Bandwidth > 0 {
		s += fmt.Sprintf(", %d bytes a second", l.Bandwidth)
	}
	if l.Queue > 0 {
		s += fmt.Sprintf(", queue %d bytes", l.Queue)
	}
	if l.MTU > 0 {
		s += fmt.Sprintf(", MTU %d", l.MTU)
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
	if l.Tail > 0 {
		d += l.TailLatency << maxDoublings
	}
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
	holds    bool
	changed  mono.Time // of the last cut, hold or end of one
	free     mono.Time // when the queue for the bandwidth is empty
	settled  mono.Time // when what was lost for want of room, or sent before the last SetLink, is under way or through
	lit      bool      // the connection that delivers fuse more bytes is killed
	fuse     int64
	rng      *rand.Rand
}

// shut reports whether nothing gets out of the link now.
func (d *dir) shut() bool { return d.cut || d.holds }

// payload is the most stream data that goes into one packet.
func (d *dir) payload() int64 {
	if d.MTU == 0 {
		return maxChunk
	}
	return min(max(int64(d.MTU)-controlSize, 1), maxChunk)
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
	d := n.dir(from, to)
	d.settled = max(d.settled, n.at.Add(d.worst()))
	d.Link = l
	if n.rec != nil {
		n.fault(from, "link to "+to.name+": "+l.String())
	}
}
