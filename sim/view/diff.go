package view

import (
	"fmt"
	"strings"

	"github.com/maculamesh/macula/sim"
)

// Before is how many decisions in front of a divergence a Difference keeps.
const Before = 8

// Difference is where two traces part.
type Difference struct {
	Decision uint64       // the number of the first decision that differs
	Common   uint64       // how many decisions were compared and equal
	Before   []sim.Record // the last of those, at most Before
	A, B     *sim.Record  // what each did then; nil when that trace was over
	Hidden   bool         // the kept decisions are the same, but the hashes are not
}

// Diff returns the first decision in which two traces differ, or nil when
// there is none. Of traces that were cut it compares what both have kept; if
// that is the same and the hashes differ, the difference is Hidden.
func Diff(a, b *Run) *Difference {
	from := max(a.Since, b.Since)
	left, right := since(a.Records, from), since(b.Records, from)
	n := 0
	for n < len(left) && n < len(right) && left[n] == right[n] {
		n++
	}
	d := &Difference{Common: uint64(n), Before: left[max(0, n-Before):n]}
	if n < len(left) {
		d.A = &left[n]
		d.Decision = d.A.Decision
	}
	if n < len(right) {
		d.B = &right[n]
		d.Decision = d.B.Decision
	}
	if d.A != nil && d.B != nil {
		d.Decision = min(d.A.Decision, d.B.Decision)
	}
	if d.A == nil && d.B == nil {
		if a.Hash == b.Hash {
			return nil
		}
		d.Hidden = true
	}
	return d
}

// since is what follows of a trace from a decision on; zero is all of it.
func since(records []sim.Record, decision uint64) []sim.Record {
	for i := range records {
		if records[i].Decision >= decision {
			return records[i:]
		}
	}
	return nil
}

// String shows both sides under what they have in common.
func (d *Difference) String() string {
	if d.Hidden {
		return fmt.Sprintf("the hashes differ, but the %d decisions that both have kept do not", d.Common)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "they part at decision %d, after %d that are the same\n", d.Decision, d.Common)
	for i := range d.Before {
		fmt.Fprintf(&b, "  %v\n", d.Before[i])
	}
	fmt.Fprintf(&b, "a %s\nb %s", side(d.A), side(d.B))
	return b.String()
}

func side(r *sim.Record) string {
	if r == nil {
		return "is over"
	}
	return r.String()
}
