package scenario

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/transport"
)

// Link is how packets travel from one place to another; the zero value is a
// perfect link.
type Link = netsim.Link

// SetLink sets how packets travel between a and b, both ways.
func (s *Stage) SetLink(a, b *Place, l Link) {
	s.net.SetLink(a.host, b.host, l)
	s.net.SetLink(b.host, a.host, l)
}

// SetLinks sets how packets travel between all places that exist.
func (s *Stage) SetLinks(l Link) {
	for i, a := range s.places {
		for _, b := range s.places[:i] {
			s.SetLink(a, b, l)
		}
	}
}

// LAN is a link within a data centre: a fifth of a millisecond, with jitter.
func LAN() Link { return Link{Latency: 200 * time.Microsecond, Jitter: 100 * time.Microsecond} }

// Cut loses every packet from one place to another, until Heal or HealAll.
func (s *Stage) Cut(from, to *Place) { s.net.Cut(from.host, to.host) }

// Heal ends Cut, and what a partition does to this direction.
func (s *Stage) Heal(from, to *Place) { s.net.Heal(from.host, to.host) }

// Partition lets packets through only within each group, until HealAll; a
// place in no group is not touched. Places that are made later are in none.
func (s *Stage) Partition(groups ...[]*Place) {
	hosts := make([][]Host, len(groups))
	for i, g := range groups {
		for _, p := range g {
			hosts[i] = append(hosts[i], p.host)
		}
	}
	s.net.Partition(hosts...)
}

// Split is Partition into two halves.
func (s *Stage) Split(one, other []*Place) { s.Partition(one, other) }

// Isolate cuts a place off from all others that exist, both ways.
func (s *Stage) Isolate(p *Place) {
	s.Partition([]*Place{p}, slices.DeleteFunc(slices.Clone(s.places), func(o *Place) bool { return o == p }))
}

// OneWay cuts every link from one group to the other; what comes back passes.
func (s *Stage) OneWay(from, to []*Place) {
	for _, a := range from {
		for _, b := range to {
			s.Cut(a, b)
		}
	}
}

// Ring cuts every link between places that are no neighbours: each talks to
// the one before it and the one after it, and the last to the first. Other
// places are not touched.
func (s *Stage) Ring(places []*Place) {
	for i, a := range places {
		for j, b := range places {
			if apartInRing(i, j, len(places)) {
				s.Cut(a, b)
			}
		}
	}
}

// apartInRing reports whether the i-th and the j-th of n in a ring are neither
// the same nor neighbours.
func apartInRing(i, j, n int) bool {
	d := (i - j + n) % n
	return d > 1 && d < n-1
}

// Hold makes packets wait at the end of the link from one place to another;
// none is lost. Others call it a clog.
func (s *Stage) Hold(from, to *Place) { s.net.Hold(from.host, to.host) }

// Release ends Hold: what has waited arrives in the order in which it was
// sent.
func (s *Stage) Release(from, to *Place) { s.net.Release(from.host, to.host) }

// InFlight returns the packets that are under way or held, in the order in
// which they were sent.
func (s *Stage) InFlight(from, to *Place) []netsim.Packet {
	return s.net.InFlight(from.host, to.host)
}

// Swizzle holds some of the links between the places, drawn from r, one after
// another, and releases them in another order. It waits until all are
// released, which is within the given time. A link that was held before is
// free then.
func (s *Stage) Swizzle(r *rand.Rand, places []*Place, within time.Duration) {
	var links [][2]*Place
	for _, a := range places {
		for _, b := range places {
			if a != b && r.IntN(2) == 0 {
				links = append(links, [2]*Place{a, b})
			}
		}
	}
	steps := 2 * len(links)
	each := func(f func(from, to *Place)) {
		for _, i := range r.Perm(len(links)) {
			s.Sleep(time.Duration(r.Int64N(int64(within)/int64(steps) + 1)))
			f(links[i][0], links[i][1])
		}
	}
	each(s.Hold)
	each(s.Release)
}

// HealAll ends every fault of the network that has an end: all but Rebind and
// what a Link is like.
func (s *Stage) HealAll() { s.net.HealAll() }

// Kill ends the connections between two places with an error at both ends and
// returns how many there were.
func (s *Stage) Kill(a, b *Place) int { return s.net.Kill(a.host, b.host) }

// KillAfter ends the connection that delivers the last of so many bytes of
// stream data from one place to another, as soon as it has.
func (s *Stage) KillAfter(from, to *Place, bytes int64) {
	s.net.KillAfter(from.host, to.host, bytes)
}

// HalfOpen makes the second place forget its connections with the first,
// which takes them for living until its idle timeout. It returns how many
// there were.
func (s *Stage) HalfOpen(a, b *Place) int { return s.net.HalfOpen(a.host, b.host) }

// StallHandshakes lets handshakes with the place, in either role, get no
// further than their first packet.
func (p *Place) StallHandshakes(on bool) { p.s.net.StallHandshakes(p.host, on) }

// FailHandshakes refuses handshakes with the place, in either role, late: Dial
// succeeds and the connection dies.
func (p *Place) FailHandshakes(on bool) { p.s.net.FailHandshakes(p.host, on) }

// ExhaustPorts makes every dial of the place fail at once.
func (p *Place) ExhaustPorts(on bool) { p.s.net.ExhaustPorts(p.host, on) }

// SlowReader lets what runs there read its streams at so many bytes a second,
// all of them together; zero ends it.
func (p *Place) SlowReader(bytesPerSecond int64) { p.s.net.SlowReader(p.host, bytesPerSecond) }

// Rebind gives the place another address in the eyes of the others, for good,
// and returns it: connections that it has dialled live on, those that others
// have dialled die.
func (p *Place) Rebind() transport.Addr { return p.s.net.Rebind(p.host) }

// Orphans lists streams that are open at one end only, for longer than the
// news of their end can take.
func (s *Stage) Orphans() []string { return s.net.Orphans() }
