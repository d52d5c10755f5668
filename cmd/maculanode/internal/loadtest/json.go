package loadtest

import (
	"github.com/maculamesh/macula/load"
)

// Silent is an Output that says nothing until the end.
type Silent struct{}

// Begin implements Output.
func (Silent) Begin(int) {}

// Progress implements Output.
func (Silent) Progress(load.Progress) {}

// Result implements Output.
func (Silent) Result(load.Result) {}

// End implements Output.
func (Silent) End(Report) {}

// reportJSON is a Report for machines.
type reportJSON struct {
	OK       bool         `json:"ok"`
	Tests    []testJSON   `json:"tests"`
	Skipped  []string     `json:"not_played"`
	Baseline baselineJSON `json:"baseline"`
	Took     float64      `json:"took_s"`
}

type testJSON struct {
	Test     string             `json:"test"`
	OK       bool               `json:"ok"`
	Stopped  bool               `json:"stopped"`
	Summary  string             `json:"summary"`
	Figures  map[string]float64 `json:"figures"`
	Checks   int                `json:"checks"`
	Failed   int                `json:"failed"`
	Failures []failureJSON      `json:"failures"`
	Took     float64            `json:"took_s"`
}

type failureJSON struct {
	Property string `json:"property"`
	Detail   string `json:"detail"`
}

type baselineJSON struct {
	OK       bool      `json:"ok"`
	Before   usageJSON `json:"before"`
	After    usageJSON `json:"after"`
	Peak     usageJSON `json:"peak"`
	Allowed  int64     `json:"heap_growth_allowed_bytes"`
	Tasks    int       `json:"tasks"`
	Timers   int       `json:"timers"`
	Hooks    int       `json:"hooks"`
	Failures []string  `json:"failures"`
}

type usageJSON struct {
	Heap        int64 `json:"heap_bytes"`
	Goroutines  int   `json:"goroutines"`
	Descriptors int   `json:"descriptors"`
}

// JSON is the report as it is printed for machines: a value for encoding/json.
func (r *Report) JSON() any {
	b := r.Baseline
	out := reportJSON{
		OK: r.OK(), Tests: []testJSON{}, Skipped: append([]string{}, r.Skipped...), Took: r.Took.Seconds(),
		Baseline: baselineJSON{
			OK: len(b.Failures) == 0, Before: usageJSON(b.Before), After: usageJSON(b.After), Peak: usageJSON(b.Peak),
			Allowed: b.Allowed, Tasks: b.Tasks, Timers: b.Timers, Hooks: b.Hooks, Failures: append([]string{}, b.Failures...),
		},
	}
	for _, x := range r.Results {
		t := testJSON{
			Test: x.Test, OK: x.OK(), Stopped: x.Stopped, Summary: x.Summary, Figures: map[string]float64{},
			Checks: x.Checks, Failed: x.Failed, Failures: []failureJSON{}, Took: x.Took.Seconds(),
		}
		for _, f := range x.Figures {
			t.Figures[f.Name] = f.Value
		}
		for _, f := range x.Failures {
			t.Failures = append(t.Failures, failureJSON(f))
		}
		out.Tests = append(out.Tests, t)
	}
	return out
}
