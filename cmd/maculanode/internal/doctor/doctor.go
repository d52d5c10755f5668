// Package doctor checks a machine, a configuration and the node that may be
// running with it, and says what to do about what it finds.
//
// It changes nothing: sockets are opened for a moment, and peers are asked for
// a handshake only when that was wanted.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
)

// Input is what is checked.
type Input struct {
	Config   config.Config
	Mistakes []error // of reading it: what depends on it is left out then

	Dir     string // the data directory, also when the configuration is wrong
	Key     string // the key file, likewise
	Version string // of this program

	Status    *control.Status // of the node that runs; nil when none does
	StatusErr error           // why there is no status; nil when no node runs

	MemoryLimit int64 // what a node may use, in bytes; 0: nobody says
	Handshake   bool  // shake hands with the peers of the configuration
	Resolver    hosts.Resolver
}

// Result is how a check ended.
type Result string

// The results.
const (
	OK   Result = "ok"
	Warn Result = "warn"
	Fail Result = "fail"
)

// Line is what one check found.
type Line struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	What   string `json:"what"`
	Do     string `json:"do,omitempty"` // about a warning or a failure
}

// Report is what all checks found.
type Report struct {
	OK    bool   `json:"ok"` // nothing failed
	Lines []Line `json:"checks"`
}

// Run plays every check. It ends when ctx does, or after a few seconds for the
// peers, which are asked all at once.
func Run(ctx context.Context, in Input) Report {
	var lines []Line
	lines = append(lines, in.configuration()...)
	lines = append(lines, in.directory()...)
	lines = append(lines, in.key()...)
	lines = append(lines, in.running()...)
	if len(in.Mistakes) == 0 {
		lines = append(lines, in.port(ctx)...)
		lines = append(lines, in.doors(ctx)...)
	}
	lines = append(lines, buffers(), in.files(), in.memory(), clock(in.Key))
	lines = append(lines, in.interfaces()...)
	if len(in.Mistakes) == 0 {
		lines = append(lines, in.peers(ctx)...)
	}
	rep := Report{OK: true, Lines: lines}
	for i := range lines {
		lines[i].What, lines[i].Do = oneLine(lines[i].What), oneLine(lines[i].Do)
		rep.OK = rep.OK && lines[i].Result != Fail
	}
	return rep
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Count is how many checks ended in r.
func (r *Report) Count(want Result) int {
	n := 0
	for _, l := range r.Lines {
		if l.Result == want {
			n++
		}
	}
	return n
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	for _, l := range r.Lines {
		fmt.Fprintf(w, "%-4s  %-14s %s\n", l.Result, l.Check, l.What)
		if l.Do != "" {
			fmt.Fprintf(w, "%-21s%s\n", "", "-> "+l.Do)
		}
	}
	fmt.Fprintf(w, "%d ok, %d to look at, %d failed\n", r.Count(OK), r.Count(Warn), r.Count(Fail))
}

func ok(check, format string, args ...any) Line {
	return Line{Check: check, Result: OK, What: text(format, args)}
}

func warn(check, do, format string, args ...any) Line {
	return Line{Check: check, Result: Warn, What: text(format, args), Do: do}
}

func fail(check, do, format string, args ...any) Line {
	return Line{Check: check, Result: Fail, What: text(format, args), Do: do}
}

// text is a line with its errors as people read them.
func text(format string, args []any) string {
	for i, a := range args {
		if err, ok := a.(error); ok {
			args[i] = control.Text(err)
		}
	}
	return fmt.Sprintf(format, args...)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
