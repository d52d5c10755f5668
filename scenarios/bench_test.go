package scenarios_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
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

func planned(b *testing.B, text string) *scenario.Scenario {
	p, err := plan.Parse("bench", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	s, err := scenario.FromPlan(p, scenarios.Systems()...)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkQuietHour is one simulated hour of a mesh in which nobody calls:
// keep-alives, renewals and the cleanup of every node, at a thousand nodes
// with eight connections each.
func BenchmarkQuietHour(b *testing.B) {
	for _, nodes := range []int{100, 1000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			text := fmt.Sprintf("plan quiet\nsystem mesh\nnode n count=%d degree=8\nlink latency=20ms\ncalm 1h\n", nodes)
			events := 0
			s := planned(b, text)
			s.Limit = 2 * time.Hour
			for b.Loop() {
				events += play(b, s, scenario.Options{Seed: 1}).Events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkBusyHour is one simulated hour of four nodes that make a hundred
// calls a second together, under faults and with every checker on.
func BenchmarkBusyHour(b *testing.B) {
	var text strings.Builder
	text.WriteString("plan busy\nsystem mesh\nnode n count=4\nlink latency=5ms jitter=1ms\n")
	for i := range 4 {
		fmt.Fprintf(&text, "at 0s advertise n%d s%d\nfrom 1s to 1h every 40ms call n%d s%d\n", i, i, i, (i+1)%4)
	}
	text.WriteString("from 10s to 3500s draw 60 fault\ncalm 3600s\nwithin 1m answered\nwithin 3m converged\n")
	s := planned(b, text.String())
	s.Limit = 2 * time.Hour
	calls := 0
	seed := uint64(0)
	for b.Loop() {
		seed++
		play(b, s, scenario.Options{Seed: seed})
		calls += 4 * 90_000
	}
	b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(48*b.Elapsed().Seconds()/float64(b.N), "s/48h")
}

// BenchmarkIdle is what a task that waits takes, and a machine with three of
// them.
func BenchmarkIdle(b *testing.B) {
	for _, per := range []int{1, 3} {
		b.Run(fmt.Sprintf("tasks=%d", per), func(b *testing.B) {
			const machines = 2000
			for b.Loop() {
				before := heap()
				w := sim.New(sim.Config{Seed: 1})
				for i := range machines {
					m := w.Machine(fmt.Sprint("m", i))
					for range per {
						m.Go("idle", func() { m.NewParker().Park(context.Background()) })
					}
				}
				if err := w.RunFor(time.Second); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(heap()-before)/machines, "B/machine")
				w.Close()
			}
		})
	}
}

// heap is the memory that is in use, stacks too.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
