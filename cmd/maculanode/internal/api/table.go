package api

import "github.com/maculamesh/macula/node/bounded"

// Stats returns the books of the server's connections.
func (s *Server) Stats() bounded.Stats { return s.door.Stats("api connections") }
