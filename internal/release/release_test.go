//go:build ops

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const tested = "v0.5.0-test.1"

// built runs a release and returns its archives by name, after a look at the
// checksums.
func built(t *testing.T, root string, systems ...string) map[string][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	out := filepath.Join(t.TempDir(), "out")
	r := release{version: tested, root: root, out: out, systems: systems}
	if err := r.run(ctx); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(out, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	archives := map[string][]byte{}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != sum {
			t.Errorf("%s has the sum %s, %s says %s", name, got, sumsName, sum)
		}
		archives[name] = data
	}
	if len(archives) != len(systems) {
		t.Fatalf("%s names %d archives, not %d", sumsName, len(archives), len(systems))
	}
	return archives
}

// unpacked writes an archive to a folder and returns its top.
func unpacked(t *testing.T, archive []byte) string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	dir, top := t.TempDir(), ""
	for r := tar.NewReader(zip); ; {
		head, err := r.Next()
		if err == io.EOF {
			return filepath.Join(dir, top)
		}
		if err != nil || !filepath.IsLocal(head.Name) {
			t.Fatal(head, err)
		}
		top, _, _ = strings.Cut(head.Name, "/")
		to := filepath.Join(dir, head.Name)
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, os.FileMode(head.Mode)); err != nil {
			t.Fatal(err)
		}
	}
}

func archiveOf(system string) string {
	return "macula-" + tested + "-" + strings.ReplaceAll(system, "/", "-") + ".tar.gz"
}

func TestAReleaseHasProgramsOfItsVersionAndAllThatBelongsToThem(t *testing.T) {
	archives := built(t, "../..", "linux/amd64", "linux/arm64")
	for system, machine := range map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64} {
		top := unpacked(t, archives[archiveOf(system)])
		for _, name := range []string{
			"README.md", "LICENSE", "docs/OPERATIONS.md", "docs/RUNBOOKS.md", "docs/CONFIGURATION.md", "docs/openapi.yaml",
			"deploy/README.md", "deploy/mesh-init.sh", "deploy/compose.yml", "deploy/Dockerfile",
			"examples/http/serve.py", "examples/http/call.py", "deploy/systemd/maculanode.service", "deploy/prometheus/macula.rules.yml",
			"deploy/grafana/macula-overview.json", "maculanode.example.yaml",
			"completions/maculanode.bash", "completions/_maculanode", "completions/maculanode.fish",
		} {
			if info, err := os.Stat(filepath.Join(top, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s has no %s: %v", system, name, err)
			}
		}
		for _, name := range []string{"maculanode", "simrun"} {
			program(t, filepath.Join(top, name), system, machine)
		}
	}
}

func program(t *testing.T, path, system string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != machine {
		t.Errorf("%s of %s is for %v", filepath.Base(path), system, f.Machine)
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 || f.Section(".interp") != nil {
		t.Errorf("%s of %s is not static: %v %v", filepath.Base(path), system, libs, err)
	}
	if system != runtime.GOOS+"/"+runtime.GOARCH {
		return // it does not run here
	}
	out, err := exec.CommandContext(t.Context(), path, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), tested+" ") {
		t.Errorf("%s says %q of its version, %v", filepath.Base(path), out, err)
	}
}

// The second build shares no cache with the first and stands in another
// folder.
func TestTwoReleasesOfTheSameTreeAreTheSameBytes(t *testing.T) {
	const system = "linux/amd64"
	first := built(t, "../..", system)
	elsewhere := filepath.Join(t.TempDir(), "somewhere", "else")
	if err := os.CopyFS(elsewhere, tree{os.DirFS("../..")}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", t.TempDir())
	second := built(t, elsewhere, system)
	if !bytes.Equal(first[archiveOf(system)], second[archiveOf(system)]) {
		a, b := unpacked(t, first[archiveOf(system)]), unpacked(t, second[archiveOf(system)])
		out, _ := exec.CommandContext(t.Context(), "diff", "-rq", a, b).CombinedOutput()
		t.Errorf("two builds differ:\n%s", out)
	}
}

// tree is the module without what git does not know.
type tree struct{ fs.FS }

// ReadDir implements fs.ReadDirFS, by which fs.WalkDir looks.
func (f tree) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return name == "." && slices.Contains([]string{".git", "bin", "out"}, e.Name())
	}), err
}
