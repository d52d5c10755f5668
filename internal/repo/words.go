package repo

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The patterns are put together so that this file does not hold what it looks
// for.
var (
	unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|(?i:not ` + `implemented)`)
	// machinePath is a path of somebody's machine: it means nothing elsewhere.
	machinePath = regexp.MustCompile(`(^|[^\w.~/-])/(wo` + `rk|ro` + `ot|ho` + `me/\w+|tmp/team|tmp/bash_jobs)(/|$|\W)`)
	// report is the name of a document that ages the day it is written.
	report = regexp.MustCompile(`(?i)^(status|progress|report|summary|notes|plan|handover)([-_. ].*)?\.(md|txt)$`)
)

// vague are package names that say nothing.
var vague = []string{"util", "utils", "common", "types", "manager", "helpers", "misc", "base"}

// Words checks that no Go file announces unfinished work and no file names a
// path of the machine on which it was written.
func Words(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		line := 0
		for text := range bytes.Lines(f.Data) {
			line++
			if m := unfinished.Find(text); m != nil && f.Go != nil {
				found = append(found, Finding{f.Path, line, fmt.Sprintf("%q: finish it, or write a decision record of why not", m)})
			}
			if m := machinePath.Find(bytes.TrimSpace(text)); m != nil {
				found = append(found, Finding{f.Path, line, fmt.Sprintf("%q is a path of one machine", bytes.TrimSpace(m))})
			}
		}
	}
	return found
}

// MaxData is the largest file of the tree in bytes.
const MaxData = 1 << 20

// Files checks what kinds of files and packages there are: no binaries, no
// large files, no status reports, no packages with names that say nothing.
func Files(t *Tree) []Finding {
	var found []Finding
	add := func(f *File, format string, args ...any) {
		found = append(found, Finding{Path: f.Path, Msg: fmt.Sprintf(format, args...)})
	}
	for _, f := range t.Files {
		base := path.Base(f.Path)
		if len(f.Data) > MaxData {
			add(f, "%d bytes, over the limit of %d", len(f.Data), MaxData)
		}
		if bytes.IndexByte(f.Data, 0) >= 0 && !slices.Contains([]string{".png", ".ico", ".woff2"}, path.Ext(base)) {
			add(f, "a binary file: build it instead")
		}
		if report.MatchString(base) {
			add(f, "a status report: what is true belongs in a document with a job, the rest in commit messages")
		}
		if f.Go != nil && slices.Contains(vague, strings.TrimSuffix(f.Go.Name.Name, "_test")) {
			add(f, "package %s says nothing: name it after what it provides", f.Go.Name.Name)
		}
	}
	return found
}
