package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Exit codes of simrun.
const (
	exitHeld             = 0
	exitViolated         = 1
	exitUsage            = 2
	exitNotDeterministic = 3
	exitInternal         = 4
)

// measure is the size of a run as simrun says it.
type measure struct {
	Lines, Nodes, Faults, Requests int
	Time                           time.Duration
}

// shrunk is the part of the JSON of "shrink" that counts here.
type shrunk struct {
	Before, After measure
	Runs          int
	Took          int64 `json:"took_ns"`
	Minimal       bool
	Otherwise     []struct{ Signature string }
	Plan          []string
}

// nothingLeft is the size of what cannot be shrunk: no run fails, or the story
// is told in one line.
const nothingLeft = "-"

// size says in a few words what is left of the run that shows a bug.
func (s *shrunk) size(cutOff bool) string {
	text := fmt.Sprintf("%s, %s, %s", plural(s.After.Lines, "line"), plural(s.After.Nodes, "node"), plural(s.After.Faults, "fault"))
	if s.Before.Nodes == 0 { // the nodes are made by the acts of its system
		if s.Before.Requests < 2 {
			return nothingLeft
		}
		text = fmt.Sprintf("%d of %d acts", s.After.Requests, s.Before.Requests)
	}
	if cutOff && !s.Minimal && len(s.Otherwise) == 0 {
		text += "; cut off"
	}
	return text
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// shrink makes the run that shows a bug small, with the program that has the
// bug in it, for as long as h.shrinking. It returns its size.
func (h *hunt) shrink(ctx context.Context, f *finding) (string, error) {
	if h.shrinking <= 0 || f.property == neverLooked {
		return nothingLeft, nil
	}
	dir := filepath.Join(h.tmp, f.bug.Name, "small")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args := []string{"sweep", f.play.Scenario, "--seeds", "1", "--from", fmt.Sprint(f.seed), "--jobs", "1", "--out", dir}
	for _, set := range f.play.Set {
		args = append(args, "--set", set)
	}
	out, code, err := h.output(ctx, f.bug.Name, args...)
	if err != nil || code != exitViolated && code != exitInternal {
		return "", fmt.Errorf("sweep ends with code %d: %v: %s", code, err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("*-%d.json", f.seed)))
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasPrefix(filepath.Base(name), "sweep-") }) // its books
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("sweep left %d failure files", len(files))
	}
	small := filepath.Join(dir, "small.json")
	out, code, err = h.output(ctx, f.bug.Name, "shrink", files[0], "--json", "--jobs", "1", "--for", h.shrinking.String(), "--out", small)
	if err == nil && code == exitInternal {
		return "as drawn; cut off", nil // its first run took all the time
	}
	var s shrunk
	if err == nil && code == exitHeld {
		err = json.Unmarshal(out, &s)
	}
	if err != nil || code != exitHeld {
		return "", fmt.Errorf("shrink ends with code %d: %v: %s", code, err, out)
	}
	if !h.sameBug(f, small) {
		return nothingLeft, nil // looked at more closely, it fails otherwise
	}
	return s.size(true), nil
}

// sameBug reports whether a failure file is of a property that finds the bug.
func (h *hunt) sameBug(f *finding, file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var x struct{ Signature, Saw string }
	if json.Unmarshal(data, &x) != nil {
		return false
	}
	property, _, _ := strings.Cut(x.Signature, ": ")
	return f.bug.expects(property, x.Saw)
}

// output runs simrun with a bug in it, or the clean one, and returns what it
// prints and its exit code.
func (h *hunt) output(ctx context.Context, name string, args ...string) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.binary(name), args...)
	cmd.Dir = h.root
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		return out, -1, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return out, cmd.ProcessState.ExitCode(), nil
}
