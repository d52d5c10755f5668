package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// traceEvent is what ui.perfetto.dev wants of an event.
type traceEvent struct {
	Name *string        `json:"name"`
	Ph   string         `json:"ph"`
	Ts   *float64       `json:"ts"`
	Dur  float64        `json:"dur"`
	Pid  *int           `json:"pid"`
	Tid  *int           `json:"tid"`
	ID   string         `json:"id"`
	Cat  string         `json:"cat"`
	Args map[string]any `json:"args"`
}

func perfettoOf(t *testing.T, run *Run) []traceEvent {
	t.Helper()
	var out bytes.Buffer
	if err := Perfetto(&out, run); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		TraceEvents []traceEvent   `json:"traceEvents"`
		Unit        string         `json:"displayTimeUnit"`
		Other       map[string]any `json:"otherData"`
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Unit != "ns" || doc.Other["scenario"] != run.Scenario {
		t.Errorf("unit %q, other data %v", doc.Unit, doc.Other)
	}
	return doc.TraceEvents
}

func TestEveryTraceEventIsComplete(t *testing.T) {
	last := 0.0
	named := map[string]bool{}
	for i, e := range perfettoOf(t, sample()) {
		if e.Name == nil || *e.Name == "" || e.Ts == nil || e.Pid == nil || e.Tid == nil || e.Ph == "" {
			t.Fatalf("event %d lacks a field: %+v", i, e)
		}
		thread := fmt.Sprint(*e.Pid, "/", *e.Tid)
		switch e.Ph {
		case "M":
			if *e.Name == "process_name" {
				named[fmt.Sprint(*e.Pid)] = true
			}
			if *e.Name == "thread_name" {
				named[thread] = true
			}
			continue
		case "C":
		default:
			if !named[thread] {
				t.Errorf("event %d is on thread %s, which has no name", i, thread)
			}
		}
		if !named[fmt.Sprint(*e.Pid)] {
			t.Errorf("event %d is of process %d, which has no name", i, *e.Pid)
		}
		if *e.Ts < last {
			t.Errorf("event %d is at %v, after one at %v", i, *e.Ts, last)
		}
		last = *e.Ts
		if e.Ph == "X" && e.Dur <= 0 {
			t.Errorf("event %d is a slice without a length", i)
		}
	}
}

func TestEveryFlowHasOneStartAndOneEndEachOnASlice(t *testing.T) {
	slices := map[string]bool{}
	starts, ends := map[string]float64{}, map[string]float64{}
	events := perfettoOf(t, sample())
	for _, e := range events {
		if e.Ph == "X" {
			slices[fmt.Sprint(*e.Pid, *e.Tid, *e.Ts)] = true
		}
	}
	for _, e := range events {
		if e.Ph != "s" && e.Ph != "f" {
			continue
		}
		list := starts
		if e.Ph == "f" {
			list = ends
		}
		if _, twice := list[e.ID]; twice || e.ID == "" {
			t.Errorf("flow %q has two %q", e.ID, e.Ph)
		}
		list[e.ID] = *e.Ts
		if !slices[fmt.Sprint(*e.Pid, *e.Tid, *e.Ts)] {
			t.Errorf("flow %s: its %q is on no slice", e.ID, e.Ph)
		}
	}
	if len(starts) != 1 || len(ends) != 1 {
		t.Errorf("%d starts and %d ends, want one message", len(starts), len(ends))
	}
	for _, e := range events {
		// n0 is process 2 and n1 process 3; the message goes from n0 to n1.
		if want := map[string]int{"s": 2, "f": 3}[e.Ph]; want != 0 && *e.Pid != want {
			t.Errorf("the %q of the flow is in process %d, want %d", e.Ph, *e.Pid, want)
		}
	}
	for id, at := range starts {
		if end, ok := ends[id]; !ok || end-at != 19_999 {
			t.Errorf("flow %s goes from %v to %v microseconds", id, at, end)
		}
	}
}

func TestFaultsAndGaugesAreInTheTraceToo(t *testing.T) {
	phases := map[string]int{}
	lost := 0
	for _, e := range perfettoOf(t, sample()) {
		phases[e.Ph+" "+e.Cat]++
		if e.Cat == "drop" {
			lost++
		}
		if e.Ph == "C" && *e.Name == "pool" && e.Args["limit"] != 8.0 {
			t.Errorf("a counter without its limit: %v", e.Args)
		}
	}
	for what, want := range map[string]int{"b fault": 1, "e fault": 1, "C gauge": 4, "i failure": 1, "i log": 1, "X pick": 1} {
		if phases[what] != want {
			t.Errorf("%d of %q, want %d", phases[what], what, want)
		}
	}
	if lost != 1 || phases["X rand"] != 0 || phases["i rand"] != 0 {
		t.Errorf("%d losses; random draws are left out: %v", lost, phases)
	}
}
