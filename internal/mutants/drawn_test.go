package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var replayLine = regexp.MustCompile(`simrun replay (\S+\.json)`)

// A bug that a drawn mesh meets ends as a file that simrun replays: the tests
// of properties are built with the bug in them, fail, shrink what failed and
// write it down.
func TestWhatADrawnMeshFindsEndsAsAFileThatReplayTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds three programs")
	}
	h := newHunt(t)
	bugs, err := load("bugs")
	if err != nil {
		t.Fatal(err)
	}
	b := bugs[slices.IndexFunc(bugs, func(b *bug) bool { return b.Name == "F49-call-of-a-peer-is-kept" })]
	plantAndBuild(t, h, b)
	if err := h.build(t.Context(), "clean", ""); err != nil {
		t.Fatal(err)
	}
	out := failingTest(t, h, b)
	m := replayLine.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("the failing test does not say how to play it again:\n%s", out)
	}
	if _, err := os.Stat(strings.TrimSuffix(m[1], ".json") + ".plan"); err != nil {
		t.Errorf("there is no plan beside the file: %v", err)
	}
	for name, want := range map[string]struct {
		code int
		text string
	}{
		b.Name:  {exitViolated, "the same failure, decision by decision"},
		"clean": {exitHeld, "it holds now"},
	} {
		code, said := replay(t, h, name, m[1])
		if code != want.code || !strings.Contains(said, want.text) {
			t.Errorf("%s: replay ends with code %d and says %q, want %d and %q", name, code, said, want.code, want.text)
		}
	}
	t.Logf("%s\n%s", b.Title, out[strings.Index(out, "before: "):])
}

// failingTest plays drawn meshes with the bug and returns what the test says.
func failingTest(t *testing.T, h *hunt, b *bug) string {
	program := filepath.Join(h.tmp, "properties.test")
	overlay := filepath.Join(h.tmp, b.Name, "overlay.json")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", program, "./properties")
	build.Dir = h.root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), program, "-test.run", "^TestWhateverMeshIsDrawn", "-rapid.nofailfile", "-rapid.shrinktime", "5s")
	run.Dir = t.TempDir() // where it writes its files
	out, err := run.CombinedOutput()
	if err == nil {
		t.Fatalf("with the bug the test passes:\n%s", out)
	}
	return string(out)
}

// replay plays a failure file again and returns what is said of it.
func replay(t *testing.T, h *hunt, name, file string) (code int, said string) {
	cmd := exec.CommandContext(t.Context(), h.binary(name), "replay", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}
