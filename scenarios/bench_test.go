package scenarios_test

import (
	"testing"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/scenario"
)

// BenchmarkScenario plays whole scenarios with every checker on: at limit 100,
// and at the full scale of those that have one.
func BenchmarkScenario(b *testing.B) {
	at100 := map[string]map[string]string{
		"pool-bound":   {"cap": "100", "peers": "150"},
		"client-limit": {"full-limit": "0"},
	}
	full := map[string]map[string]string{"pool-bound": nil, "client-limit": {"limit": "10000", "clients": "10500", "full-limit": "0"}}
	for _, s := range scenarios.All() {
		b.Run(s.Name, func(b *testing.B) { bench(b, s, at100[s.Name]) })
		if set, ok := full[s.Name]; ok {
			b.Run(s.Name+"/full", func(b *testing.B) { bench(b, s, set) })
		}
	}
}

func bench(b *testing.B, s *scenario.Scenario, set map[string]string) {
	events, seed := 0, uint64(0)
	for b.Loop() {
		seed++
		events += play(b, s, scenario.Options{Seed: seed, Set: set}).Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
