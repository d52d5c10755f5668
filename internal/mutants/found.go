package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// record is a line of found.txt: how a bug was found when the file was written.
type record struct {
	Bug, Property, Scenario string
	Seed                    int
	Size                    string
}

const foundHead = `# How each planted bug was found: bug | property | scenario | seed | size after shrinking.
# Written by "make mutants RECORD=1"; docs/PROPERTIES.md is made of it.
`

// byTest is the property of a bug that a test finds.
const byTest = "test"

// recordOf is the line of a finding.
func recordOf(f finding) record {
	if f.bug.Test != nil {
		return record{f.bug.Name, byTest, f.bug.Test.Package + " " + f.bug.Test.Run, 0, nothingLeft}
	}
	return record{f.bug.Name, f.property, f.play.String(), f.seed, f.size}
}

func (r record) String() string {
	return fmt.Sprintf("%s | %s | %s | %d | %s", r.Bug, r.Property, r.Scenario, r.Seed, r.Size)
}

// readFound reads found.txt; that there is none yet is no error.
func readFound(file string) (map[string]record, error) {
	out := map[string]record{}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, " | ")
		if len(cells) != 5 {
			return nil, fmt.Errorf("%s:%d: %d columns, want 5", file, i+1, len(cells))
		}
		seed, err := strconv.Atoi(cells[3])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: the seed %q is no number", file, i+1, cells[3])
		}
		out[cells[0]] = record{cells[0], cells[1], cells[2], seed, cells[4]}
	}
	return out, nil
}

// writeFound writes the records in the order of their names. Those of bugs that
// are not planted any more go; those of bugs that were not hunted stay.
func writeFound(file string, bugs []*bug, all map[string]record) error {
	lines := []string{}
	for _, b := range bugs {
		if r, ok := all[b.Name]; ok {
			lines = append(lines, r.String()+"\n")
		}
	}
	slices.Sort(lines)
	return os.WriteFile(file, []byte(foundHead+strings.Join(lines, "")), 0o644)
}
