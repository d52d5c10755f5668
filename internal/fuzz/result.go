package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// result is what a run of a target came to.
type result struct {
	execs uint64
	fresh uint64 // inputs that reached something new
	found string // what was found; empty when nothing was
	input string // where the input is kept, when it was a new one
	late  bool   // its time ended while an input was played: go.dev/issue/75804
	shown string // all that was printed
}

var (
	progress = regexp.MustCompile(`^fuzz: elapsed: \S+ execs: (\d+) .*new interesting: (\d+)`)
	kept     = regexp.MustCompile(`^Failing input written to (\S+)$`)
	seed     = regexp.MustCompile(`^failure while testing seed corpus entry: (\S+)`)
)

// parseResult reads what go test prints while it fuzzes.
func parseResult(text string) result {
	var r result
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := progress.FindStringSubmatch(line); m != nil {
			r.execs, _ = strconv.ParseUint(m[1], 10, 64)
			r.fresh, _ = strconv.ParseUint(m[2], 10, 64)
		} else if m := kept.FindStringSubmatch(line); m != nil {
			r.found, r.input = "an input fails", m[1]
		} else if m := seed.FindStringSubmatch(line); m != nil {
			r.found = "a seed fails: " + m[1]
		} else if line == "context deadline exceeded" {
			r.late = true
		} else if r.found == "" && (strings.HasPrefix(line, "--- FAIL") || line == "FAIL" || strings.HasPrefix(line, "FAIL\t")) {
			r.found = failed
		}
	}
	if r.late && r.found == failed && !strings.Contains(text, "panic:") {
		r.found = "" // no input fails
	}
	return r
}

// failed is what is said of a run that does not say what fails.
const failed = "it failed"

// line is the result in one line.
func (r result) line(t target) string {
	s := fmt.Sprintf("%-62s %10d execs %6d new  ", short(t.pkg)+" "+t.name, r.execs, r.fresh)
	switch {
	case r.found == "" && r.execs == 0:
		return s + "not played: its share of the time was too short"
	case r.found == "":
		return s + "ok"
	case r.input == "":
		return s + "FOUND: " + r.found
	}
	return s + "FOUND: " + r.found + ", kept in " + r.input
}

// short is a package path without that of the module's host and owner.
func short(pkg string) string {
	parts := strings.SplitN(pkg, "/", 4)
	return parts[len(parts)-1]
}
