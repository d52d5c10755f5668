package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse reads bug files of any sort. One that is taken does what validate
// demands, and written down again it says the same; of one that is not, the
// error names the file.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("*", "*.txt"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("%d bug files, %v", len(paths), err)
	}
	for _, p := range paths[:min(len(paths), 10)] {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	const head = "title: t\nbreaks: b\nplay: mesh-4 n=1\nexpect: p\n"
	const body = "\n-- old a.go --\nx\n-- new --\ny\n"
	for _, s := range []string{
		head + body, head, body, "", "\n\n", head + "play:  \n" + body, head + "test: a b\n" + body, "title: t\nbreaks: b\ntest: ./a B\n" + body, head + "title: again\n" + body, head + "row: M01 F1\n" + body,
		head + "seeds: 0\n" + body, head + "seeds: 18446744073709551616\n" + body, head + "seeds: NaN\n" + body, head + "seed: -1\n" + body, head + "row:  \n" + body, head + "expect:  \n" + body, head + "nobody: knows\n" + body,
		head + "\n-- new --\ny\n", head + "\n-- old a.go --\n-- old b.go --\n-- new --\n-- new --\n", head + "\n-- old ../../x --\nx\n-- new --\ny\n", head + "\n-- old a.go --\nx\n-- new --\nx\n", strings.ReplaceAll(head+body, "\n", "\r\n"), head + "\n-- old a.go --\n\xff\n-- new --\n\x00\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parse("name", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "name: ") {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := b.validate(); err != nil || b.Seeds < 1 || b.Seed < 0 {
			t.Fatalf("%+v, %v", b, err)
		}
		for _, p := range b.Plays {
			if p.Scenario == "" {
				t.Fatalf("a play without a scenario: %+v", b.Plays)
			}
		}
		again, err := parse("name", written(b))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v was written as %q, and that is %+v, %v", b, written(b), again, err)
		}
	})
}

// written is a bug as its file.
func written(b *bug) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "title: %s\nbreaks: %s\n", b.Title, b.Breaks)
	if b.Rows != nil {
		fmt.Fprintf(&s, "row: %s\n", strings.Join(b.Rows, " "))
	}
	for _, p := range b.Plays {
		fmt.Fprintf(&s, "play: %v\n", p)
	}
	if b.Test != nil {
		fmt.Fprintf(&s, "test: %s %s\n", b.Test.Package, b.Test.Run)
	}
	for _, e := range b.Expect {
		fmt.Fprintf(&s, "expect: %s\n", e)
	}
	fmt.Fprintf(&s, "seeds: %d\n", b.Seeds)
	if b.Seed > 0 {
		fmt.Fprintf(&s, "seed: %d\n", b.Seed)
	}
	fmt.Fprintf(&s, "tasks: %d\n", b.Tasks)
	text := strings.TrimSuffix(s.String(), "\n") + "\n\n"
	for _, e := range b.Edits {
		text += fmt.Sprintf("-- old %s --\n%s\n-- new --\n", e.File, e.Old)
		if e.New != "" {
			text += e.New + "\n"
		}
	}
	return []byte(text)
}

// FuzzReadFound reads tables of what was found, of any sort: what is taken has
// a row for each name, and what is not is told with its line.
func FuzzReadFound(f *testing.F) {
	for _, s := range []string{"", "#\n", "a | b | c | 1 | d\n", "a | b | c | 1 | d\na | b | c | 2 | d\n", "a | b | c | NaN | d\n", "a | b | c | 18446744073709551616 | d\n", "a | b\n", " |  |  |  | ", "\xff | \x00 | c | -1 | d", strings.Repeat(" | ", 500)} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "found.txt")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := readFound(file)
		if err != nil {
			if !strings.HasPrefix(err.Error(), file+":") {
				t.Fatalf("%v", err)
			}
			return
		}
		if n := strings.Count(string(data), "\n") + 1; len(rows) > n {
			t.Fatalf("%d rows of %d lines", len(rows), n)
		}
	})
}
