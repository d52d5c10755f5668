package repo_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

var edit = regexp.MustCompile(`(?m)^sed -i '[^']+' (.+)$`)

// A tutorial breaks the code with sed, which says nothing when no line fits:
// then all that follows shows something else.
func TestEveryEditOfATutorialChangesItsFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the edits are for GNU sed")
	}
	root := t.TempDir()
	for from, to := range map[string]string{"node": "node", "examples/lease": "examples/mine"} {
		if err := os.CopyFS(filepath.Join(root, to), os.DirFS("../../"+from)); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := os.ReadFile("../../docs/SIMULATION.md")
	if err != nil {
		t.Fatal(err)
	}
	edits := edit.FindAllSubmatch(doc, -1)
	if len(edits) < 4 {
		t.Fatalf("found %d edits, want at least 4", len(edits))
	}
	for _, m := range edits {
		run := func(command string) []byte {
			cmd := exec.Command("bash", "-c", command)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			return out
		}
		files := string(m[1])
		before := run("cat " + files)
		run(string(m[0]))
		if bytes.Equal(before, run("cat "+files)) {
			t.Errorf("changes nothing: %s", m[0])
		}
	}
}
