package door

import "github.com/maculamesh/macula/node/bounded"

// Stats returns the books of the connections, under that name.
func (s *Server) Stats(name string) bounded.Stats {
	return bounded.Stats{
		Name: name, Entries: len(s.lis.free), Limit: cap(s.lis.free),
		Peak: int(s.lis.peak.Load()), Refused: s.lis.refused.Load(),
	}
}
