//go:build ops

package viewtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/view"
)

// maker draws a run that has something of everything.
type maker struct {
	r        *rand.Rand
	rec      *view.Recorder
	at       time.Duration
	event    uint64
	decision uint64
	names    []string
	down     int
	pools    []int
}

// large is a run of so many machines and events, with a failure at its end.
func large(machines, events int) *view.Run {
	m := &maker{r: rand.New(rand.NewPCG(1, 2)), rec: view.NewRecorder(0), down: -1, pools: make([]int, machines)}
	m.record(sim.Record{Kind: sim.KindMachine, Machine: "director"})
	m.record(sim.Record{Kind: sim.KindMachine, Machine: "network"})
	for i := range machines {
		m.names = append(m.names, fmt.Sprintf("n%d", i))
		m.record(sim.Record{Kind: sim.KindMachine, Machine: m.names[i]})
	}
	for m.event < uint64(events) {
		m.event++
		m.at += time.Duration(m.r.IntN(900_000))
		m.step(int(m.event), events)
	}
	return &view.Run{
		Scenario: "pool-bound", Seed: 4217, Strategy: "random", Params: []string{"cap=8", fmt.Sprintf("peers=%d", machines)},
		Hash: 0x9f03a41be2270c55, Version: "v0.4.1", Again: "simrun run pool-bound --seed 4217 --set cap=8",
		Plan: []string{
			"plan pool-bound", "seed 4217", "", fmt.Sprintf("nodes %d  pool.cap 8", machines), "link all  latency 20ms jitter 5ms loss 1%", "",
			"at 4s   partition n0 n1 n2 | n3 n4", "at 9s   heal all", "at 12s  crash n5", "at 15s  restart n5", "", "always  pool <= cap", "eventually 30s  converged",
		},
		Facts:  []string{"41,230 calls: 41,102 answered, 128 failed", "none ran twice without leave"},
		Events: m.event, Simulated: m.at, Records: m.rec.Records(), Gauges: m.rec.Gauges(),
		Failure: &view.Failure{
			Property: "pool stays within its cap", Saw: "n3 holds 9 connections, the cap is 8", Event: m.event - 900, At: m.when(m.event - 900),
			Waiting: []string{"n3 pool/get#4417 waits on the gate of pool.Get, since 12.4s (node/pool/pool.go:118)", "n7 rpc/call#5120 waits for an answer of n3, since 12.9s (node/rpc/caller.go:203)"},
			Leaks:   []string{"task pool/dial#4419 of n3, started at node/pool/dial.go:77", "connection #318 n3 – n7, dialled at node/pool/dial.go:102"},
		},
	}
}

func (m *maker) record(r sim.Record) {
	m.decision++
	r.Decision, r.Event, r.At = m.decision, m.event, m.at
	m.rec.Record(r)
}

// when is the time of an event.
func (m *maker) when(event uint64) time.Duration {
	at := time.Duration(0)
	for _, r := range m.rec.Records() {
		if r.Event > event {
			break
		}
		at = r.At
	}
	return at
}

func (m *maker) step(i, events int) {
	m.story(i, events)
	r, n := m.r, m.r.IntN(len(m.names))
	if n == m.down {
		return
	}
	name, task := m.names[n], []string{"link/flush", "link/read", "rpc/call", "pool/dial", "node/cleanup"}[r.IntN(5)]
	id := uint64(100 + r.IntN(40)*10 + n)
	switch k := r.IntN(100); {
	case k < 38:
		m.message(n, name)
	case k < 50:
		m.record(sim.Record{Kind: sim.KindTimer, Machine: name, A: m.event, B: uint64(m.at)})
	default:
		m.record(sim.Record{Kind: sim.KindPick, Machine: name, Task: task, TaskID: id, A: id, B: uint64(sim.KindPick)<<56 | uint64(100+r.IntN(400))})
		if r.IntN(4) == 0 {
			m.record(sim.Record{Kind: sim.KindRand, Machine: name, Task: task, TaskID: id, A: r.Uint64(), B: r.Uint64()})
		}
		if r.IntN(60) == 0 {
			text := []string{
				`level=INFO msg="peer up" peer=8z7n4e5n addr=10.0.0.1:4433 dialled=false`, `level=INFO msg="session attached" client=k2x9`,
				`level=WARN msg="dial failed" peer=n3 err="link: refused"`, `level=INFO msg="peer down" peer=8z7n4e5n reason="idle timeout"`,
			}[r.IntN(4)]
			m.record(sim.Record{Kind: sim.KindLog, Machine: name, Task: task, TaskID: id, Text: text})
		}
		if r.IntN(900) == 0 {
			m.record(sim.Record{Kind: sim.KindNote, Task: task, TaskID: id, Text: "duplicate refused"})
		}
	}
	if r.IntN(25) == 0 {
		m.pools[n] = max(0, min(8, m.pools[n]+r.IntN(3)-1))
		m.rec.Sample(m.at, m.event, name+" pool", m.pools[n], 8)
		m.rec.Sample(m.at, m.event, "calls in flight", m.pools[n]*7+r.IntN(9), -1)
		m.rec.Sample(m.at, m.event, "clients", m.pools[n]*11, 10_000)
	}
}

