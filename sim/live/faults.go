package live

import (
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Link is how packets travel from one host to another.
func (n *Network) Link(from, to scenario.Host) netsim.Link {
	var l netsim.Link
	n.change(from, to, func(d *dir) { l = d.link })
	return l
}

// SetLink sets that. MTU has no effect: QUIC has packets of its own size.
func (n *Network) SetLink(from, to scenario.Host, l netsim.Link) {
	n.change(from, to, func(d *dir) { d.link = l })
}

// Cut loses every packet from one host to another.
func (n *Network) Cut(from, to scenario.Host) {
	n.change(from, to, func(d *dir) { d.cut, d.waiting = true, nil })
}

// Heal ends Cut, and what a partition does to this direction.
func (n *Network) Heal(from, to scenario.Host) {
	n.change(from, to, func(d *dir) { d.cut, d.parted, d.muteTill = false, false, time.Time{} })
}

// Partition lets packets through only within each group. Hosts in no group are
// not touched.
func (n *Network) Partition(groups ...[]scenario.Host) {
	for i, g := range groups {
		for j, other := range groups {
			for _, a := range g {
				for _, b := range other {
					if i != j && a != b {
						n.change(a, b, func(d *dir) { d.parted, d.waiting = true, nil })
					}
				}
			}
		}
	}
}

// Hold makes packets wait at the end of the link.
func (n *Network) Hold(from, to scenario.Host) { n.change(from, to, func(d *dir) { d.held = true }) }

// Release ends Hold.
func (n *Network) Release(from, to scenario.Host) { n.change(from, to, (*dir).release) }

func (d *dir) release() {
	d.held = false
	for _, data := range d.waiting {
		d.to.arrive(d.from.addr, data)
	}
	d.waiting = nil
}

func (n *Network) change(from, to scenario.Host, f func(d *dir)) {
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	f(n.wire.dir(from.(*Host), to.(*Host)))
}

// HealAll ends every fault of the network but Rebind.
func (n *Network) HealAll() {
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	for _, h := range n.hosts {
		h.stalls, h.fails, h.exhausted, h.speed = false, false, false, 0
		for _, o := range n.hosts {
			d := n.wire.dir(h, o)
			d.cut, d.parted, d.muteTill = false, false, time.Time{}
			d.release()
		}
	}
	n.fuses = nil
}

// Kill ends the connections between two hosts at both ends, with
// netsim.ErrKilled, and returns how many there were.
func (n *Network) Kill(a, b scenario.Host) int {
	here, there := n.between(a, b), n.between(b, a)
	n.breakAll(netsim.ErrKilled, append(slices.Clone(here), there...)...)
	killed := max(len(here), len(there))
	n.fault(a.(*Host), "kill %d connections with %s", killed, b.Name())
	return killed
}

// between are the open ends at a of connections with b.
func (n *Network) between(a, b scenario.Host) []*conn {
	var out []*conn
	for _, c := range n.conns {
		if c.l.h == a && c.remote == b && c.ctx.Err() == nil {
			out = append(out, c)
		}
	}
	return out
}

// fuse is a KillAfter that has not happened.
type fuse struct {
	from, to *Host
	left     map[*conn]int64 // by the receiving end; for lookup only
	bytes    int64
}

// KillAfter ends the connection whose stream data from one host to another is
// read up to so many bytes, from now on.
func (n *Network) KillAfter(from, to scenario.Host, bytes int64) {
	n.fuses = append(n.fuses, &fuse{from.(*Host), to.(*Host), map[*conn]int64{}, bytes})
}

// burn counts bytes that an end has read.
func (n *Network) burn(c *conn, bytes int) {
	for i, f := range n.fuses {
		if f.from != c.remote || f.to != c.l.h {
			continue
		}
		if f.left[c] += int64(bytes); f.left[c] >= f.bytes {
			n.fuses = append(n.fuses[:i], n.fuses[i+1:]...)
			n.Kill(f.from, f.to)
			return
		}
	}
}

// silence is how long nothing gets from a host that forgets its connections to
// the one at the other end: until QUIC answers no more for what was closed.
const silence = time.Second

// HalfOpen makes b forget its connections with a, which takes them for living
// until its idle timeout. Nothing gets from b to a for a second besides.
func (n *Network) HalfOpen(a, b scenario.Host) int {
	n.change(b, a, func(d *dir) { d.muteTill = time.Now().Add(silence) })
	forgotten := n.between(b, a)
	n.breakAll(transport.ErrIdleTimeout, slices.Clone(forgotten)...)
	n.fault(b.(*Host), "forget %d connections with %s", len(forgotten), a.Name())
	return len(forgotten)
}

// StallHandshakes loses the packets of handshakes with the host, but for the
// first one of those that others begin.
func (n *Network) StallHandshakes(h scenario.Host, on bool) {
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	h.(*Host).stalls = on
}

// FailHandshakes makes connections of the host die right after the handshake.
func (n *Network) FailHandshakes(h scenario.Host, on bool) { h.(*Host).fails = on }

// ExhaustPorts makes every dial of the host fail at once.
func (n *Network) ExhaustPorts(h scenario.Host, on bool) { h.(*Host).exhausted = on }

// SlowReader lets what runs on the host read its streams at so many bytes a
// second, all of them together.
func (n *Network) SlowReader(h scenario.Host, bytesPerSecond int64) { h.(*Host).speed = bytesPerSecond }

// Rebind gives the host another socket.
func (n *Network) Rebind(h scenario.Host) transport.Addr {
	x := h.(*Host)
	if err := n.wire.bind(x); err != nil {
		n.w.Fail(fmt.Errorf("live: a socket for %s: %w", x.name, err))
	}
	n.fault(x, "rebind to %v", x.Addr())
	return x.Addr()
}
