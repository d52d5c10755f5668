package netsim

import (
	"errors"
	"fmt"
	"strings"
)

// ErrKilled is how both ends of a connection end after Kill.
var ErrKilled = errors.New("netsim: the connection was killed")

// Cut drops whatever is sent from one host to the other from now on, and what
// is in flight and would arrive before the heal. The other direction is not
// touched. Data of streams is sent again after the heal, unless the connection
// has died of its idle timeout by then; a close is not.
func (n *Net) Cut(from, to *Host) {
	n.lock()
	defer n.unlock()
	n.fault(from, "cut to "+to.name)
	n.cut(n.pair(from, to), n.dir(from, to))
}

// Heal ends Cut, and what Partition does to this direction.
func (n *Net) Heal(from, to *Host) {
	n.lock()
	defer n.unlock()
	n.fault(from, "heal to "+to.name)
	n.heal(n.pair(from, to), n.dir(from, to))
}

// Partition cuts both directions between any two hosts of different groups.
// Hosts in no group keep all their links. What is cut already stays so.
func (n *Net) Partition(groups ...[]*Host) {
	n.lock()
	defer n.unlock()
	n.splits++
	for i, g := range groups {
		n.fault(nil, fmt.Sprintf("partition %d, group %d: %s", n.splits, i+1, hostNames(g)))
		for _, h := range g {
			h.label(n.splits, i+1)
		}
	}
	for _, p := range n.order {
		if p.hosts[0].apartIn(p.hosts[1], n.splits) {
			n.cut(p, &p.links[0])
			n.cut(p, &p.links[1])
		}
	}
}

// HealAll ends every fault that has an end: Cut and Partition, Hold and
// KillAfter, StallHandshakes, FailHandshakes, ExhaustPorts and SlowReader.
// What a Link is like is no fault, and a Rebind stays.
func (n *Net) HealAll() {
	n.lock()
	defer n.unlock()
	n.fault(nil, "heal all")
	n.splits = 0
	for _, h := range n.hosts {
		h.labels = h.labels[:0]
		h.stalls, h.fails, h.exhausted = false, false, false
		if h.speed > 0 {
			n.slow(h, 0)
		}
	}
	for _, p := range n.order {
		for i := range p.links {
			d := &p.links[i]
			d.lit = false
			n.heal(p, d)
			n.letGo(p, d)
		}
	}
}

// Kill ends every connection between the two hosts, at both ends and with
// ErrKilled, and returns how many there were.
func (n *Net) Kill(a, b *Host) int {
	n.lock()
	defer n.unlock()
	killed := 0
	for c := n.pair(a, b).conns; c != nil; killed++ {
		next := c.next
		n.die(&c.ends[0], ErrKilled)
		n.die(&c.ends[1], ErrKilled)
		c = next
	}
	if n.rec != nil {
		n.fault(a, fmt.Sprintf("kill %d connections with %s", killed, b.name))
	}
	return killed
}

// HalfOpen makes b forget its connections with a, as after a restart that
// nobody has announced: b's ends die of ErrIdleTimeout at once, while a takes
// its own for living until its idle timeout. It returns how many there were.
func (n *Net) HalfOpen(a, b *Host) int {
	n.lock()
	defer n.unlock()
	forgotten := 0
	for c := n.pair(a, b).conns; c != nil; {
		next := c.next
		for i := range c.ends {
			if e := &c.ends[i]; e.host == b && e.alive() {
				forgotten++
				n.expire(e)
			}
		}
		c = next
	}
	if n.rec != nil {
		n.fault(b, fmt.Sprintf("forget %d connections with %s", forgotten, a.name))
	}
	return forgotten
}

// StallHandshakes makes handshakes with the host, in either role, get no
// further than their first flight: the listening end holds its state until
// the handshake timeout, and so does the dialling one.
func (n *Net) StallHandshakes(h *Host, on bool) {
	n.lock()
	defer n.unlock()
	n.fault(h, fmt.Sprintf("stall handshakes: %v", on))
	h.stalls = on
}

// FailHandshakes makes handshakes with the host, in either role, be refused
// late, as with a rejected client certificate: Dial returns a connection that
// dies of transport.ErrHandshake right after.
func (n *Net) FailHandshakes(h *Host, on bool) {
	n.lock()
	defer n.unlock()
	n.fault(h, fmt.Sprintf("fail handshakes: %v", on))
	h.fails = on
}

func (n *Net) cut(p *pair, d *dir) {
	if !d.cut {
		n.shut(p, d, &d.cut)
	}
}

// shut sets a flag of the link that lets nothing through.
func (n *Net) shut(p *pair, d *dir, flag *bool) {
	// Before the link counts as shut: what came through until now is computed
	// from the state before.
	n.eachEnd(p, func(e *end) {
		if e.hearing {
			e.catchUp()
		}
	})
	*flag, d.changed = true, n.at
	n.eachEnd(p, (*end).watch)
}

func (n *Net) heal(p *pair, d *dir) {
	if !d.cut {
		return
	}
	d.cut, d.changed = false, n.at
	n.eachEnd(p, (*end).watch)
	n.eachEnd(p, func(e *end) {
		if e.out == d && e.stalled != nil {
			n.resume(e)
		}
	})
}

func (n *Net) eachEnd(p *pair, f func(*end)) {
	for c := p.conns; c != nil; c = c.next {
		f(&c.ends[0])
		f(&c.ends[1])
	}
}

// label puts h into a group of a partition.
func (h *Host) label(partition, group int) {
	for len(h.labels) < partition {
		h.labels = append(h.labels, 0)
	}
	h.labels[partition-1] = group
}

// apart reports whether a partition separates the hosts.
func (h *Host) apart(o *Host) bool {
	for i := range min(len(h.labels), len(o.labels)) {
		if h.apartIn(o, i+1) {
			return true
		}
	}
	return false
}

func (h *Host) apartIn(o *Host, partition int) bool {
	if len(h.labels) < partition || len(o.labels) < partition {
		return false
	}
	a, b := h.labels[partition-1], o.labels[partition-1]
	return a != 0 && b != 0 && a != b
}

func hostNames(hosts []*Host) string {
	var names []string
	for _, h := range hosts {
		names = append(names, h.name)
	}
	return strings.Join(names, " ")
}
