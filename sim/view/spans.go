package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
)

// Span is a fault that lasts.
type Span struct {
	What     string        `json:"what"`              // "down", "paused", "slow", "cut", "partition", or as the fault calls itself
	Machine  string        `json:"machine,omitempty"` // whose it is; empty for links and partitions
	Links    [][2]string   `json:"links,omitempty"`   // the links that it is of, as sender and receiver
	Groups   [][]string    `json:"groups,omitempty"`  // of a partition: no message passes between two of them
	Text     string        `json:"text"`              // for people
	From     time.Duration `json:"from_ns"`
	To       time.Duration `json:"to_ns"`
	Event    uint64        `json:"event"`     // in which it began
	EventEnd uint64        `json:"event_end"` // in which it ended
	Open     bool          `json:"open,omitempty"`

	network bool // HealAll ends it
}

// Spans derives the faults that last from the decisions, in the order of their
// beginnings. Those that nothing has ended are Open and reach to the end. The
// same fault of several links at the same time is one span.
func Spans(records []sim.Record, end time.Duration) []Span {
	var t tracker
	last := uint64(0)
	for i := range records {
		last = records[i].Event
		t.record(&records[i])
	}
	for i := range t.spans {
		if s := &t.spans[i]; s.Open {
			s.To, s.EventEnd = max(end, s.From), last
		}
	}
	return merge(t.spans)
}

// tracker follows which faults last.
type tracker struct {
	spans []Span
	open  []int // indices of those that are open, few at a time
}

func (t *tracker) record(r *sim.Record) {
	switch r.Kind {
	case sim.KindCrash:
		t.end(r, func(s *Span) bool { return s.Machine == r.Machine && s.What == "paused" })
		t.begin(r, Span{What: "down", Machine: r.Machine, Text: r.Machine + " is down"})
	case sim.KindRestart:
		t.endOf(r, "down")
	case sim.KindPause:
		t.begin(r, Span{What: "paused", Machine: r.Machine, Text: r.Machine + " stands still"})
	case sim.KindResume:
		t.endOf(r, "paused")
	case sim.KindSlow:
		t.endOf(r, "slow")
		if r.A > 0 {
			t.begin(r, Span{What: "slow", Machine: r.Machine, Text: fmt.Sprintf("%s is slow, by up to %v", r.Machine, time.Duration(r.A))})
		}
	case sim.KindClock:
		if r.A == clockDrift {
			t.endOf(r, "drift")
			if ppm := int64(r.B); ppm != 0 {
				t.begin(r, Span{What: "drift", Machine: r.Machine, Text: fmt.Sprintf("%s: clocks drift by %d ppm", r.Machine, ppm)})
			}
		}
	case sim.KindFault:
		t.fault(r)
	}
}

// clockDrift is A of a sim.KindClock that is a drift.
const clockDrift = 3

// links are the faults of a directed link by their first words, and what ends
// them.
var links = []struct{ begin, end, what string }{
	{"cut to ", "heal to ", "cut"},
	{"hold to ", "release to ", "held"},
}

// fault reads the texts of package netsim.
func (t *tracker) fault(r *sim.Record) {
	if r.Text == "heal all" {
		t.end(r, func(s *Span) bool { return s.network })
		return
	}
	if n, group, names, ok := partition(r.Text); ok {
		t.partition(r, n, group, names)
		return
	}
	for _, l := range links {
		if peer, ok := strings.CutPrefix(r.Text, l.begin); ok {
			t.link(r, l.what, peer)
			t.begin(r, Span{What: l.what, Links: [][2]string{{r.Machine, peer}}, network: true})
			return
		}
		if peer, ok := strings.CutPrefix(r.Text, l.end); ok {
			t.link(r, l.what, peer)
			return
		}
	}
	// "stall handshakes: true", "slow reader: 500 bytes a second"
	what, value, ok := strings.Cut(r.Text, ": ")
	switch {
	case !ok || r.Machine == "":
	case value == "false" || strings.HasPrefix(value, "0 "):
		t.endOf(r, what)
	case value == "true":
		t.endOf(r, what)
		t.begin(r, Span{What: what, Machine: r.Machine, Text: r.Machine + ": " + what, network: true})
	case what == "slow reader":
		t.endOf(r, what)
		t.begin(r, Span{What: what, Machine: r.Machine, Text: r.Machine + ": " + r.Text, network: true})
	}
}

