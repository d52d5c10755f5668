package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var bugName = regexp.MustCompile("`((?:M|F|R)\\d\\d-[a-z0-9-]+)`")

func TestTheDocumentListsEveryBugBesideTheProperty(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "docs", "PROPERTIES.md"))
	if err != nil {
		t.Fatal(err)
	}
	bugs, err := load("bugs")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{} // the row that names the bug
	for _, line := range strings.Split(string(data), "\n") {
		for _, m := range bugName.FindAllStringSubmatch(line, -1) {
			if rows[m[1]] != "" {
				t.Errorf("%s is listed twice", m[1])
			}
			rows[m[1]] = line
		}
	}
	for _, b := range bugs {
		row := rows[b.Name]
		delete(rows, b.Name)
		if row == "" {
			t.Errorf("%s is not listed", b.Name)
			continue
		}
		cells := strings.Split(row, " | ")
		if b.Test != nil {
			if !strings.Contains(row, "`"+b.Test.Run+"`") {
				t.Errorf("%s is not listed beside %s", b.Name, b.Test.Run)
			}
			continue
		}
		if !slices.ContainsFunc(b.Expect, func(p string) bool {
			if strings.HasPrefix(p, "panic: ") {
				p = "panic"
			}
			return slices.Contains(cells, p) || slices.Contains(cells, "| "+p)
		}) {
			t.Errorf("%s is not listed beside any of %q", b.Name, b.Expect)
		}
	}
	for name := range rows {
		t.Errorf("%s is listed and not planted", name)
	}
}
