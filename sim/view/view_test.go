package view_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/view"
)

// play records a scenario of the project's own.
func play(t *testing.T, name string, seed uint64) *view.Run {
	t.Helper()
	all := scenarios.All()
	i := slices.IndexFunc(all, func(s *scenario.Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no scenario %s", name)
	}
	rec := view.NewRecorder(0)
	res, err := scenario.Play(all[i], scenario.Options{Seed: seed, Trace: rec.Record})
	if err != nil {
		t.Fatal(err)
	}
	return view.Of(res, rec)
}

func TestARealRunCanBeShownInEveryForm(t *testing.T) {
	run := play(t, "mesh-4", 1)
	if !slices.Equal(run.Machines, []string{"n0", "n1", "n2", "n3", "director", "network"}) && !slices.Equal(run.Machines, []string{"n0", "n1", "n2", "n3", "network", "director"}) {
		t.Errorf("the machines are %v", run.Machines)
	}
	messages := 0
	for i := range run.Records {
		r := &run.Records[i]
		if r.Kind != sim.KindDeliver {
			continue
		}
		messages++
		if r.Peer == "" || r.Took < 0 || r.Took > r.At || r.Text == "" {
			t.Fatalf("a message cannot be drawn: %+v", *r)
		}
	}
	if messages == 0 {
		t.Error("there are no messages")
	}
	if len(view.Spans(run.Records, run.Simulated)) == 0 {
		t.Error("a scenario with faults has no spans")
	}
	var page, trace, lines bytes.Buffer
	for _, err := range []error{view.HTML(&page, run), view.Perfetto(&trace, run), view.JSONL(&lines, run)} {
		if err != nil {
			t.Error(err)
		}
	}
	const most = 6 << 20
	if bytesEach := page.Len() * 100_000 / int(run.Events); bytesEach > most {
		t.Errorf("a page of 100,000 such events takes %d bytes, want at most %d", bytesEach, most)
	}
	again, err := view.ReadJSONL(&lines)
	if err != nil {
		t.Fatal(err)
	}
	if d := view.Diff(run, again); d != nil {
		t.Errorf("the run and what was read of it differ: %v", d)
	}
}

func TestTwoSeedsPartSomewhere(t *testing.T) {
	if d := view.Diff(play(t, "caller-death", 1), play(t, "caller-death", 2)); d == nil || d.Hidden {
		t.Errorf("got %v", d)
	}
}
