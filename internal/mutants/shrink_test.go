package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// When a change of the code or of a plan has moved what a seed does, the seeds of
// the folder shrink have to be found again:
//
//	go test ./internal/mutants -run AFailingSwarm -args -seek 1000
var seek = flag.Int("seek", 0, "look among so many seeds for one that shows a bug which its own seed does not show")

// The bugs in the folder shrink need two nodes and two faults to show. Each is
// met by a swarm of ten machines and thirty faults.
func TestAFailingSwarmShrinksToAPlanOfWhichEveryLineIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds six programs")
	}
	h := newHunt(t)
	if err := h.build(t.Context(), "clean", ""); err != nil {
		t.Fatal(err)
	}
	bugs, err := load("shrink")
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 5 {
		t.Errorf("only %d bugs are there to be shrunk", len(bugs))
	}
	table := []string{fmt.Sprintf("%-46s %13s %11s %11s %14s %6s %7s %8s", "", "lines", "nodes", "faults", "virtual time", "runs", "took", "alone")}
	for _, b := range bugs {
		t.Run(b.Name, func(t *testing.T) {
			if row := shrinkBug(t, h, b); row != "" {
				table = append(table, row)
			}
		})
	}
	t.Logf("before and after:\n%s", strings.Join(table, "\n"))
}

func newHunt(t *testing.T) *hunt {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return &hunt{root: root, tmp: t.TempDir()}
}

// plantAndBuild builds the program with the bug in it.
func plantAndBuild(t *testing.T, h *hunt, b *bug) {
	overlay, err := h.plant(b)
	if err == nil {
		err = h.build(t.Context(), b.Name, overlay)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shrinkBug makes the run of the bug small and holds the result to what is
// asked of it. It returns a line for the table.
func shrinkBug(t *testing.T, h *hunt, b *bug) (row string) {
	plantAndBuild(t, h, b)
	p := b.Plays[0]
	demandSeed(t, h, b)
	if r, err := h.play(t.Context(), "clean", p, b.Seed); err != nil || !r.holds() {
		t.Fatalf("without the bug, seed %d of %s does not hold: %v", b.Seed, p, err)
	}
	dir := t.TempDir()
	_, code := h.command(t, b.Name, "sweep", p.Scenario, "--seeds", "1", "--from", fmt.Sprint(b.Seed), "--out", dir)
	if code != exitViolated {
		t.Fatalf("sweep ends with code %d", code)
	}
	small := filepath.Join(dir, "small.json")
	out, code := h.command(t, b.Name, "shrink", filepath.Join(dir, fmt.Sprintf("%s-%d.json", p.Scenario, b.Seed)), "--json", "--out", small)
	var s shrunk
	if err := json.Unmarshal(out, &s); err != nil || code != exitHeld {
		t.Fatalf("shrink ends with code %d: %v: %s", code, err, out)
	}
	t.Logf("%s\n%s", b.Title, strings.Join(s.Plan, "\n"))
	if !s.Minimal {
		t.Error("shrink does not call it minimal")
	}
	if s.Before.Nodes != 10 || s.Before.Faults != 30 {
		t.Errorf("it began with %d nodes and %d faults: want 10 and 30", s.Before.Nodes, s.Before.Faults)
	}
	if s.After.Nodes < 2 || s.After.Faults < 2 {
		t.Errorf("%d nodes and %d faults are left: the bug is there to need two of each", s.After.Nodes, s.After.Faults)
	}
	begun := time.Now()
	demandMinimal(t, h, b, small)
	return fmt.Sprintf("%-46s %6d -> %3d %5d -> %2d %5d -> %2d %7s -> %s %6d %6.1fs %7.1fs", b.Name, s.Before.Lines, s.After.Lines, s.Before.Nodes, s.After.Nodes,
		s.Before.Faults, s.After.Faults, s.Before.Time.Round(time.Second), s.After.Time.Round(time.Second), s.Runs, time.Duration(s.Took).Seconds(), time.Since(begun).Seconds())
}

// command runs simrun with a bug in it, or the clean one, and returns what it
// prints and its exit code.
func (h *hunt) command(t *testing.T, name string, args ...string) ([]byte, int) {
	out, code, err := h.output(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out, code
}

// demandSeed demands that the seed of the bug shows it, or looks for another.
func demandSeed(t *testing.T, h *hunt, b *bug) {
	p := b.Plays[0]
	shows := func(seed int) bool {
		r, err := h.play(t.Context(), b.Name, p, seed)
		if err != nil {
			t.Fatal(err)
		}
		return !r.holds() && b.expects(r.violation())
	}
	if shows(b.Seed) {
		return
	}
	was := b.Seed
	for b.Seed = 1; b.Seed <= *seek; b.Seed++ {
		if shows(b.Seed) {
			t.Errorf("seed %d of %s does not show %s any more, seed %d does: write that into its file", was, p, b.Expect, b.Seed)
			return
		}
	}
	t.Fatalf("seed %d of %s does not show %s any more, nor do the first %d seeds: -seek looks for another, if the code has changed in a way that is meant", was, p, b.Expect, *seek)
}

// demandMinimal plays the small run once more without each of its lines, and
// without the bug: none of those may fail, in whatever way.
func demandMinimal(t *testing.T, h *hunt, b *bug, file string) {
	if out, code := h.command(t, b.Name, "replay", file, "--json"); code != exitViolated {
		t.Fatalf("replay of the small run ends with code %d: %s", code, out)
	} else if r := parseResult(t, out); !b.expects(r.violation()) {
		t.Errorf("the small run fails because of %q: want %q", r.Failure.Property, b.Expect)
	}
	if out, code := h.command(t, "clean", "replay", file, "--json"); code != exitHeld {
		t.Errorf("without the bug the small run ends with code %d: %s", code, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var whole struct{ Plan []string }
	fields := map[string]any{}
	for _, v := range []any{&whole, &fields} {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	for i, line := range whole.Plan {
		fields["plan"] = slices.Delete(slices.Clone(whole.Plan), i, i+1)
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		less := filepath.Join(t.TempDir(), "less.json")
		if err := os.WriteFile(less, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, code := h.command(t, b.Name, "replay", less, "--json"); code != exitHeld && code != exitUsage {
			t.Errorf("without the line %q it ends with code %d: %s", line, code, out)
		}
	}
}

func parseResult(t *testing.T, data []byte) *result {
	r := &result{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return r
}
