package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/maculamesh/macula/sim/scenario"
)

func writeJSON(out io.Writer, v any) error { return json.NewEncoder(out).Encode(v) }

type paramJSON struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	Least   string `json:"least,omitempty"`
	Doc     string `json:"doc"`
}

type scenarioJSON struct {
	Name      string            `json:"name"`
	Group     string            `json:"group,omitempty"`
	Shows     string            `json:"shows"`
	Trigger   string            `json:"trigger,omitempty"`
	Invariant string            `json:"invariant,omitempty"`
	Sources   []string          `json:"sources,omitempty"`
	Params    []paramJSON       `json:"params"`
	Live      map[string]string `json:"live,omitempty"` // what is set when it is played live
}

func listed(all []*scenario.Scenario) []scenarioJSON {
	out := []scenarioJSON{}
	for _, s := range all {
		one := scenarioJSON{
			Name: s.Name, Group: s.Group, Shows: s.Shows, Trigger: s.Trigger, Invariant: s.Invariant, Sources: s.Sources,
			Params: []paramJSON{}, Live: s.Live,
		}
		for _, p := range s.Params {
			one.Params = append(one.Params, paramJSON(p))
		}
		out = append(out, one)
	}
	return out
}

type gaugeJSON struct {
	Name  string `json:"name"`
	Peak  int    `json:"peak"`
	Limit *int   `json:"limit"` // null when there is none
}

type failureJSON struct {
	Property string   `json:"property"`
	Saw      string   `json:"saw"`
	Event    uint64   `json:"event"`
	At       int64    `json:"at_ns"`
	Waiting  []string `json:"waiting,omitempty"`
	Leaks    []string `json:"leaks,omitempty"`
}

type runJSON struct {
	Scenario  string            `json:"scenario"`
	Seed      uint64            `json:"seed"`
	Strategy  string            `json:"strategy"`
	Params    map[string]string `json:"params"`
	Held      bool              `json:"held"`
	Hash      string            `json:"hash"`
	Events    int               `json:"events"`
	Simulated int64             `json:"simulated_ns"`
	Took      int64             `json:"took_ns"`
	Facts     []string          `json:"facts"`
	Gauges    []gaugeJSON       `json:"gauges"`
	Marks     map[string]uint64 `json:"marks"`
	Checks    map[string]uint64 `json:"checks"`
	Failure   *failureJSON      `json:"failure,omitempty"`
}

func resultJSON(r *scenario.Result, took time.Duration) runJSON {
	out := runJSON{
		Scenario: r.Scenario, Seed: r.Seed, Strategy: r.Strategy, Params: map[string]string{}, Held: r.Held(),
		Hash: fmt.Sprintf("%016x", r.Hash), Events: r.Events, Simulated: int64(r.Simulated), Took: int64(took),
		Facts: append([]string{}, r.Facts...), Gauges: []gaugeJSON{}, Marks: map[string]uint64{}, Checks: map[string]uint64{},
	}
	for _, p := range r.Params {
		out.Params[p.Name] = p.Value
	}
	for _, g := range r.Gauges {
		one := gaugeJSON{Name: g.Name, Peak: g.Peak}
		if g.Limit >= 0 {
			one.Limit = &g.Limit
		}
		out.Gauges = append(out.Gauges, one)
	}
	for _, m := range r.Marks {
		out.Marks[m.Name] = m.N
	}
	for _, c := range r.Checks {
		out.Checks[c.Name] = c.N
	}
	if f := r.Failure; f != nil {
		out.Failure = &failureJSON{Property: f.Property, Saw: f.Err.Error(), Event: f.Event, At: int64(f.At), Waiting: f.Waiting, Leaks: f.Leaks}
	}
	return out
}
