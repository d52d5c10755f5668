package main

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAnArchiveDependsOnNothingButNamesModesAndContents(t *testing.T) {
	pair := func(reversed bool) []byte {
		dir := t.TempDir()
		from := filepath.Join(dir, "x")
		if err := os.WriteFile(from, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		files := []file{{name: "a", data: []byte("1"), mode: 0o644}, {name: "b/c", from: from, mode: 0o755}}
		if reversed {
			files[0], files[1] = files[1], files[0]
		}
		to := filepath.Join(dir, "a.tar.gz")
		if err := pack(to, "top", files); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(pair(false), pair(true)) {
		t.Error("the same files in another order, written at another time, are another archive")
	}
}

func TestWhatIsNoVersionIsNotReleased(t *testing.T) {
	for version, ok := range map[string]bool{
		"v0.5.0": true, "v1.2.3-rc.1": true,
		"": false, "0.5.0": false, "v0.5": false, "v01.2.3": false, "v1.2.3 -X main.x=y": false, "v1.2.3-": false, "v1.2.3\n": false,
	} {
		if versions.MatchString(version) != ok {
			t.Errorf("%q is taken for a version: %v", version, !ok)
		}
	}
}

func TestNothingIsAddedToAnEarlierRelease(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "macula-v0.1.0-linux-amd64.tar.gz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&release{version: "v0.5.0", root: "../..", out: dir}).folder(); err == nil {
		t.Error("a folder that is not empty is taken")
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)[^)]*\)`)

func TestWhatTheDocumentsForOperatorsLinkToIsInTheArchive(t *testing.T) {
	r := release{root: "../.."}
	there := map[string]bool{}
	for _, name := range taken {
		files, err := r.walk(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for p := f.name; p != "."; p = path.Dir(p) {
				there[p] = true
			}
		}
	}
	for _, document := range []string{"deploy/README.md", "docs/OPERATIONS.md", "docs/RUNBOOKS.md", "docs/CONFIGURATION.md"} {
		text, err := os.ReadFile(filepath.Join(r.root, document))
		if err != nil || !there[document] {
			t.Fatalf("%s is missing: %v", document, err)
		}
		for _, l := range link.FindAllStringSubmatch(string(text), -1) {
			to := path.Join(path.Dir(document), l[1])
			if top, _, _ := strings.Cut(to, "/"); !slices.Contains([]string{"deploy", "docs", "examples"}, top) {
				continue // another site, or the source
			}
			if !there[to] {
				t.Errorf("%s links to %s, which is not in the archive", document, to)
			}
		}
	}
}
