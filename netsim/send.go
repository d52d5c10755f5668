package netsim

import (
	"math/bits"
	"time"

	"github.com/maculamesh/macula/mono"
)

// send lets a packet of e go, and says when it arrives and how often it is
// lost before. When there is no room for it in the queue of the link it is
// lost, and again says that the time is that of the next attempt.
func (n *Net) send(e *end, size int) (at mono.Time, lost int, again bool) {
	d := e.out
	if d.full(n.at, size) {
		at = n.at.Add(d.retransmit())
		d.settled = max(d.settled, at)
		return at, 1, true
	}
	at, lost = n.arrival(d, size)
	return at, lost, false
}

// sendControl sends a packet that is no stream data, which is so much late.
func (n *Net) sendControl(e *end, f *flight, late time.Duration) {
	at, lost, again := n.send(e, controlSize)
	if lost > 0 {
		n.drop(f.packet(), lost)
	}
	f.again = again
	f.arm(at.Add(late))
}

// sendChunk sends stream data.
func (n *Net) sendChunk(e *end, s *stream, c *chunk, size int64) {
	at, lost, again := n.send(e, int(size)+controlSize)
	if lost > 0 {
		n.drop(c.packet(e, s), lost)
	}
	c.at, c.again = at, again
}

// full reports whether size more bytes do not fit into the queue.
func (d *dir) full(now mono.Time, size int) bool {
	return d.Queue > 0 && d.Bandwidth > 0 && d.free.Sub(now) > transmission(d.Queue-int64(size), d.Bandwidth)
}

// arrival draws when a packet of size bytes that is sent now arrives, unless
// the link is cut. lost is how often it was lost on the way.
func (n *Net) arrival(d *dir, size int) (at mono.Time, lost int) {
	at = n.transit(d, size)
	for d.Loss > 0 && lost < maxLosses && n.happens(d, d.Loss) {
		lost++
		at = at.Add(d.retransmit())
	}
	return at, lost
}

// transit is arrival without losses.
func (n *Net) transit(d *dir, size int) mono.Time {
	at := n.at
	if d.Bandwidth > 0 {
		if d.free > at {
			at = d.free
		}
		at = at.Add(transmission(int64(size), d.Bandwidth))
		d.free = at
	}
	at = at.Add(d.Latency)
	if d.Jitter > 0 {
		at = at.Add(time.Duration(n.below(d, uint64(d.Jitter)+1)))
	}
	if d.Tail > 0 && n.happens(d, d.Tail) {
		more := d.TailLatency
		for k := 0; k < maxDoublings && n.below(d, 2) == 0; k++ {
			more *= 2
		}
		at = at.Add(more)
	}
	if d.Reorder > 0 && n.happens(d, d.Reorder) {
		at = at.Add(d.held())
	}
	return at
}

// transmission is how long size bytes take at so many bytes a second.
func transmission(size, bandwidth int64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(size, 0)), uint64(time.Second))
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
