// Package deploytest checks what deploy/ has for service managers and
// clusters, without one. It is a module of its own, so that the types of
// Kubernetes are nothing that macula needs.
package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// drain is the default of the key drain_timeout: everything that ends a node
// has to wait longer.
const drain = 30 * time.Second

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// maculanode builds the program of this tree.
func maculanode(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "maculanode")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-o", bin, "./cmd/maculanode").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bin
}

func TestTheNodeDrainsAsLongAsTheseTestsThink(t *testing.T) {
	if !strings.Contains(read(t, "docs/CONFIGURATION.md"), "drain_timeout") {
		t.Fatal("docs/CONFIGURATION.md does not know drain_timeout")
	}
	out, err := exec.CommandContext(t.Context(), maculanode(t), "config", "show", "--dir", t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && strings.TrimSuffix(f[0], ":") == "drain_timeout" {
			if got, err := time.ParseDuration(f[1]); err != nil || got != drain {
				t.Errorf("drain_timeout is %s, the tests have %v", f[1], drain)
			}
			return
		}
	}
	t.Errorf("config show does not name drain_timeout:\n%s", out)
}
