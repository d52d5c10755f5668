// Package view shows one run of a simulated scenario: as a page with a
// space-time diagram (HTML), as a trace for ui.perfetto.dev (Perfetto), as
// lines of JSON (JSONL), and beside a second run (Diff).
//
// A Recorder keeps what is shown while the run is played; Of puts it together
// with the result. Nothing here blocks but on the given writers and readers,
// and nothing influences the run.
package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
)

// Run is a run that is over, ready to be shown.
type Run struct {
	Title     string // empty is made of Scenario and Seed
	Scenario  string
	Seed      uint64
	Strategy  string
	Params    []string // "name=value"
	Hash      uint64   // of the trace
	Version   string   // of the program that played it
	Again     string   // the command that plays it again; may be empty
	Plan      []string // the text of the plan, line by line; may be empty
	Facts     []string // what the story itself has to say
	Machines  []string // in the order of their lanes; those of the framework last
	Events    uint64
	Simulated time.Duration
	Failure   *Failure // nil: everything held

	Records []sim.Record // in order
	Cut     uint64       // decisions that are missing, because there were too many
	Since   uint64       // the decision from which on none is missing
	Gauges  []Series
}

// Failure says what did not hold.
type Failure struct {
	Property string        `json:"property"`
	Saw      string        `json:"saw"`
	Event    uint64        `json:"event"`
	At       time.Duration `json:"at_ns"`
	Active   []string      `json:"active,omitempty"`  // the faults that lasted
	Places   []string      `json:"places,omitempty"`  // how the machines were
	Waiting  []string      `json:"waiting,omitempty"` // who waits on what
	Leaks    []string      `json:"leaks,omitempty"`   // what was left, with where it was made
	Stack    []string      `json:"stack,omitempty"`   // of a panic
}

// Series is how a gauge changed.
type Series struct {
	Name    string // "MACHINE NAME" is the gauge NAME of a machine
	Limit   int    // -1 when there is none
	Points  []Point
	Thinned bool // of every few neighbours only the least and the greatest are left
}

// Point is a change of a gauge.
type Point struct {
	At    time.Duration
	Event uint64
	Value int
}

// Of puts a result together with what was recorded of the run. rec may be nil.
// What neither knows, such as Version and Plan, is left to the caller.
func Of(res *scenario.Result, rec *Recorder) *Run {
	run := &Run{
		Scenario: res.Scenario, Seed: res.Seed, Strategy: res.Strategy, Hash: res.Hash, Facts: res.Facts,
		Events: uint64(res.Events), Simulated: res.Simulated,
	}
	for _, p := range res.Params {
		run.Params = append(run.Params, p.Name+"="+p.Value)
	}
	if res.Plan != nil {
		run.Plan = splitLines(res.Plan.String())
	}
	run.Failure = failure(res.Failure)
	if rec != nil {
		run.Records, run.Gauges = rec.Records(), rec.Gauges()
		run.Cut, run.Since = rec.Cut()
		run.Machines = machines(run.Records)
	}
	return run
}

func failure(f *scenario.Failure) *Failure {
	if f == nil {
		return nil
	}
	out := &Failure{Property: f.Property, Event: f.Event, At: f.At, Active: f.Active, Waiting: f.Waiting, Leaks: f.Leaks}
	if f.Err != nil {
		out.Saw = f.Err.Error()
	}
	if f.Stack != "" {
		out.Stack = splitLines(f.Stack)
	}
	for _, p := range f.Places {
		out.Places = append(out.Places, strings.TrimSpace(fmt.Sprintf("%s %s, %d tasks, %d connections, %d streams  %s", p.Name, p.State, p.Tasks, p.Conns, p.Streams, p.Says)))
	}
	return out
}

// framework are the machines that are none of the scenario's own.
var framework = []string{"network", "director"}

// machines returns those of the records in the order in which they turn up,
// those of the framework last.
func machines(records []sim.Record) []string {
	seen := map[string]bool{"": true}
	var own, other []string
	add := func(name string) {
		switch {
		case seen[name]:
			return
		case slices.Contains(framework, name):
			other = append(other, name)
		default:
			own = append(own, name)
		}
		seen[name] = true
	}
	for i := range records {
		add(records[i].Machine)
		add(records[i].Peer)
	}
	return append(own, other...)
}
