package top

import (
	"cmp"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// readiness is "ready", or another word with the reason, which may be empty.
func readiness(s *control.Status) (state, why string) {
	switch {
	case s.Draining:
		return "draining", ""
	case !s.Ready:
		return "not ready", s.NotReady
	}
	return "ready", ""
}

// acting is the limit that counts at the moment: load adaptation may have
// lowered it.
func acting(now, configured int) int {
	return min(cmp.Or(now, configured), configured)
}
