package clients

import "github.com/maculamesh/macula/node/bounded"

// Tables returns the books of the table of sessions.
func (t *Table[C]) Tables() []bounded.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byID.Stats()
	s.Refused = t.counts.Refused // the table is not asked when it is full
	return []bounded.Stats{s}
}
