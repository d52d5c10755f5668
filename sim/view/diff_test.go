package view_test

import (
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/view"
)

func traced(n int, change map[int]string) *view.Run {
	run := &view.Run{Hash: 1}
	for i := range n {
		r := sim.Record{Decision: uint64(i + 1), Event: uint64(i), Kind: sim.KindLog, Machine: "n0", Text: "same"}
		if text, ok := change[i]; ok {
			r.Text, run.Hash = text, 2
		}
		run.Records = append(run.Records, r)
	}
	return run
}

func TestEqualTracesDoNotDiffer(t *testing.T) {
	if d := view.Diff(traced(50, nil), traced(50, nil)); d != nil {
		t.Errorf("got %v", d)
	}
}

func TestTheFirstDivergenceIsShownWithWhatCameBefore(t *testing.T) {
	d := view.Diff(traced(50, nil), traced(50, map[int]string{30: "other", 40: "later"}))
	if d == nil || d.Decision != 31 || d.Common != 30 || len(d.Before) != view.Before || d.A.Text != "same" || d.B.Text != "other" {
		t.Fatalf("got %+v", d)
	}
	if d.Before[view.Before-1].Decision != 30 {
		t.Errorf("the last one before is %v", d.Before[view.Before-1])
	}
	if s := d.String(); !strings.Contains(s, "decision 31") || !strings.Contains(s, "other") {
		t.Errorf("it says %q", s)
	}
}

func TestATraceThatEndsEarlierDiffersThere(t *testing.T) {
	d := view.Diff(traced(20, nil), traced(50, nil))
	if d == nil || d.A != nil || d.B == nil || d.Decision != 21 || !strings.Contains(d.String(), "a is over") {
		t.Errorf("got %+v", d)
	}
}

func TestTracesThatDifferFromTheStartHaveNothingBefore(t *testing.T) {
	if d := view.Diff(traced(5, nil), traced(5, map[int]string{0: "other"})); d == nil || len(d.Before) != 0 || d.Decision != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestOfCutTracesThatIsComparedWhichBothHaveKept(t *testing.T) {
	a, b := traced(50, nil), traced(50, map[int]string{3: "other"})
	b.Since, b.Cut = 21, 19
	b.Records = append(b.Records[3:4:4], b.Records[20:]...) // a fault that was kept, and the rest
	d := view.Diff(a, b)
	if d == nil || !d.Hidden || d.Common != 30 || !strings.Contains(d.String(), "hashes differ") {
		t.Errorf("got %+v", d)
	}
}
