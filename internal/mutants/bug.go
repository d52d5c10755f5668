package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// bug is one planted bug, as its file describes it.
type bug struct {
	Name   string   // of the file, without its ending
	Title  string   // what is wrong
	Rows   []string // the defects (M..), faults (F..) or races (R..) that it stands for; may be empty
	Breaks string   // what it costs
	Plays  []play   // scenarios that must find it, in the order in which they are tried
	Test   *test    // or the test that must find it, because no scenario can
	Expect []string // the properties one of which must fail
	Seeds  int      // of each scenario, at most
	Seed   int      // or the one that shows it, of a bug that is there to be shrunk
	Tasks  int      // tasks that have to be about it at once for it to show; 1 when one after another is enough
	Edits  []edit
}

// play is a scenario with its parameters.
type play struct {
	Scenario string
	Set      []string // key=value
}

func (p play) String() string { return strings.Join(append([]string{p.Scenario}, p.Set...), " ") }

// test is a test of a package.
type test struct {
	Package string
	Run     string
}

// edit is an exact replacement in one file. Old must occur there exactly once.
type edit struct {
	File     string // relative to the root of the module
	Old, New string
}

var (
	oldLine = regexp.MustCompile(`^-- old (\S+) --$`)
	rowForm = regexp.MustCompile(`^(M|F|R|N)\d\d$`)
)

const newLine = "-- new --"

// parse reads a bug file: lines of "key: value", an empty line, and then
// pairs of "-- old FILE --" and "-- new --" with the text that follows each.
func parse(name string, data []byte) (*bug, error) {
	b := &bug{Name: name, Seeds: 10, Tasks: 1}
	head, body, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		return nil, fmt.Errorf("%s: no empty line after the head", name)
	}
	for _, line := range strings.Split(head, "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is no \"key: value\"", name, line)
		}
		if err := b.set(key, strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := b.setEdits(body); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, b.validate()
}

func (b *bug) set(key, value string) error {
	switch key {
	case "title":
		b.Title = value
	case "row":
		b.Rows = strings.Fields(value)
	case "breaks":
		b.Breaks = value
	case "play":
		f := strings.Fields(value)
		if len(f) == 0 {
			return fmt.Errorf("play: want a scenario")
		}
		b.Plays = append(b.Plays, play{Scenario: f[0], Set: f[1:]})
	case "test":
		f := strings.Fields(value)
		if len(f) != 2 {
			return fmt.Errorf("test: want a package and a regular expression, have %q", value)
		}
		b.Test = &test{Package: f[0], Run: f[1]}
	case "expect":
		b.Expect = append(b.Expect, value)
	case "seeds":
		return number(key, value, &b.Seeds)
	case "seed":
		return number(key, value, &b.Seed)
	case "tasks":
		return number(key, value, &b.Tasks)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func number(key, value string, to *int) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return fmt.Errorf("%s: %q is no number above zero", key, value)
	}
	*to = n
	return nil
}

func (b *bug) setEdits(body string) error {
	var text *string
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		switch m := oldLine.FindStringSubmatch(line); {
		case m != nil:
			b.Edits = append(b.Edits, edit{File: m[1]})
			text = &b.Edits[len(b.Edits)-1].Old
		case line == newLine && len(b.Edits) > 0:
			text = &b.Edits[len(b.Edits)-1].New
		case text == nil:
			return fmt.Errorf("%q stands before the first \"-- old FILE --\"", line)
		default:
			*text += line + "\n"
		}
	}
	for i := range b.Edits {
		e := &b.Edits[i]
		e.Old, e.New = strings.TrimSuffix(e.Old, "\n"), strings.TrimSuffix(e.New, "\n")
	}
	return nil
}

func (b *bug) validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", b.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case b.Title == "" || b.Breaks == "":
		return fail("title and breaks must be set")
	case len(b.Edits) == 0:
		return fail("it changes nothing")
	case (len(b.Plays) > 0) == (b.Test != nil):
		return fail("either play or test must be set")
	case len(b.Plays) > 0 && len(b.Expect) == 0:
		return fail("expect must name the property that finds it")
	}
	for _, r := range b.Rows {
		if !rowForm.MatchString(r) {
			return fail("row %q is no M.., F.., R.. or N..", r)
		}
	}
	for _, e := range b.Edits {
		if e.Old == "" || e.Old == e.New {
			return fail("an edit of %s changes nothing", e.File)
		}
	}
	return nil
}

// ownPanic says that the bug would be found by a panic of its own, or nothing:
// what finds it has to be in the tree.
func (b *bug) ownPanic(saw string) string {
	for _, e := range b.Edits {
		for _, call := range []string{"panic(", "invariant.", ".Fail(", ".Check("} {
			if strings.Count(e.New, call) > strings.Count(e.Old, call) {
				return fmt.Sprintf("its change of %s adds %q", e.File, call)
			}
		}
		for _, text := range quoted.FindAllString(e.New, -1) {
			if text = strings.Trim(text, "\"`"); len(text) > 3 && !strings.Contains(e.Old, text) && strings.Contains(saw, text) {
				return fmt.Sprintf("its change of %s has the text %q that was seen", e.File, text)
			}
		}
	}
	return ""
}

var quoted = regexp.MustCompile("\"[^\"\n]+\"|`[^`]+`")

// apply returns the changed files by their paths. An old text that does not
// occur exactly once in its file means that the bug no longer applies.
func (b *bug) apply(root string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, e := range b.Edits {
		path := filepath.Join(root, filepath.FromSlash(e.File))
		data, ok := out[path]
		if !ok {
			var err error
			if data, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("%s does not apply: %w", b.Name, err)
			}
		}
		if n := bytes.Count(data, []byte(e.Old)); n != 1 {
			return nil, fmt.Errorf("%s does not apply: its old text occurs %d times in %s:\n%s", b.Name, n, e.File, e.Old)
		}
		out[path] = bytes.Replace(data, []byte(e.Old), []byte(e.New), 1)
	}
	return out, nil
}

// load reads all bug files of a folder, in the order of their names.
func load(dir string) ([]*bug, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var bugs []*bug
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		b, err := parse(strings.TrimSuffix(filepath.Base(path), ".txt"), data)
		if err != nil {
			return nil, err
		}
		bugs = append(bugs, b)
	}
	return bugs, nil
}
