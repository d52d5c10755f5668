package view

import (
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
)

const (
	// DefaultRecords is how many decisions a Recorder keeps: about 60 MB in
	// memory, and a page that a browser opens in a second.
	DefaultRecords = 400_000
	// MaxSeries is how many gauges it keeps: five of forty machines.
	MaxSeries = 200
	// MaxPoints is how many changes of each it keeps: more than a screen has
	// columns.
	MaxPoints = 4_000
	// maxRare is how many faults and the like are kept of what is cut.
	maxRare = 10_000
)

// Recorder keeps the last decisions of a run. Of those that it has no room for
// it keeps the faults and the machines, so that what began long ago is shown.
// It is for one run and one goroutine.
type Recorder struct {
	limit  int
	recent []sim.Record // a ring once it is full
	oldest int          // its first
	rare   []sim.Record // older than all of recent
	seen   uint64
	since  uint64 // the first decision of which nothing was cut

	series []*Series
	byName map[string]*Series // for lookup only
}

// NewRecorder returns a recorder for so many decisions; zero is
// DefaultRecords.
func NewRecorder(limit int) *Recorder {
	if limit <= 0 {
		limit = DefaultRecords
	}
	return &Recorder{limit: limit, byName: map[string]*Series{}}
}

// Record keeps a decision. It is made to be scenario.Options.Trace.
func (r *Recorder) Record(x sim.Record) {
	r.seen++
	if len(r.recent) < r.limit {
		r.recent = append(r.recent, x)
		return
	}
	old := &r.recent[r.oldest]
	if rare(old.Kind) && len(r.rare) < maxRare {
		r.rare = append(r.rare, *old)
	}
	*old = x
	r.oldest = (r.oldest + 1) % r.limit
	r.since = r.recent[r.oldest].Decision + 1 // of this one parts may be missing
}

// rare reports whether decisions of the kind are few and shape all that
// follows.
func rare(k sim.Kind) bool {
	switch k {
	case sim.KindMachine, sim.KindCrash, sim.KindRestart, sim.KindPause, sim.KindResume, sim.KindClock, sim.KindSlow, sim.KindFault:
		return true
	}
	return false
}

// Records returns a copy of what was kept, in order.
func (r *Recorder) Records() []sim.Record {
	return slices.Concat(r.rare, r.recent[r.oldest:], r.recent[:r.oldest])
}

// Cut returns how many decisions were not kept, and the decision from which on
// all were. Both are zero when nothing was cut.
func (r *Recorder) Cut() (missing, since uint64) {
	return r.seen - uint64(len(r.recent)+len(r.rare)), r.since
}

// Sample notes the value of a gauge; limit is -1 when it has none. Only
// changes are kept. A name of the form "MACHINE NAME" is shown together with
// the same gauge of other machines. Names beyond MaxSeries are ignored.
func (r *Recorder) Sample(at time.Duration, event uint64, name string, value, limit int) {
	s := r.byName[name]
	if s == nil {
		if len(r.series) == MaxSeries {
			return
		}
		s = &Series{Name: name, Limit: limit}
		r.series = append(r.series, s)
		r.byName[name] = s
	}
	s.Limit = limit
	s.add(Point{at, event, value})
}

// Gauges returns a copy of the samples, in the order of the first ones.
func (r *Recorder) Gauges() []Series {
	var out []Series
	for _, s := range r.series {
		c := *s
		c.Points = slices.Clone(s.Points)
		out = append(out, c)
	}
	return out
}

func (s *Series) add(p Point) {
	if n := len(s.Points); n > 0 && s.Points[n-1].Value == p.Value {
		return
	}
	if len(s.Points) >= MaxPoints {
		s.thin()
	}
	s.Points = append(s.Points, p)
}

// thin leaves two of every four points: the least and the greatest, so that no
// peak is lost.
func (s *Series) thin() {
	kept := s.Points[:0]
	for four := range slices.Chunk(slices.Clone(s.Points), 4) {
		lo, hi := 0, 0
		for i := range four {
			if four[i].Value < four[lo].Value {
				lo = i
			}
			if four[i].Value > four[hi].Value {
				hi = i
			}
		}
		kept = append(kept, four[min(lo, hi)])
		if lo != hi {
			kept = append(kept, four[max(lo, hi)])
		}
	}
	s.Points, s.Thinned = kept, true
}

func splitLines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
