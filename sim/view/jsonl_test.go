package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim"
)

func TestARunSurvivesTheWayThroughJSONLines(t *testing.T) {
	run := sample()
	var out bytes.Buffer
	if err := JSONL(&out, run); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1+len(run.Records)+len(run.Gauges) {
		t.Errorf("%d lines", n)
	}
	got, err := ReadJSONL(&out)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, run) {
		t.Errorf("got\n%+v\nwant\n%+v", got, run)
	}
}

func TestTheFieldsOfALineHaveStableNames(t *testing.T) {
	run := sample()
	run.Gauges = nil
	var out bytes.Buffer
	if err := JSONL(&out, run); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	const want = `{"decision":7,"event":3,"at_ns":20000000,"kind":"deliver","machine":"n1","a":"4294967296","b":"72057594037928436","text":"data to 500, stream 4 of #1","peer":"n0","took_ns":19999000}`
	if lines[8] != want {
		t.Errorf("got  %s\nwant %s", lines[8], want)
	}
	var head map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format", "format_version", "scenario", "seed", "strategy", "hash", "events", "simulated_ns", "failure", "plan"} {
		if head[name] == nil {
			t.Errorf("the header has no %q", name)
		}
	}
}

func TestWhatIsNoTraceIsRefusedWithItsLine(t *testing.T) {
	const head = `{"format":"macula-trace","format_version":1,"hash":"00"}` + "\n"
	for name, c := range map[string]struct{ in, want string }{
		"empty":         {"", "it is empty"},
		"text":          {"hello\n", `want {"format":"macula-trace", ...}`},
		"other json":    {`{"kind":"log"}` + "\n", `want {"format":"macula-trace", ...}`},
		"later version": {`{"format":"macula-trace","format_version":2,"hash":"00"}`, "version 2"},
		"bad hash":      {`{"format":"macula-trace","format_version":1,"hash":"xyz"}`, "xyz"},
		"bad line":      {head + `{"kind":"log"}` + "\n{", "line 3"},
		"unknown kind":  {head + `{"kind":"dance"}`, `line 2: there is no kind of decision "dance"`},
	} {
		_, err := ReadJSONL(strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.want)
		}
	}
	if _, err := ReadJSONL(strings.NewReader("hello")); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
}

func TestEveryKindCanBeReadBack(t *testing.T) {
	run := &Run{}
	for k := sim.KindMachine; k <= sim.KindIgnored; k++ {
		run.Records = append(run.Records, sim.Record{Kind: k})
	}
	var out bytes.Buffer
	if err := JSONL(&out, run); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSONL(&out)
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got.Records, run.Records)
}
