package live

import (
	"net/netip"
	"time"

	"github.com/maculamesh/macula/netsim"
)

// dir is one direction of a link. The network's wire guards it.
type dir struct {
	from, to *Host
	link     netsim.Link
	cut      bool
	parted   bool      // by a partition
	held     bool      // packets wait at the end of the link
	waiting  [][]byte  // the packets that do
	muteTill time.Time // nothing gets through before
	queue    []packet  // under way, in the order in which they arrive
	timer    *time.Timer
	last     time.Time // when the last of queue arrives
	free     time.Time // when the bandwidth is free again
}

// packet is one under way.
type packet struct {
	at   time.Time
	data []byte
	addr netip.AddrPort
}

// maxWaiting bounds the packets of a direction that are under way or held: a
// second of full packets at 80 Mbit/s. What comes on top is lost.
const maxWaiting = 8192

func (d *dir) shut() bool { return d.cut || d.parted || time.Now().Before(d.muteTill) }

// send sends a packet over the link. Called with the wire's lock held.
func (n *wire) send(d *dir, data []byte, addr netip.AddrPort) {
	l := d.link
	if d.shut() || n.happens(l.Loss) {
		return
	}
	now := time.Now()
	at := n.apart(now.Add(l.Latency))
	if l.Jitter > 0 {
		at = at.Add(time.Duration(n.rand.Int64N(int64(l.Jitter) + 1)))
	}
	if l.Tail > 0 && n.happens(l.Tail) {
		late := l.TailLatency
		for range 6 {
			if n.happens(500_000) {
				break
			}
			late *= 2
		}
		at = at.Add(late)
	}
	if l.Bandwidth > 0 {
		free := later(d.free, now)
		if backlog := free.Sub(now); l.Queue > 0 && backlog > 0 && backlog+carry(len(data), l.Bandwidth) > carry(int(l.Queue), l.Bandwidth) {
			return
		}
		d.free = free.Add(carry(len(data), l.Bandwidth))
		at = at.Add(d.free.Sub(now))
	}
	data = append([]byte(nil), data...)
	if n.happens(l.Duplicate) {
		n.later(d, packet{at, data, addr})
	}
	if n.happens(l.Reorder) {
		n.later(d, packet{at.Add(l.Latency + l.Jitter + time.Millisecond), data, addr})
		return
	}
	if len(d.queue) == 0 && !at.After(now) {
		n.put(d, packet{at, data, addr})
		return
	}
	if len(d.queue) >= maxWaiting {
		return
	}
	if at.Before(d.last) {
		at = n.apart(d.last) // behind the one before it
	}
	d.last = at
	d.queue = append(d.queue, packet{d.last, data, addr})
	if len(d.queue) == 1 {
		n.arm(d)
	}
}

// later sends a packet that others may overtake.
func (n *wire) later(d *dir, p packet) {
	n.pending.Add(1)
	time.AfterFunc(time.Until(p.at), func() {
		defer n.pending.Done()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.put(d, p)
	})
}

// arm waits for the first packet of the queue.
func (n *wire) arm(d *dir) {
	n.pending.Add(1)
	time.AfterFunc(time.Until(d.queue[0].at), func() {
		defer n.pending.Done()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.drain(d)
	})
}

// drain sends what is due.
func (n *wire) drain(d *dir) {
	for len(d.queue) > 0 && (n.closed || !d.queue[0].at.After(time.Now())) {
		p := d.queue[0]
		d.queue[0] = packet{}
		d.queue = d.queue[1:]
		n.put(d, p)
	}
	if len(d.queue) > 0 {
		n.arm(d)
	}
}

// put hands a packet to the kernel, or to whom it is for.
func (n *wire) put(d *dir, p packet) {
	switch {
	case n.closed || d.shut():
	case !n.inside:
		d.from.sock.WriteToUDPAddrPort(p.data, p.addr)
	default:
		if h := n.byAddr[p.addr]; h != nil {
			n.let(h, d.from.addr, p.data)
		}
	}
}

func (n *wire) happens(r netsim.Ratio) bool { return r > 0 && n.rand.Uint64N(1_000_000) < uint64(r) }

// carry is how long so many bytes take.
func carry(bytes int, bandwidth int64) time.Duration {
	return time.Duration(int64(bytes) * int64(time.Second) / bandwidth)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
