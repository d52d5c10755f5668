package logs

import "github.com/maculamesh/macula/node/bounded"

// Stats returns the books of the keys whose lines are counted. A full table
// forgets its oldest key for a new one, so it refuses nobody.
func (l *Log) Stats() bounded.Stats {
	l.lim.mu.Lock()
	defer l.lim.mu.Unlock()
	return bounded.Stats{Name: "log keys", Entries: len(l.lim.keys), Limit: l.lim.cfg.Keys, Peak: len(l.lim.past)}
}
