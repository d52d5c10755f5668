package scenarios_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/scenario"
)

// small are the parameters at which a scenario takes a moment; what they show
// is the same.
var small = map[string]map[string]string{
	"pool-bound":   {"cap": "20", "peers": "30"},
	"load":         {"cap": "20", "peers": "30", "limit": "10", "clients": "15", "leaving": "6", "callers": "4"},
	"client-limit": {"full-limit": "0"},
	"soak":         {"minutes": "1", "pool": "5", "clients": "4", "owned": "8", "rate": "20", "stay": "20s"},
}

// seeds is how many seeds each scenario is played with; with -short, as under
// the race detector, fewer, and then not everything has to be met.
const seeds, shortSeeds = 50, 10

// catalogueSeeds is how many seeds each of the many scenarios of the catalogue
// is played with, and in how many each must have met what it names.
const catalogueSeeds = 20

// moreSeeds are for those in which what has to be met is rarer than that.
var moreSeeds = map[string]int{"pool-bound": 300}

func play(t testing.TB, s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	t.Helper()
	r, err := scenario.Play(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Held() {
		t.Errorf("%s seed %d: %v\n%v\n%v\n%s", s.Name, opt.Seed, r.Failure, r.Failure.Waiting, r.Failure.Leaks, r.Failure.Stack)
	}
	return r
}

// sweep plays seeds 1 to n on every processor and returns the results in the
// order of the seeds.
func sweep(t *testing.T, s *scenario.Scenario, set map[string]string, n int) []*scenario.Result {
	t.Helper()
	out := make([]*scenario.Result, n)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n || t.Failed() {
					return
				}
				r, err := scenario.Play(s, scenario.Options{Seed: uint64(i + 1), Set: set})
				if err != nil {
					t.Error(err)
					return
				}
				out[i] = r
				if !r.Held() {
					t.Errorf("seed %d: %v\n%v\n%v\n%s", i+1, r.Failure, r.Failure.Waiting, r.Failure.Leaks, r.Failure.Stack)
				}
			}
		}()
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return out
}

func TestEveryScenarioHoldsInEverySeed(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			n, enough := max(seeds, moreSeeds[s.Name]), seeds
			if s.Group == scenarios.Catalogue {
				n, enough = catalogueSeeds, catalogueSeeds
			}
			if testing.Short() {
				n = min(n, shortSeeds)
			}
			results := sweep(t, s, small[s.Name], n)
			hashes := map[uint64]bool{}
			met := map[string]uint64{}
			for _, r := range results {
				hashes[r.Hash] = true
				for _, m := range r.Marks {
					met[m.Name] += m.N
				}
				for _, c := range r.Checks {
					if c.N == 0 {
						t.Errorf("seed %d: %q was never evaluated", r.Seed, c.Name)
					}
				}
			}
			if len(hashes) != len(results) {
				t.Errorf("%d seeds took %d different paths", len(results), len(hashes))
			}
			for _, name := range s.Sometimes {
				if met[name] == 0 && n >= enough {
					t.Errorf("%q was met in none of %d seeds; met: %v", name, len(results), slices.Sorted(maps.Keys(met)))
				}
			}
		})
	}
}

func TestASeedIsTheSameRunAgain(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			last := uint64(3)
			if s.Group == scenarios.Catalogue {
				last = 1
			}
			for seed := uint64(1); seed <= last; seed++ {
				opt := scenario.Options{Seed: seed, Set: small[s.Name]}
				want := play(t, s, opt)
				play(t, s, scenario.Options{Seed: seed + 100, Set: small[s.Name]})
				again := play(t, s, opt)
				prev := runtime.GOMAXPROCS(1)
				alone := play(t, s, opt)
				runtime.GOMAXPROCS(prev)
				for way, got := range map[string]*scenario.Result{"after another seed": again, "at GOMAXPROCS=1": alone} {
					if got.Hash != want.Hash || got.Events != want.Events {
						diff, err := scenario.Compare(s, opt)
						t.Errorf("seed %d %s: %d events, hash %016x; at first %d events, %016x; %v %v", seed, way, got.Events, got.Hash, want.Events, want.Hash, diff, err)
					}
				}
			}
		})
	}
}

// The caller of caller-death crashes in the end: how busy it was before counts.
func TestThePeaksOfANodeThatCrashesAreShown(t *testing.T) {
	i := slices.IndexFunc(scenarios.All(), func(s *scenario.Scenario) bool { return s.Name == "caller-death" })
	r := play(t, scenarios.All()[i], scenario.Options{Seed: 1})
	for _, want := range []scenario.Gauge{{Name: "handlers", Limit: 10_000, Peak: 3}, {Name: "own calls in flight", Limit: -1, Peak: 3}} {
		if !slices.ContainsFunc(r.Gauges, func(g scenario.Gauge) bool {
			return g.Name == want.Name && g.Limit == want.Limit && g.Peak >= want.Peak
		}) {
			t.Errorf("%+v, want one of %q with the limit %d and a peak of %d at least", r.Gauges, want.Name, want.Limit, want.Peak)
		}
	}
}

// Full scale is what the scenarios do when nothing is set.
func TestFullScale(t *testing.T) {
	if testing.Short() {
		t.Skip("ten runs with thousands of machines each; the small ones run with -short too")
	}
	for _, s := range scenarios.All() {
		if s.Name != "pool-bound" && s.Name != "client-limit" {
			continue // the others have one scale
		}
		t.Run(s.Name, func(t *testing.T) {
			for _, r := range sweep(t, s, nil, 5) {
				t.Log(r.Seed, r.Facts, fmt.Sprintf("%016x", r.Hash))
			}
		})
	}
}

func TestTheOtherStrategiesHoldToo(t *testing.T) {
	for _, s := range scenarios.All() {
		play(t, s, scenario.Options{Seed: 1, Strategy: "fifo", Set: small[s.Name]})
		for seed := range uint64(5) {
			play(t, s, scenario.Options{Seed: seed, Strategy: "pct:3", Set: small[s.Name]})
		}
	}
}

func TestImpossibleParametersAreRefused(t *testing.T) {
	for _, s := range scenarios.All() {
		if _, err := scenario.Play(s, scenario.Options{Set: map[string]string{"no-such": "1"}}); err == nil {
			t.Errorf("%s takes a parameter that it does not have", s.Name)
		}
		for _, p := range s.Params {
			if _, err := scenario.Play(s, scenario.Options{Set: map[string]string{p.Name: "-1"}}); err == nil {
				t.Errorf("%s takes %s=-1", s.Name, p.Name)
			}
		}
	}
}
