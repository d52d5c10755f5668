//go:build soak

package main

import (
	"bytes"
	"strings"
	"testing"
)

// Real runs: seven minutes each.

func soaked(t *testing.T, args ...string) (int, string) {
	t.Helper()
	t.Chdir("../..")
	var out, errs bytes.Buffer
	code := soakMain(append([]string{"-for", "3m", "-out", t.TempDir()}, args...), &out, &errs)
	t.Logf("%s%s", out.String(), errs.String())
	return code, out.String()
}

func TestACleanMeshIsFlat(t *testing.T) {
	if code, _ := soaked(t); code != exitFlat {
		t.Errorf("exit code %d", code)
	}
}

func TestALeakOfOneKiBASecondIsFound(t *testing.T) {
	code, out := soaked(t, "-plant", "1024")
	if code != exitGrows || strings.Count(out, "live heap at rest is what it was before") != nodeCount {
		t.Errorf("exit code %d", code)
	}
}
