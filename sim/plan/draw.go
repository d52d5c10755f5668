package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The verbs that stand for any other one of their use, in a line with "draw".
const (
	AnyFault   = "fault"
	AnyRequest = "request"
)

// How long a fault lasts that is drawn by a line without "for".
const (
	shortest = 200 * time.Millisecond
	usual    = 15 * time.Second
)

// Expand draws one plan of those that p stands for: ranges become numbers, and
// a line with "draw" as many lines as it says. A plan that stands for itself
// comes back as it is. choose gives each line its chance; see Seeded. The error
// is an *Error: p does not hold to the vocabulary, or what was drawn is too
// large to be read again.
//
// Of the faults that "draw fault" can choose from, a plan uses a random half,
// so that some plans show what the other faults would hide (swarm testing:
// Groce and others, ISSTA 2012).
//
// A line that is taken out of p leaves what the others draw as it is, but for
// what was drawn from the nodes and names that went with it, and for how long
// faults can last when the line says when the plan is calm.
func Expand(p *Plan, voc *Vocabulary, choose func(line string) Choose) (*Plan, error) {
	sc, err := Check(p, voc)
	if err != nil {
		return nil, err
	}
	if !sc.Drawn {
		return p, nil
	}
	d := &drawer{voc: voc, choose: choose}
	nodes := p.Clone()
	for _, s := range sc.all {
		if s.Verb.Name == "node" {
			nodes.Lines[s.Index] = d.rewritten(s, choose(s.Key()))
		}
	}
	// Again: the nodes that there are depend on what was drawn.
	if d.sc, err = Check(nodes, voc); err != nil {
		return nil, err
	}
	d.enable()
	out := &Plan{File: p.File}
	size := 0
	for i, s := range byLine(d.sc) {
		lines := nodes.Lines[i : i+1]
		if s != nil {
			lines = d.lines(s)
		}
		for k := range lines {
			if size += len(lines[k].String()) + 1; size > MaxSize {
				return nil, p.errorf(nodes.Lines[i].Pos(), "what is drawn has more than %d bytes", MaxSize)
			}
		}
		out.Lines = append(out.Lines, lines...)
	}
	if _, err := Check(out, voc); err != nil {
		return nil, err
	}
	return out, nil
}

// byLine returns the statement of each line, nil for one that has none.
func byLine(sc *Script) []*Statement {
	out := make([]*Statement, len(sc.Plan.Lines))
	for _, s := range sc.all {
		out[s.Index] = s
	}
	return out
}

// drawer draws one plan.
type drawer struct {
	voc      *Vocabulary
	choose   func(line string) Choose
	sc       *Script
	faults   []*Verb // that are enabled
	requests []*Verb
}

// enable chooses what "draw fault" chooses from.
func (d *drawer) enable() {
	d.requests = d.sc.drawable(d.voc, Request)
	all := d.sc.drawable(d.voc, Fault)
	for _, v := range all {
		if d.choose("whether to draw "+v.Name)(2) == 0 {
			d.faults = append(d.faults, v)
		}
	}
	if len(d.faults) == 0 {
		d.faults = all
	}
}

// lines draws what a line stands for.
func (d *drawer) lines(s *Statement) []Line {
	c := d.choose(s.Key())
	if !s.written("draw") {
		return []Line{d.rewritten(s, c)}
	}
	var out []Line
	for i := range s.Draw.number(Count, c) {
		// Each from a chance of its own: what one of them draws may change, and
		// leaves the others.
		out = append(out, d.line(s, d.choose(fmt.Sprintf("%s: %d", s.Key(), i+1))))
	}
	slices.SortStableFunc(out, func(a, b Line) int { return cmp.Compare(lineTime(&a), lineTime(&b)) })
	return out
}

// line draws one line.
func (d *drawer) line(s *Statement, c Choose) Line {
	at := s.time(c)
	v, values := s.Verb, s.values
	if s.wild() {
		v, values = d.any(s.Verb.Use, c)
	}
	l := Line{Verb: Word{v.Name, s.Line.Verb.Pos}}
	l.Clauses = []Clause{clause("at", at, s.Line.Pos())}
	if v.Lasts {
		l.Clauses = append(l.Clauses, clause("for", d.span(s, c, at), s.Line.Pos()))
	}
	d.fill(&l, v, values, c)
	l.Pairs = append(l.Pairs, s.openPairs()...)
	return l
}

// any draws a verb for a line that stands for any of a use.
func (d *drawer) any(use Use, c Choose) (*Verb, []fieldValue) {
	verbs := d.requests
	if use == Fault {
		verbs = d.faults
	}
	var names []string
	for _, v := range verbs {
		names = append(names, v.Name)
	}
	name := c.pick(names)
	v := verbs[slices.Index(names, name)]
	var values []fieldValue
	for _, f := range v.fields() {
		if f.leftOpen() {
			values = append(values, fieldValue{f: f, missing: true})
		}
	}
	return v, values
}

// rewritten is a line that is not drawn, with a number for each of its ranges.
func (d *drawer) rewritten(s *Statement, c Choose) Line {
	l := *s.Line
	l.Clauses, l.Args, l.Pairs = nil, nil, nil
	at := s.last()
	for _, cl := range s.Line.Clauses {
		switch cl.Key.Text {
		case "at":
			at = s.time(c)
			cl.Value.Text = FormatDuration(at)
		case "for":
			cl.Value.Text = FormatDuration(d.span(s, c, at))
		}
		l.Clauses = append(l.Clauses, cl)
	}
	d.fill(&l, s.Verb, s.values, c)
	for _, x := range s.openPairs() {
		// Each for itself, so that one that is set by hand leaves the others.
		if k, v, err := settingRange(x.Value.Text); err == nil && v.ranged() {
			x.Value.Text = formatNumber(k, v.number(k, d.choose(s.Verb.Name+" "+x.Key.Text)))
		}
		l.Pairs = append(l.Pairs, x)
	}
	return l
}

// time draws when a line happens.
func (s *Statement) time(c Choose) time.Duration {
	v := Value{Lo: s.From.Lo, Hi: s.To.Lo - 1}
	if s.written("at") {
		v = s.At
	}
	return time.Duration(v.number(Duration, c))
}

// span draws how long a fault lasts that begins at a time: not longer than
// until the plan is calm.
func (d *drawer) span(s *Statement, c Choose, at time.Duration) time.Duration {
	v := Value{Lo: int64(shortest), Hi: int64(usual)}
	if s.written("for") {
		v = s.For
	}
	n := time.Duration(v.number(Duration, c))
	if d.sc.Calm > 0 && !s.written("then") {
		n = min(n, d.sc.Calm-at)
	}
	return n
}

func clause(key string, d time.Duration, at Pos) Clause {
	return Clause{Word{key, at}, Word{FormatDuration(d), at}}
}

func lineTime(l *Line) int64 {
	w, _ := l.clause("at")
	v, _ := parseNumber(Duration, w.Text)
	return v
}
