package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// hunt builds and plays. One is used by several workers.
type hunt struct {
	root      string
	tmp       string
	shrinking time.Duration // of each bug; 0 leaves it out
	strategy  string        // of the plays; empty is the usual one

	mu    sync.Mutex
	clean map[string]*baseline // by scenario and parameters
}

// baseline is what the tree without a bug does in the seeds of one scenario.
type baseline struct {
	mu    sync.Mutex
	seeds int // held up to this one
	err   error
}

// finding is how a bug was found, or why it was not.
type finding struct {
	bug      *bug
	play     play
	seed     int
	property string
	saw      string
	size     string        // of what is left after shrinking
	took     time.Duration // to build and to find it
	shrunk   time.Duration // to shrink it
	inOrder  string        // of a bug that needs two tasks at once: what it does when each task runs as it comes
	err      error
}

// Longer than any run or build takes on a machine that is busy.
const (
	playTimeout  = time.Minute
	buildTimeout = 5 * time.Minute
)

// buildClean builds the tree without a bug.
func (h *hunt) buildClean(ctx context.Context, bugs []*bug) error {
	h.clean = map[string]*baseline{}
	if !slices.ContainsFunc(bugs, func(b *bug) bool { return b.Test == nil }) {
		return nil
	}
	return h.build(ctx, "clean", "")
}

func (h *hunt) binary(name string) string { return filepath.Join(h.tmp, "simrun-"+name) }

