//go:build ops

package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze security may find, times ten: it
// finds 13, for the network that a node is there for.
const exposure = "15"

func TestSystemdFindsNothingWrongWithTheService(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze: install the package systemd")
	}
	// verify looks for the program too.
	bin := maculanode(t)
	text := strings.ReplaceAll(read(t, "deploy/systemd/maculanode.service"), "/usr/local/bin/maculanode", bin)
	file := filepath.Join(t.TempDir(), "maculanode.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", file},
		{"security", "--offline=true", "--threshold=" + exposure, "--no-pager", file},
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
