package scenario

import (
	"fmt"

	"github.com/maculamesh/macula/sim"
)

// Difference is where two runs that should have been one parted.
type Difference struct {
	First, Second sim.Record // zero when that run was over
	Known         bool       // false: they differ, but not within the decisions that are kept
}

// String shows both sides.
func (d *Difference) String() string {
	if !d.Known {
		return fmt.Sprintf("after the first %d decisions", maxKept)
	}
	return fmt.Sprintf("at decision %d, event %d:\n  first run:  %v\n  second run: %v", max(d.First.Decision, d.Second.Decision), max(d.First.Event, d.Second.Event), d.First, d.Second)
}

// maxKept bounds the memory of Compare: about 150 MB of records.
const maxKept = 1 << 20

// Compare plays a scenario twice with the same options and returns the first
// decision in which the runs differ, or nil. It keeps the decisions of the
// first run, so it is for runs that are known to differ; that they do is told
// by their hashes.
func Compare(sc *Scenario, opt Options) (*Difference, error) {
	var kept []sim.Record
	first := opt
	first.Trace = func(r sim.Record) {
		if len(kept) < maxKept {
			kept = append(kept, r)
		}
	}
	a, err := Play(sc, first)
	if err != nil {
		return nil, err
	}
	var diff *Difference
	n := 0
	second := opt
	second.Trace = func(r sim.Record) {
		switch {
		case diff != nil || n >= maxKept:
		case n >= len(kept):
			diff = &Difference{Second: r, Known: true}
		case kept[n] != r:
			diff = &Difference{First: kept[n], Second: r, Known: true}
		}
		n++
	}
	b, err := Play(sc, second)
	if err != nil {
		return nil, err
	}
	switch {
	case diff != nil:
		return diff, nil
	case n < len(kept):
		return &Difference{First: kept[n], Known: true}, nil
	case a.Hash != b.Hash:
		return &Difference{}, nil
	}
	return nil, nil
}