func (m *maker) message(n int, name string) {
	to := (n + 1 + m.r.IntN(len(m.names)-1)) % len(m.names)
	p := sim.Record{
		Kind: sim.KindDeliver, Machine: m.names[to], Peer: name, Took: time.Duration(15_000_000 + m.r.IntN(12_000_000)),
		A: uint64(n*10+to) << 32, B: 1<<56 | uint64(m.r.IntN(100_000)),
	}
	p.Text = fmt.Sprintf("data to %d, stream %d of #%d", p.B&0xffffff, m.r.IntN(40)*4, n*10+to)
	p.Took = min(p.Took, m.at)
	if m.r.IntN(80) == 0 || to == m.down {
		p.Kind, p.Took = sim.KindDrop, 0
	}
	m.record(p)
}

// story is what happens at set points of the run.
func (m *maker) story(i, events int) {
	mark := func(percent int) bool { return i == events*percent/100 }
	fault := func(machine, text string) { m.record(sim.Record{Kind: sim.KindFault, Machine: machine, Text: text}) }
	switch {
	case mark(12):
		fault("n0", "cut to n2")
		fault("n2", "cut to n0")
	case mark(18):
		fault("n0", "heal to n2")
		fault("n2", "heal to n0")
	case mark(30):
		half := len(m.names) / 2
		fault("", fmt.Sprintf("partition 1, group 1: %s", join(m.names[:half])))
		fault("", fmt.Sprintf("partition 1, group 2: %s", join(m.names[half:])))
	case mark(42):
		fault("", "heal all")
	case mark(48):
		m.down = 3
		m.record(sim.Record{Kind: sim.KindCrash, Machine: "n3", A: 1})
	case mark(56):
		m.down = -1
		m.record(sim.Record{Kind: sim.KindRestart, Machine: "n3", A: 2})
	case mark(63):
		m.record(sim.Record{Kind: sim.KindPause, Machine: "n1"})
	case mark(66):
		m.record(sim.Record{Kind: sim.KindResume, Machine: "n1"})
	case mark(72):
		m.record(sim.Record{Kind: sim.KindSlow, Machine: "n2", A: uint64(5 * time.Millisecond)})
	case mark(80):
		m.record(sim.Record{Kind: sim.KindSlow, Machine: "n2"})
	case mark(84):
		fault("n1", "kill 2 connections with n3")
	case mark(90):
		fault("n0", "stall handshakes: true")
	}
}

func join(names []string) string {
	s := names[0]
	for _, n := range names[1:] {
		s += " " + n
	}
	return s
}

// real is a run of the scenario mesh-4.
func real(t *testing.T) *view.Run {
	t.Helper()
	for _, sc := range scenarios.All() {
		if sc.Name != "mesh-4" {
			continue
		}
		rec := view.NewRecorder(0)
		res, err := scenario.Play(sc, scenario.Options{Seed: 1, Trace: rec.Record})
		if err != nil {
			t.Fatal(err)
		}
		return view.Of(res, rec)
	}
	t.Fatal("there is no scenario mesh-4")
	return nil
}
