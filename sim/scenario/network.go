package scenario

import (
	"time"

	"github.com/maculamesh/macula/netsim"
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

// WAN is a link between two of them: 20 ms with jitter, and one packet in a
// hundred lost.
func WAN() Link {
	return Link{Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 10_000}
}

// Cut lets no packet through from a to b.
func (s *Stage) Cut(from, to *Place) { s.net.Cut(from.host, to.host) }

// Partition lets packets through only within each group.
func (s *Stage) Partition(groups ...[]*Place) {
	hosts := make([][]*netsim.Host, len(groups))
	for i, g := range groups {
		for _, p := range g {
			hosts[i] = append(hosts[i], p.host)
		}
	}
	s.net.Partition(hosts...)
}

// HealAll ends every Cut and Partition.
func (s *Stage) HealAll() { s.net.HealAll() }

// Kill ends the connections between two places with an error at both ends and
// returns how many there were.
func (s *Stage) Kill(a, b *Place) int { return s.net.Kill(a.host, b.host) }

// Orphans lists streams that are open at one end only, for longer than the
// news of their end can take.
func (s *Stage) Orphans() []string { return s.net.Orphans(0) }
