package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/properties"
)

var update = flag.Bool("update", false, "write the tables into docs/PROPERTIES.md")

const again = `run "make mutants RECORD=1"`

// The document is made of the bugs, of how they were found, and of the tables
// of the package properties.
func TestTheDocumentSaysWhatProvesEachProperty(t *testing.T) {
	root, bugs, found := recorded(t)
	file := filepath.Join(root, "docs", "PROPERTIES.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	for marker, table := range map[string]string{
		"standing": standingTable(bugs, found), "invariants": invariantTable(), "scenarios": scenarioTable(bugs, found),
		"tests": testTable(bugs), "bugs": bugTable(bugs, found), "components": componentTable(),
	} {
		want = between(t, want, "<!-- "+marker+" ", table)
	}
	if want == string(data) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("the tables in docs/PROPERTIES.md are not those of the code: go test ./internal/mutants -run TestTheDocument -update")
}

func recorded(t *testing.T) (root string, bugs []*bug, found map[string]record) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if bugs, err = load("bugs"); err != nil {
		t.Fatal(err)
	}
	if found, err = readFound("found.txt"); err != nil {
		t.Fatal(err)
	}
	return root, bugs, found
}

func TestHowEveryBugWasFoundIsRecorded(t *testing.T) {
	_, bugs, found := recorded(t)
	planted := map[string]bool{}
	for _, b := range bugs {
		planted[b.Name] = true
		r, ok := found[b.Name]
		switch {
		case !ok:
			t.Errorf("%s is not in found.txt: %s", b.Name, again)
		case b.Test != nil:
			if r.Property != byTest || r.Scenario != b.Test.Package+" "+b.Test.Run {
				t.Errorf("%s is found by another test: %s", b.Name, again)
			}
		case !slices.ContainsFunc(b.Expect, func(want string) bool {
			return want == r.Property || strings.HasPrefix(want, r.Property+": ")
		}):
			t.Errorf("%s was found by %q, which it does not expect any more: %s", b.Name, r.Property, again)
		case !slices.ContainsFunc(b.Plays, func(p play) bool { return p.String() == r.Scenario }):
			t.Errorf("%s was found in %q, which it does not play any more: %s", b.Name, r.Scenario, again)
		}
	}
	for name := range found {
		if !planted[name] {
			t.Errorf("%s is in found.txt and not planted: %s", name, again)
		}
	}
}

func TestEveryStandingPropertyIsProvedByABug(t *testing.T) {
	_, bugs, found := recorded(t)
	for _, p := range properties.Standing() {
		if proofs(bugs, found, func(r record) bool { return r.Property == p.Name }) == noProof {
			t.Errorf("no planted bug was found by %q: plant one, and %s", p.Name, again)
		}
	}
}

// between replaces what stands between the marker and the next end marker.
func between(t *testing.T, text, marker, table string) string {
	i := strings.Index(text, marker)
	if i < 0 {
		t.Fatalf("the document has no %s", marker)
	}
	i += strings.Index(text[i:], "\n") + 1
	j := strings.Index(text[i:], "<!-- end -->")
	if j < 0 {
		t.Fatalf("%s has no end", marker)
	}
	return text[:i] + table + text[i+j:]
}

// rows makes a table; an upright line in a cell would end it.
func rows(head string, lines [][]string) string {
	var b strings.Builder
	b.WriteString(head + "\n" + strings.Repeat("| --- ", strings.Count(head, "|")-1) + "|\n")
	for _, cells := range lines {
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", "\\|")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}

const noProof = "-"

// proofs lists the bugs that were found in a way, with the seeds that it took.
func proofs(bugs []*bug, found map[string]record, in func(record) bool) string {
	var names []string
	for _, b := range bugs {
		if r, ok := found[b.Name]; ok && in(r) {
			names = append(names, fmt.Sprintf("`%s` (%d)", b.Name, r.Seed))
		}
	}
	if len(names) == 0 {
		return noProof
	}
	return strings.Join(names, ", ")
}

func standingTable(bugs []*bug, found map[string]record) string {
	var lines [][]string
	for _, p := range properties.Standing() {
		lines = append(lines, []string{p.Name, p.Says, p.Checker, proofs(bugs, found, func(r record) bool { return r.Property == p.Name })})
	}
	return rows("| property | says | looked at by | proved by |", lines)
}

func invariantTable() string {
	var lines [][]string
	for _, i := range properties.Invariants() {
		lines = append(lines, []string{i.Name, i.Says, strings.Join(i.By, "; ")})
	}
	return rows("| invariant | says | properties that stand for it |", lines)
}

func scenarioTable(bugs []*bug, found map[string]record) string {
	standing := map[string]bool{byTest: true}
	for _, p := range properties.Standing() {
		standing[p.Name] = true
	}
	type key struct{ scenario, property string }
	scenario := func(r record) string { return strings.Fields(r.Scenario)[0] }
	seen := map[key]bool{}
	var lines [][]string
	for _, b := range bugs {
		r, ok := found[b.Name]
		k := key{}
		if ok {
			k = key{scenario(r), r.Property}
		}
		if !ok || standing[r.Property] || seen[k] {
			continue
		}
		seen[k] = true
		lines = append(lines, []string{k.scenario, k.property, proofs(bugs, found, func(r record) bool {
			return scenario(r) == k.scenario && r.Property == k.property
		})})
	}
	slices.SortFunc(lines, slices.Compare)
	return rows("| scenario | property | proved by |", lines)
}

func testTable(bugs []*bug) string {
	var lines [][]string
	for _, b := range bugs {
		if b.Test != nil {
			lines = append(lines, []string{"`" + b.Name + "`", fmt.Sprintf("`%s` in `%s`", b.Test.Run, strings.TrimPrefix(b.Test.Package, "./"))})
		}
	}
	return rows("| planted bug | test |", lines)
}

func bugTable(bugs []*bug, found map[string]record) string {
	var lines [][]string
	for _, b := range bugs {
		r, ok := found[b.Name]
		if !ok || b.Test != nil {
			continue
		}
		two := ""
		if b.Tasks > 1 {
			two = "yes"
		}
		lines = append(lines, []string{"`" + b.Name + "`", b.Title, r.Scenario, fmt.Sprint(r.Seed), r.Size, two})
	}
	return rows("| planted bug | what is wrong | found in | seeds | size after shrinking | two tasks at once |", lines)
}

func componentTable() string {
	var lines [][]string
	for _, c := range properties.Components() {
		lines = append(lines, []string{c.Name, c.Model, fmt.Sprintf("`%s` in `%s`", c.Test, c.File)})
	}
	return rows("| component | model | test |", lines)
}
