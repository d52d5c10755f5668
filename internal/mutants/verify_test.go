package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is in the folder verify breaks determinism. Nothing but verify sees it.
func TestVerifyNamesTheFirstEventThatDiffers(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs")
	}
	h := newHunt(t)
	bugs, err := load("verify")
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 2 {
		t.Errorf("only %d bugs break determinism", len(bugs))
	}
	for _, b := range bugs {
		t.Run(b.Name, func(t *testing.T) { verifyBug(t, h, b) })
	}
}

// verified is the JSON of "verify" for a seed that is not the same run again.
type verified struct {
	Deterministic bool
	Difference    *struct {
		Same          uint64
		First, Second *struct {
			Event               uint64
			At                  int64 `json:"at_ns"`
			Kind, Machine, Text string
		}
	}
}

func verifyBug(t *testing.T, h *hunt, b *bug) {
	plantAndBuild(t, h, b)
	out, code := h.command(t, b.Name, "verify", b.Plays[0].Scenario, "--seeds", "2")
	text := string(out)
	t.Logf("%s\n%s", b.Title, text)
	if code != exitNotDeterministic {
		t.Fatalf("verify ends with code %d", code)
	}
	for _, want := range append(b.Expect, "decisions that are the same", "both: ", "first run: ", "second run: ") {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said", want)
		}
	}
	out, code = h.command(t, b.Name, "verify", b.Plays[0].Scenario, "--seeds", "2", "--json")
	var v verified
	if err := json.Unmarshal(out, &v); err != nil || code != exitNotDeterministic {
		t.Fatalf("verify --json ends with code %d: %v: %s", code, err, out)
	}
	d := v.Difference
	switch {
	case v.Deterministic || d == nil:
		t.Fatalf("it names no difference: %s", out)
	case d.Same == 0 || d.First == nil || d.Second == nil:
		t.Errorf("after %d decisions that are the same one of them is over: %s", d.Same, out)
	case d.First.Text == d.Second.Text:
		t.Errorf("both did %s", d.First.Text)
	case d.First.Event == 0 || d.First.At == 0 || d.First.Kind == "" || d.First.Machine == "":
		t.Errorf("it does not say which event that was: %s", out)
	}
}
