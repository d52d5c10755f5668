package rpc

import (
	"testing"

	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/rt/realrt"
)

// The line is seldom empty when a node is busy, and must not remember all who
// ever stood in it.
func TestALineThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	s := NewServer(ServerConfig{}, ServerDeps{Runtime: realrt.New(realrt.Config{})})
	s.coming = true // no task comes: this test takes its place
	s.put(running{in: &link.Inbound{}})
	for range 10_000 {
		next := &link.Inbound{}
		s.put(running{in: next})
		s.take(false)
		if s.line[s.begun].in != next {
			t.Fatal("it is out of order")
		}
	}
	if len(s.line) > 8 || cap(s.line) > 8 {
		t.Errorf("it has %d places and room for %d, with one call that waits", len(s.line), cap(s.line))
	}
	s.take(false)
	if _, ok := s.take(false); ok || len(s.line) > 0 {
		t.Errorf("the empty line has %d places", len(s.line))
	}
}

// One call comes and one goes while many wait.
func BenchmarkLongLine(b *testing.B) {
	s := NewServer(ServerConfig{}, ServerDeps{Runtime: realrt.New(realrt.Config{})})
	s.coming = true
	in := &link.Inbound{}
	for len(s.line) < 8192 || len(s.line) < cap(s.line) {
		s.put(running{in: in})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.take(false)
		s.put(running{in: in})
	}
}
