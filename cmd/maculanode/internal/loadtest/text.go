package loadtest

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/maculamesh/macula/load"
)

// Text writes for people: a line for each test when it is over, and in the
// meantime how far it is. On a terminal that is one line that changes,
// elsewhere a line now and then.
type Text struct {
	Out    io.Writer
	Color  bool
	Moving bool // Out is a terminal

	mu     sync.Mutex
	at     time.Time // of the last progress that was shown
	doing  string
	behind bool // a line that changes is there
}

// How often progress is shown.
const (
	movingEvery = 50 * time.Millisecond
	plainEvery  = 2 * time.Second
)

// The colours.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	faint  = "2"
)

func (t *Text) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// Begin implements Output.
func (t *Text) Begin(tests int) {
	what := fmt.Sprintf("%d tests", tests)
	if tests == 1 {
		what = "one test"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.Out, "%s\n", t.paint(bold, fmt.Sprintf("load test: %s over QUIC on loopback, %d processors", what, processors())))
	t.at = time.Now()
}

// Progress implements Output.
func (t *Text) Progress(p load.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	every := plainEvery
	if t.Moving {
		every = movingEvery
	}
	if now := time.Now(); now.Sub(t.at) >= every || t.Moving && p.Doing != t.doing {
		t.at, t.doing = now, p.Doing
	} else {
		return
	}
	line := fmt.Sprintf("%-9s %s", p.Test, p.Doing)
	if p.Total > 0 {
		line += fmt.Sprintf(" %d/%d", p.Done, p.Total)
	}
	if t.Moving {
		fmt.Fprintf(t.Out, "\r\x1b[K%s", t.paint(faint, line))
		t.behind = true
		return
	}
	fmt.Fprintln(t.Out, line)
}

// clear takes the line that changes away. Called with the lock held.
func (t *Text) clear() {
	if t.behind {
		fmt.Fprint(t.Out, "\r\x1b[K")
		t.behind = false
	}
}

// Result implements Output.
func (t *Text) Result(r load.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	summary := r.Summary
	if summary == "" {
		summary = "was not played to its end"
	}
	took := r.Took.Round(100 * time.Millisecond)
	fmt.Fprintf(t.Out, "%-9s %s  %s  %v\n", r.Test, summary, t.verdict(r), took)
	for _, f := range r.Failures {
		fmt.Fprintf(t.Out, "          %s: %s\n", t.paint(red, f.Property), f.Detail)
	}
	if more := r.Failed - len(r.Failures); more > 0 {
		fmt.Fprintf(t.Out, "          and %d more\n", more)
	}
	t.at = time.Now()
}

func (t *Text) verdict(r load.Result) string {
	switch {
	case r.Failed > 0:
		return t.paint(red, fmt.Sprintf("FAILED %d of %d checks", r.Failed, r.Checks))
	case r.Stopped:
		return t.paint(yellow, "stopped")
	}
	return t.paint(green, "ok")
}

// End implements Output.
func (t *Text) End(r Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	b := r.Baseline
	word := t.paint(green, "ok")
	if len(b.Failures) > 0 {
		word = t.paint(red, "FAILED")
	}
	files := fmt.Sprintf("descriptors %d -> %d (at most %d)", b.Before.Descriptors, b.After.Descriptors, b.Peak.Descriptors)
	if b.After.Descriptors < 0 {
		files = "descriptors unknown here"
	}
	fmt.Fprintf(t.Out, "%-9s heap %s -> %s (at most %s; +%s allowed), goroutines %d -> %d (at most %d), %s  %s\n", "baseline",
		bytesText(b.Before.Heap), bytesText(b.After.Heap), bytesText(b.Peak.Heap), bytesText(b.Allowed),
		b.Before.Goroutines, b.After.Goroutines, b.Peak.Goroutines, files, word)
	for _, f := range b.Failures {
		fmt.Fprintf(t.Out, "          %s\n", t.paint(red, f))
	}
	fmt.Fprintf(t.Out, "%s\n", t.last(r))
}

// last is the last line.
func (t *Text) last(r Report) string {
	took := r.Took.Round(100 * time.Millisecond)
	n := len(r.Results)
	switch {
	case r.OK():
		return t.paint(green, fmt.Sprintf("%d of %d held, nothing is left  %v", n, n, took))
	case len(r.Skipped) > 0 || n > 0 && r.Results[n-1].Stopped:
		return t.paint(yellow, fmt.Sprintf("interrupted: %d of %d held, %d not played  %v", n-r.Failed(), n+len(r.Skipped), len(r.Skipped), took))
	case len(r.Baseline.Failures) > 0:
		return t.paint(red, fmt.Sprintf("%d of %d held, but something is left  %v", n-r.Failed(), n, took))
	}
	return t.paint(red, fmt.Sprintf("%d of %d failed  %v", r.Failed(), n, took))
}
