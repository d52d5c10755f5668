package view_test

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/view"
)

func TestARecorderKeepsTheLastDecisionsAndTheFaultsBefore(t *testing.T) {
	rec := view.NewRecorder(10)
	for i := 1; i <= 100; i++ {
		kind := sim.KindPick
		if i == 5 {
			kind = sim.KindCrash
		}
		rec.Record(sim.Record{Decision: uint64(i), Kind: kind, Machine: "n0"})
	}
	got := rec.Records()
	if len(got) != 11 || got[0].Kind != sim.KindCrash || got[0].Decision != 5 {
		t.Fatalf("%d records, the first is %v; want the crash and the last ten", len(got), got[0])
	}
	for i, r := range got[1:] {
		if r.Decision != uint64(91+i) {
			t.Errorf("record %d is decision %d, want %d", i+1, r.Decision, 91+i)
		}
	}
	if missing, since := rec.Cut(); missing != 89 || since != 92 {
		t.Errorf("%d are missing, it is complete since %d; want 89 and 92", missing, since)
	}
}

func TestARecorderWithRoomCutsNothing(t *testing.T) {
	rec := view.NewRecorder(0)
	rec.Record(sim.Record{Decision: 1, Kind: sim.KindPick})
	if missing, since := rec.Cut(); missing != 0 || since != 0 {
		t.Errorf("%d are missing, since %d", missing, since)
	}
}

func TestAGaugeKeepsChangesOnly(t *testing.T) {
	rec := view.NewRecorder(0)
	for i := range 100 {
		rec.Sample(time.Duration(i), uint64(i), "n0 pool", i/10, 8)
	}
	g := rec.Gauges()
	if len(g) != 1 || len(g[0].Points) != 10 || g[0].Points[3] != (view.Point{At: 30, Event: 30, Value: 3}) || g[0].Limit != 8 {
		t.Errorf("got %+v", g)
	}
}

func TestAThinnedGaugeLosesNoPeak(t *testing.T) {
	rec := view.NewRecorder(0)
	const n = 20 * view.MaxPoints
	for i := range n {
		v := i % 2
		switch i {
		case 7_001:
			v = 99
		case 50_000:
			v = -7
		}
		rec.Sample(time.Duration(i), uint64(i), "calls", v, -1)
	}
	g := rec.Gauges()[0]
	if len(g.Points) > view.MaxPoints || !g.Thinned {
		t.Errorf("%d points, thinned: %v", len(g.Points), g.Thinned)
	}
	most, least := 0, 0
	for i, p := range g.Points {
		most, least = max(most, p.Value), min(least, p.Value)
		if i > 0 && p.At <= g.Points[i-1].At {
			t.Fatalf("point %d is at %v, after one at %v", i, p.At, g.Points[i-1].At)
		}
	}
	if most != 99 || least != -7 {
		t.Errorf("the extremes are %d and %d, want 99 and -7", most, least)
	}
}

func TestGaugesBeyondTheLimitAreIgnored(t *testing.T) {
	rec := view.NewRecorder(0)
	for i := range 2 * view.MaxSeries {
		rec.Sample(0, 0, string(rune('a'+i)), 1, -1)
	}
	if n := len(rec.Gauges()); n != view.MaxSeries {
		t.Errorf("%d series, want %d", n, view.MaxSeries)
	}
}