func (h *hunt) build(ctx context.Context, name, overlay string) error {
	args := []string{"build", "-ldflags=-s -w", "-o", h.binary(name)} // without tables for debuggers it links faster
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/simrun")...)
	cmd.Dir = h.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// find plants the bug and hunts for it.
func (h *hunt) find(ctx context.Context, b *bug) finding {
	f := finding{bug: b}
	begun := time.Now()
	overlay, err := h.plant(b)
	switch {
	case err != nil:
		f.err = err
	case b.Test != nil:
		f.err = h.runTest(ctx, b, overlay)
	default:
		f = h.playAll(ctx, b, overlay)
		defer os.Remove(h.binary(b.Name))
	}
	f.took = time.Since(begun)
	if f.err == nil && b.Test == nil && b.Tasks > 1 {
		f.inOrder, f.err = h.fifo(ctx, &f)
	}
	if f.err == nil && b.Test == nil {
		f.size, f.err = h.shrink(ctx, &f)
		f.shrunk = time.Since(begun) - f.took
	}
	return f
}

// fifo plays the seeds in which a bug was found with tasks in the order in
// which they became ready, and says whether they hold.
func (h *hunt) fifo(ctx context.Context, f *finding) (string, error) {
	for seed := 1; seed <= f.seed; seed++ {
		r, err := h.playBy(ctx, f.bug.Name, f.play, seed, "fifo")
		if err != nil {
			return "", err
		}
		if !r.holds() {
			return "fifo fails too", nil
		}
	}
	return "fifo holds", nil
}

// plant writes the changed files and the overlay that names them.
func (h *hunt) plant(b *bug) (overlay string, err error) {
	files, err := b.apply(h.root)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(h.tmp, b.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, data := range files {
		changed := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		replace[path] = changed
		if err := os.WriteFile(changed, data, 0o644); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// playAll plays the scenarios of the bug, seed after seed, until the first
// failure.
func (h *hunt) playAll(ctx context.Context, b *bug, overlay string) finding {
	f := finding{bug: b}
	if f.err = h.build(ctx, b.Name, overlay); f.err != nil {
		return f
	}
	for _, p := range b.Plays {
		for seed := 1; seed <= b.Seeds; seed++ {
			r, err := h.play(ctx, b.Name, p, seed)
			if err != nil {
				f.err = err
				return f
			}
			if r.holds() {
				continue
			}
			f.play, f.seed = p, seed
			f.property, f.saw = r.violation()
			if !b.expects(f.property, f.saw) {
				f.err = fmt.Errorf("seed %d of %s fails for another reason: %s: %s", seed, p, f.property, f.saw)
				return f
			}
			if own := b.ownPanic(f.saw); own != "" {
				f.err = fmt.Errorf("seed %d of %s: the bug finds itself: %s", seed, p, own)
			} else {
				f.err = h.holdsWithout(ctx, p, seed)
			}
			return f
		}
	}
	f.err = fmt.Errorf("every property held in %d seeds of %v", b.Seeds, b.Plays)
	return f
}

// expects reports whether a violation is one that the bug names. "panic" alone
// is none: a panic is the framework's word for anything, so what it says must
// be named too.
func (b *bug) expects(property, saw string) bool {
	return slices.ContainsFunc(b.Expect, func(want string) bool {
		if text, ok := strings.CutPrefix(want, "panic: "); ok {
			return property == "panic" && strings.Contains(saw, text)
		}
		return property == want
	})
}

// holdsWithout demands that the tree without the bug holds in the same seeds.
func (h *hunt) holdsWithout(ctx context.Context, p play, seeds int) error {
	h.mu.Lock()
	base := h.clean[p.String()]
	if base == nil {
		base = &baseline{}
		h.clean[p.String()] = base
	}
	h.mu.Unlock()
	base.mu.Lock()
	defer base.mu.Unlock()
	for base.err == nil && base.seeds < seeds {
		base.seeds++
		r, err := h.play(ctx, "clean", p, base.seeds)
		if err == nil && !r.holds() {
			property, saw := r.violation()
			err = fmt.Errorf("without any bug, seed %d of %s fails: %s: %s", base.seeds, p, property, saw)
		}
		base.err = err
	}
	return base.err
}

// result is the part of simrun's JSON that counts here.
type result struct {
	Held    bool              `json:"held"`
	Checks  map[string]uint64 `json:"checks"`
	Failure *struct {
		Property string `json:"property"`
		Saw      string `json:"saw"`
	} `json:"failure"`
}

// neverLooked is the violation of a run in which a property was not evaluated.
const neverLooked = "every property is looked at"

func (r *result) holds() bool { return r.Held && r.unseen() == "" }

// unseen is a property that was never evaluated, or empty.
func (r *result) unseen() string {
	var names []string
	for name, n := range r.Checks {
		if n == 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

func (r *result) violation() (property, saw string) {
	if r.Failure == nil {
		return neverLooked, r.unseen()
	}
	return r.Failure.Property, r.Failure.Saw
}

// play runs one seed in a process of its own.
func (h *hunt) play(ctx context.Context, name string, p play, seed int) (*result, error) {
	return h.playBy(ctx, name, p, seed, h.strategy)
}

// playBy is play with a strategy; empty is the usual one.
func (h *hunt) playBy(ctx context.Context, name string, p play, seed int, strategy string) (*result, error) {
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	args := []string{"run", p.Scenario, "--json", "--seed", fmt.Sprint(seed)}
	for _, set := range p.Set {
		args = append(args, "--set", set)
	}
	if strategy != "" {
		args = append(args, "--strategy", strategy)
	}
	cmd := exec.CommandContext(ctx, h.binary(name), args...)
	cmd.Dir = h.root // a play may be a plan of the tree
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("seed %d of %s did not end in %v", seed, p, playTimeout)
	}
	r := &result{}
	if jerr := json.Unmarshal(stdout.Bytes(), r); jerr != nil {
		return nil, fmt.Errorf("seed %d of %s: %v: %s", seed, p, err, stderr.String())
	}
	return r, nil
}

// runTest demands that the test fails with the bug and passes without it.
func (h *hunt) runTest(ctx context.Context, b *bug, overlay string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	test := func(args ...string) (string, error) {
		args = append([]string{"test", "-timeout", "2m", "-run", b.Test.Run}, args...)
		args = append(args, b.Test.Package)
		if usesRapid(filepath.Join(h.root, b.Test.Package)) {
			args = append(args, "-rapid.nofailfile") // the failure is meant: no file of it belongs into the tree
		}
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = h.root
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := test()
	if err != nil || strings.Contains(out, "no tests to run") {
		return fmt.Errorf("without any bug, %s in %s does not pass: %v\n%s", b.Test.Run, b.Test.Package, err, out)
	}
	out, err = test("-overlay", overlay)
	switch {
	case err == nil:
		return fmt.Errorf("%s in %s passes", b.Test.Run, b.Test.Package)
	case !strings.Contains(out, "--- FAIL: "):
		return fmt.Errorf("%s in %s fails for another reason: %v\n%s", b.Test.Run, b.Test.Package, err, out)
	}
	return nil
}

// usesRapid reports whether the tests of a package have rapid's flags.
func usesRapid(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, f := range files {
		if src, err := os.ReadFile(f); err == nil && strings.Contains(string(src), `"pgregory.net/rapid"`) {
			return true
		}
	}
	return false
}
