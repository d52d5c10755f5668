package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// madeRun is a run of one node: a warm-up, a rest, so many seconds of load and
// a rest. change sees every sample before it is kept.
func madeRun(length float64, change func(s *sample)) []*watched {
	w := &watched{Name: "n0", Pool: 8, Clients: 50}
	r := rand.New(rand.NewPCG(1, 2))
	add := func(phase string, from, to, step float64) {
		for at := from; at < to; at += step {
			s := sample{At: at, Phase: phase, RSS: 22 << 20, FDs: 12, HeapLive: 1.2 * (1 << 20), Goroutines: 42, Leases: 9, Ledger: 195 << 10, Pool: 3, Services: 4, Streams: 9}
			if phase == phaseLoad || phase == phaseWarm {
				s.HeapLive, s.RSS = 4<<20+r.NormFloat64()*(300<<10), 27<<20+r.NormFloat64()*(1<<20)
				s.Goroutines, s.Leases, s.Pool, s.Clients, s.Services, s.Streams = 330, 190, 8, 50, 80+r.NormFloat64()*10, 120
			}
			if change != nil {
				change(&s)
			}
			w.Samples = append(w.Samples, s)
		}
	}
	end := 170 + length
	add(phaseWarm, 10, 70, 2)
	add(phaseSettle, 70, 150, 2)
	add(phaseKnock, 150, 160, 1)
	add(phaseRest, 160, 165, 1)
	add(phaseLoad, 170, end, 2)
	add(phaseSettle, end, end+70, 2)
	add(phaseKnock, end+70, end+80, 1)
	add(phaseRest, end+80, end+85, 1)
	return []*watched{w}
}

func TestAFlatRunIsFlat(t *testing.T) {
	for _, length := range []float64{60, 180, 1800, 24 * 3600} {
		if v := judge(madeRun(length, nil)); !v.Flat || len(v.Findings) < 10 {
			t.Errorf("%v s: %+v", length, v.failed())
		}
	}
}

// red demands that one finding, and no other, is not as it should be.
func red(t *testing.T, nodes []*watched, what string) {
	t.Helper()
	v := judge(nodes)
	failed := v.failed()
	if v.Flat || len(failed) != 1 || !strings.Contains(failed[0].What, what) {
		t.Errorf("want one finding, %q; got %+v", what, failed)
	}
}

func TestALeakOfOneKiBASecondIsSeenInThreeMinutes(t *testing.T) {
	for _, length := range []float64{180, 600, 1800} {
		v := judge(madeRun(length, func(s *sample) { s.HeapLive += leak * s.At }))
		failed := v.failed()
		if v.Flat || len(failed) == 0 || !strings.Contains(failed[0].What+failed[len(failed)-1].What, "live heap at rest") {
			t.Errorf("in %v s: %+v", length, failed)
		}
	}
}

// A collection that ran for long has counted what was allocated meanwhile.
func TestWhatOneCollectionCountsTooMuchIsNoLeak(t *testing.T) {
	if v := judge(madeRun(180, func(s *sample) {
		if s.Phase == phaseRest || s.Phase == phaseKnock && int(s.At)%3 > 0 {
			s.HeapLive += math.Mod(s.At, 7) * (200 << 10)
		}
	})); !v.Flat {
		t.Errorf("%+v", v.failed())
	}
}

// A leak of that size is seen under load too, when there is time.
func TestALeakIsSeenUnderLoadInHalfAnHour(t *testing.T) {
	red(t, madeRun(1800, func(s *sample) {
		if s.Phase == phaseLoad { // and it is gone at rest
			s.HeapLive += 1.5 * leak * s.At
		}
	}), "live heap does not grow under load")
}

func TestHalfOfTheLeakIsWithinTheBound(t *testing.T) {
	if v := judge(madeRun(1800, func(s *sample) { s.HeapLive += leak / 4 * s.At })); !v.Flat {
		t.Errorf("%+v", v.failed())
	}
}

func TestResidentMemoryThatGrowsIsRed(t *testing.T) {
	red(t, madeRun(1800, func(s *sample) {
		if s.Phase == phaseLoad {
			s.RSS += 3 * rssBound * s.At
		}
	}), "resident memory does not grow under load")
	red(t, madeRun(120, func(s *sample) {
		if s.Phase == phaseRest && s.At > 200 {
			s.RSS += 2 * rssRest
		}
	}), "resident memory at rest")
}

func TestOneMoreOfAnythingAtRestIsRed(t *testing.T) {
	after := func(f func(s *sample)) func(s *sample) {
		return func(s *sample) {
			if s.At > 1000 && s.Phase == phaseRest {
				f(s)
			}
		}
	}
	for what, f := range map[string]func(s *sample){
		"goroutines":          func(s *sample) { s.Goroutines++ },
		"descriptors":         func(s *sample) { s.FDs++ },
		"leases":              func(s *sample) { s.Leases++ },
		"bytes in the ledger": func(s *sample) { s.Ledger += 100 },
		"clients":             func(s *sample) { s.Clients++ },
		"services":            func(s *sample) { s.Services++ },
		"streams":             func(s *sample) { s.Streams++ },
	} {
		red(t, madeRun(1800, after(f)), what)
	}
}

func TestACapThatIsPassedOrNeverReachedIsRed(t *testing.T) {
	red(t, madeRun(600, func(s *sample) {
		if s.At > 300 && s.At < 303 {
			s.Clients = 51
		}
	}), "clients at its cap")
	red(t, madeRun(600, func(s *sample) { s.Pool = min(s.Pool, 7) }), "pool at its cap")
	red(t, madeRun(600, func(s *sample) {
		if s.Phase == phaseLoad && s.At > 300 {
			s.Clients = 10
		}
	}), "clients at its cap")
}

func TestARunThatEndsBeforeItsRestIsRed(t *testing.T) {
	nodes := madeRun(600, nil)
	nodes[0].Samples = nodes[0].Samples[:len(nodes[0].Samples)-10]
	red(t, nodes, "at rest it holds what it held before")
}

// What a few minutes do under load says nothing of what hours do.
func TestAShortLoadIsJudgedByItsRestsAlone(t *testing.T) {
	if v := judge(madeRun(180, func(s *sample) {
		if s.Phase == phaseLoad {
			s.HeapLive, s.RSS = s.HeapLive+20*leak*s.At, s.RSS+30*leak*s.At
		}
	})); !v.Flat {
		t.Errorf("%+v", v.failed())
	}
}

// Where there is no /proc nothing is said of resident memory.
func TestARunWithoutResidentMemoryIsJudgedByTheRest(t *testing.T) {
	nodes := madeRun(600, func(s *sample) { s.RSS, s.FDs = 0, 0 })
	v := judge(nodes)
	for _, f := range v.Findings {
		if strings.Contains(f.What, "resident") {
			t.Errorf("%+v", f)
		}
	}
	if !v.Flat {
		t.Errorf("%+v", v.failed())
	}
}

func TestSizesArePrinted(t *testing.T) {
	for v, want := range map[float64]string{0: "0 B", 999: "999 B", -512: "-512 B", 1024: "1.0 KiB", 3 << 20: "3.00 MiB", -5 << 10: "-5.0 KiB"} {
		if got := size(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