// partition reads "partition 1, group 2: n3 n4".
func partition(text string) (n, group int, names []string, ok bool) {
	head, list, found := strings.Cut(text, ": ")
	numbers, isOne := strings.CutPrefix(head, "partition ")
	first, second, two := strings.Cut(numbers, ", group ")
	if !found || !isOne || !two {
		return 0, 0, nil, false
	}
	n, err := strconv.Atoi(first)
	group, err2 := strconv.Atoi(second)
	return n, group, strings.Fields(list), err == nil && err2 == nil
}

// partition begins one, or adds a group to the one that has just begun.
func (t *tracker) partition(r *sim.Record, n, group int, names []string) {
	if k := len(t.open) - 1; k >= 0 && group > 1 {
		if s := &t.spans[t.open[k]]; s.What == "partition" && s.Event == r.Event {
			s.Groups = append(s.Groups, names)
			s.Text += " | " + strings.Join(names, " ")
			return
		}
	}
	t.begin(r, Span{What: "partition", Groups: [][]string{names}, Text: fmt.Sprintf("partition %d: %s", n, strings.Join(names, " ")), network: true})
}

func (t *tracker) begin(r *sim.Record, s Span) {
	s.From, s.Event, s.Open = r.At, r.Event, true
	t.open = append(t.open, len(t.spans))
	t.spans = append(t.spans, s)
}

func (t *tracker) endOf(r *sim.Record, what string) {
	t.end(r, func(s *Span) bool { return s.What == what && s.Machine == r.Machine })
}

func (t *tracker) link(r *sim.Record, what, peer string) {
	link := [2]string{r.Machine, peer}
	t.end(r, func(s *Span) bool { return s.What == what && len(s.Links) > 0 && s.Links[0] == link })
}

func (t *tracker) end(r *sim.Record, which func(*Span) bool) {
	kept := t.open[:0]
	for _, i := range t.open {
		s := &t.spans[i]
		if !which(s) {
			kept = append(kept, i)
			continue
		}
		s.To, s.EventEnd, s.Open = r.At, r.Event, false
	}
	t.open = kept
}

// merge makes one span of the same fault of several links that began and
// ended together, and says in words which they are.
func merge(spans []Span) []Span {
	var out []Span
	for _, s := range spans {
		if n := len(out) - 1; n >= 0 && len(s.Links) > 0 && len(out[n].Links) > 0 && out[n].What == s.What &&
			out[n].Event == s.Event && out[n].EventEnd == s.EventEnd && out[n].Open == s.Open {
			out[n].Links = append(out[n].Links, s.Links...)
			continue
		}
		out = append(out, s)
	}
	for i := range out {
		if s := &out[i]; len(s.Links) > 0 {
			s.describe()
		}
	}
	return out
}

// describe says which links a fault is of: one, both ways between two
// machines, or all between two groups; else the first few.
func (s *Span) describe() {
	first := s.Links[0]
	if len(s.Links) == 1 {
		s.Text = fmt.Sprintf("%s → %s %s", first[0], first[1], s.What)
		return
	}
	var left, right []string // those on the side of the first sender, and the others
	for _, l := range s.Links {
		if l[0] == first[0] {
			right = append(right, l[1])
		}
	}
	oneWay := true
	for _, l := range s.Links {
		for _, m := range l {
			if !slices.Contains(left, m) && !slices.Contains(right, m) {
				left = append(left, m)
			}
		}
	}
	crossing := 0
	for _, l := range s.Links {
		from := slices.Contains(left, l[0])
		if from != slices.Contains(left, l[1]) {
			crossing++
		}
		oneWay = oneWay && from
	}
	a, b := strings.Join(left, " "), strings.Join(right, " ")
	switch n := len(left) * len(right); {
	case crossing != len(s.Links) || n != crossing && 2*n != crossing || n == crossing && !oneWay:
		s.Text = fmt.Sprintf("%d links %s, %s → %s first", len(s.Links), s.What, first[0], first[1])
	case n == crossing:
		s.Text = fmt.Sprintf("%s → %s %s", a, b, s.What)
	case n == 1:
		s.Text = fmt.Sprintf("%s ↔ %s %s", a, b, s.What)
	default:
		s.Text = fmt.Sprintf("%s | %s %s", a, b, s.What)
		s.Groups = [][]string{left, right}
	}
}
