package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// planted writes an overlay in which a node starts a task that nobody ends.
func planted(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "node", "node.go")
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const before = `	n.upkeep.Go("node/cleanup", n.cleanupLoop)`
	if strings.Count(string(src), before) != 1 {
		t.Fatalf("%s does not hold the line %q once: adapt this test", file, before)
	}
	leaky := strings.Replace(string(src), before, before+"\n\tn.r.Go(\"leak\", func() { n.r.NewParker().Park(context.Background()) })", 1)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "node.go"), []byte(leaky), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: filepath.Join(dir, "node.go")}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func demoMesh(t *testing.T, overlay string) (string, error) {
	t.Helper()
	t.Chdir("../..")
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out bytes.Buffer
	err := (&demo{out: &out, overlay: overlay, meshOnly: true}).run(ctx)
	return out.String(), err
}

// That the demo succeeds without the leak is what make demo shows.
func TestALeakMakesTheDemoFail(t *testing.T) {
	out, err := demoMesh(t, planted(t))
	if err == nil {
		t.Fatalf("the demo succeeds with a task that nobody ends:\n%s", out)
	}
	if !strings.Contains(err.Error(), "left") {
		t.Errorf("the demo fails for another reason: %v\n%s", err, out)
	}
}

// What go run compiles for the demo itself serves for the binaries too only if
// nothing about the flags differs.
func TestTheDemoAndItsBinariesAreCompiledAlike(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rule, _ := strings.Cut(string(makefile), "\ndemo: ")
	rule, _, _ = strings.Cut(rule, "\n\n")
	dir := t.TempDir()
	fake := filepath.Join(dir, "mygo")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho CGO_ENABLED=$CGO_ENABLED $*\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GO", fake)
	err = (&demo{out: &bytes.Buffer{}}).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "mygo build: ") {
		t.Fatalf("%v, want the failure of the go command that make uses", err)
	}
	for _, flag := range []string{"CGO_ENABLED=0", "-trimpath"} {
		if !strings.Contains(err.Error(), flag) || !strings.Contains(rule, flag) {
			t.Errorf("%s is not in both of %q and %q", flag, rule, err)
		}
	}
	if !strings.Contains(rule, `GO="$(GO)"`) {
		t.Errorf("%q does not pass on the go command", rule)
	}
}
