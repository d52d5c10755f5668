package repo

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	link     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	makeWord = regexp.MustCompile("(?:^|`|\\$ |[;&] )make ([a-z][a-z-]*)")
	target   = regexp.MustCompile(`(?m)^([a-z][a-z -]*):(?:[^=]|$)`)
	decision = regexp.MustCompile(`^(\d{3})-[a-z0-9-]+\.md$`)
)

// Documents checks that links between documents lead somewhere, that every
// make target that a document names exists, and that the decision records are
// numbered 001, 002, ... without a gap.
func Documents(t *Tree) []Finding {
	var found []Finding
	targets := t.makeTargets()
	var records []string
	for _, f := range t.Files {
		if path.Dir(f.Path) == "docs/decisions" {
			records = append(records, path.Base(f.Path))
		}
		if path.Ext(f.Path) != ".md" && f.Path != ".ci/run" {
			continue
		}
		line := 0
		for text := range bytes.Lines(f.Data) {
			line++
			for _, m := range makeWord.FindAllSubmatch(bytes.TrimSpace(text), -1) {
				if name := string(m[1]); !slices.Contains(targets, name) {
					found = append(found, Finding{f.Path, line, fmt.Sprintf("make %s: the Makefile has no such target", name)})
				}
			}
			for _, m := range link.FindAllSubmatch(text, -1) {
				if dest := t.deadLink(f, string(m[1])); dest != "" {
					found = append(found, Finding{f.Path, line, fmt.Sprintf("the link to %s leads nowhere", dest)})
				}
			}
		}
	}
	return append(found, misnumbered(records)...)
}

// deadLink returns the path that a relative link names if there is nothing.
func (t *Tree) deadLink(f *File, dest string) string {
	dest, _, _ = strings.Cut(dest, "#")
	if dest == "" || strings.Contains(dest, ":") {
		return ""
	}
	if p := path.Join(f.Dir(), dest); !t.has(p) {
		return p
	}
	return ""
}

func (t *Tree) makeTargets() []string {
	var all []string
	for _, f := range t.Files {
		if f.Path != "Makefile" {
			continue
		}
		for _, m := range target.FindAllSubmatch(f.Data, -1) {
			all = append(all, strings.Fields(string(m[1]))...)
		}
	}
	return all
}

func misnumbered(records []string) []Finding {
	slices.Sort(records)
	var found []Finding
	next := 1
	for _, name := range records {
		if !strings.HasSuffix(name, ".md") || name == "README.md" {
			continue // an index, or what lies beside a record
		}
		m := decision.FindStringSubmatch(name)
		if want := fmt.Sprintf("%03d", next); m == nil || m[1] != want {
			found = append(found, Finding{"docs/decisions/" + name, 0, fmt.Sprintf("want the name %s-words-with-dashes.md", want)})
		}
		next++
	}
	return found
}
