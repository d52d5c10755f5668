package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `title: a thing is wrong
row: M01 F02
breaks: all of it
play: pool-bound cap=2 peers=3
expect: it holds
expect: panic: macula bug
seeds: 7

-- old a.go --
	one
-- new --
	two
-- old a.go --
three
-- new --
`

func TestABugFileIsRead(t *testing.T) {
	b, err := parse("x", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if b.Title != "a thing is wrong" || len(b.Rows) != 2 || b.Seeds != 7 || b.Plays[0].String() != "pool-bound cap=2 peers=3" {
		t.Errorf("read %+v", b)
	}
	want := []edit{{"a.go", "\tone", "\ttwo"}, {"a.go", "three", ""}}
	if len(b.Edits) != 2 || b.Edits[0] != want[0] || b.Edits[1] != want[1] {
		t.Errorf("edits are %q", b.Edits)
	}
}

func TestABugFileWithoutSenseIsRefused(t *testing.T) {
	for what, change := range map[string][2]string{
		"an unknown key":      {"breaks:", "brakes:"},
		"no title":            {"title: a thing is wrong\n", ""},
		"a row of no list":    {"M01", "X01"},
		"no way to find it":   {"play: pool-bound cap=2 peers=3\n", ""},
		"nothing expected":    {"expect: it holds\nexpect: panic: macula bug\n", ""},
		"no seeds":            {"seeds: 7", "seeds: none"},
		"no seed":             {"seeds: 7", "seed: 0"},
		"no tasks":            {"seeds: 7", "tasks: 0"},
		"an edit of nothing":  {"\ttwo", "\tone"},
		"text before an edit": {"-- old a.go --\n\tone", "\tone"},
	} {
		if _, err := parse("x", []byte(strings.Replace(sample, change[0], change[1], 1))); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestAnOldTextMustOccurOnce(t *testing.T) {
	for text, ok := range map[string]bool{
		"\tone\nthree\n":        true,
		"\tone\n":               false,
		"\tone\nthree\nthree\n": false,
		"\ttwo\n":               false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		b, err := parse("x", []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		files, err := b.apply(dir)
		if (err == nil) != ok {
			t.Errorf("%q: applies: %v", text, err)
		}
		if got := string(files[filepath.Join(dir, "a.go")]); ok && got != "\ttwo\n\n" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestAViolationMustBeTheOneThatIsExpected(t *testing.T) {
	b, err := parse("x", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		property, saw string
		want          bool
	}{
		{"it holds", "anything", true},
		{"it holds not", "anything", false},
		{"panic", "macula bug: x", true},
		{"panic", "nil pointer", false},
	} {
		if got := b.expects(c.property, c.saw); got != c.want {
			t.Errorf("%s (%s) is expected: %v", c.property, c.saw, got)
		}
	}
}

func TestEveryBugAppliesToTheTree(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	bugs, err := load("bugs")
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 40 {
		t.Errorf("only %d bugs are planted", len(bugs))
	}
	two := 0
	for _, b := range bugs {
		if b.Tasks > 1 {
			two++
		}
		if len(b.Rows) == 0 || b.Seed != 0 {
			t.Errorf("%s stands for %v and has the seed %d: want a row, and no seed", b.Name, b.Rows, b.Seed)
		}
		if _, err := b.apply(root); err != nil {
			t.Error(err)
		}
	}
	if two < 15 {
		t.Errorf("%d bugs need two tasks at once, want 15", two)
	}
}

// What finds a bug is in the tree. A panic in the change itself would find
// anything.
func TestABugThatFindsItselfIsRefused(t *testing.T) {
	parsed := func(change, expect string) *bug {
		text := strings.Replace(strings.Replace(sample, "\ttwo", change, 1), "macula bug", expect, 1)
		b, err := parse("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		change, saw string
		own         bool
	}{
		{"\ttwo", "macula bug: x", false},
		{"\tpanic(1)", "macula bug: x", true},
		{"\tinvariant.That(false)", "macula bug: x", true},
		{"\tlog(\"went wrong\")", "macula bug: it went wrong", true},
		{"\tlog(\"went well\")", "macula bug: it went wrong", false},
	} {
		if got := parsed(c.change, "macula bug").ownPanic(c.saw); (got != "") != c.own {
			t.Errorf("%q, which makes the run see %q: %q", c.change, c.saw, got)
		}
	}
	bugs, err := load("bugs")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		if own := b.ownPanic(""); own != "" {
			t.Errorf("%s: %s", b.Name, own)
		}
		for _, want := range b.Expect {
			if text, ok := strings.CutPrefix(want, "panic: "); ok {
				if own := b.ownPanic(text); own != "" {
					t.Errorf("%s expects %q: %s", b.Name, want, own)
				}
			}
		}
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "found.txt")
	bugs := []*bug{{Name: "b"}, {Name: "a"}}
	all := map[string]record{"a": {"a", "it holds", "mesh-4 x=1", 7, "1 line, 2 nodes, 0 faults"}, "b": {"b", byTest, "./p T", 0, nothingLeft}, "gone": {Bug: "gone"}}
	if err := writeFound(file, bugs, all); err != nil {
		t.Fatal(err)
	}
	got, err := readFound(file)
	if err != nil || len(got) != 2 || got["a"] != all["a"] || got["b"] != all["b"] {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("a | b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readFound(file); err == nil {
		t.Error("a line with too few columns is accepted")
	}
}
