package registry

import "github.com/maculamesh/macula/node/bounded"

// Tables returns the books of the table of entries.
func (g *Registry[L]) Tables() []bounded.Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.entries.Stats()
	s.Refused = max(s.Refused, g.counts.Refused) // by the limit of an owner or a name too
	return []bounded.Stats{s}
}
