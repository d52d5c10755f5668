package plan

import (
	"strings"
	"time"
)

// Core are the verbs that every vocabulary has.
var Core = []Verb{
	{Name: "plan", Doc: "names the plan", Args: []Field{{Name: "name", Kind: Name}}},
	{Name: "shows", Doc: "says in one line what the plan is there to show", Args: []Field{{Name: "text", Kind: Text}}},
	{Name: "trigger", Doc: "says what sets off the fault that the plan replays", Args: []Field{{Name: "text", Kind: Text}}},
	{Name: "invariant", Doc: "says what catches it", Args: []Field{{Name: "text", Kind: Text}}},
	{Name: "source", Doc: "names the thread or page that the fault comes from, once for each", Args: []Field{{Name: "url", Kind: Text}}},
	{Name: "system", Doc: "chooses what is simulated, and with it the vocabulary", Args: []Field{{Name: "name", Kind: Name}}},
	{Name: "set", Doc: "sets limits and other parameters of the system; a range is drawn", Open: true},
	{Name: "sometimes", Doc: "names what some run of a sweep must meet", Args: []Field{{Name: "mark", Kind: Text, Many: true, Least: 1}}},
	{Name: "node", Doc: "puts nodes into the world; with count=3, \"node n\" is n0, n1 and n2",
		Args: []Field{{Name: "name", Kind: Name, Many: true, Least: 1}},
		Pairs: []Field{
			{Name: "kind", Kind: Name, Optional: true, Doc: "what kind of node; the system's first when it is not said"},
			{Name: "count", Kind: Count, Optional: true, Least: 1, Most: MaxNodes, Doc: "how many, numbered from 0"},
		}},
	{Name: "calm", Doc: "ends the first phase: whatever is still broken is healed, and what is demanded must come to hold",
		Args:  []Field{{Name: "time", Kind: Duration, Least: 1}},
		Pairs: []Field{{Name: "core", Kind: Nodes, Optional: true, Doc: "the nodes that live on; what is broken about the others stays so"}}},
}

// MaxNodes bounds the nodes of a plan.
const MaxNodes = 20_000

// SystemOf returns the name of the system that a plan is written for, which
// says what vocabulary it has to be held to. The error is an *Error.
func SystemOf(p *Plan) (string, error) {
	for i := range p.Lines {
		if l := &p.Lines[i]; l.Verb.Text == "system" && len(l.Args) == 1 {
			return l.Args[0].Text, nil
		}
	}
	return "", p.errorf(Pos{}, "no line says which system it is for: \"system NAME\"")
}

// checker holds a plan to a vocabulary.
type checker struct {
	p      *Plan
	voc    *Vocabulary
	sc     *Script
	byName map[string]int // where a node is in sc.Nodes, or perhaps; for lookup only
	twins  map[string]int // lines with the same words so far; for lookup only
}

// perhaps marks a node that only some of the plans that are drawn have.
const perhaps = -1

// Check holds a plan to a vocabulary, which must have the verbs of Core, and
// returns what it means. The error is an *Error with the first place that is
// wrong.
func Check(p *Plan, voc *Vocabulary) (*Script, error) {
	c := &checker{p: p, voc: voc, sc: &Script{Plan: p}, byName: map[string]int{}, twins: map[string]int{}}
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Verb.Text == "" {
			continue
		}
		s := &Statement{Line: l, Index: i}
		if err := c.verb(s); err != nil {
			return nil, err
		}
		c.sc.all = append(c.sc.all, s)
	}
	// Nodes first: a line may speak of one that a later line declares. Times
	// last: any line may come before the one that says when the plan is calm.
	for _, pass := range [...]func(*Statement) error{c.nodeLine, c.otherLine, c.times, c.drawing} {
		for _, s := range c.sc.all {
			if err := pass(s); err != nil {
				return nil, err
			}
		}
	}
	if err := c.lineCount(); err != nil {
		return nil, err
	}
	return c.sc, nil
}

// verb finds the verb of a line and reads its clauses.
func (c *checker) verb(s *Statement) error {
	l := s.Line
	_, drawn := l.clause("draw")
	switch name := l.Verb.Text; name {
	case AnyFault, AnyRequest:
		if !drawn {
			return c.p.errorf(l.Verb.Pos, "%q stands only in a line that is drawn: \"from TIME to TIME draw COUNT %s\"", name, name)
		}
		s.Verb = &Verb{Name: name, Use: Request}
		if name == AnyFault {
			s.Verb = &Verb{Name: name, Use: Fault, Lasts: true}
		}
	default:
		v, err := c.voc.verb(name)
		if err != nil {
			return c.p.errorf(l.Verb.Pos, "%v", err)
		}
		s.Verb = v
	}
	for _, cl := range l.Clauses {
		if err := c.clause(s, cl); err != nil {
			return err
		}
	}
	return c.clauses(s)
}

func (c *checker) nodeLine(s *Statement) error {
	if s.Verb.Name != "node" {
		return nil
	}
	if err := c.fields(s); err != nil {
		return err
	}
	return c.declare(s)
}

func (c *checker) otherLine(s *Statement) error {
	if s.Verb.Name != "node" {
		if err := c.fields(s); err != nil {
			return err
		}
	}
	return c.place(s)
}

// times refuses what would happen after the border of the phases.
func (c *checker) times(s *Statement) error {
	if s.Verb.Use != Fault && s.Verb.Use != Request || c.sc.Calm == 0 || s.written("then") {
		return nil
	}
	what := "a fault"
	if s.Verb.Use == Request {
		what = "a request"
	}
	word := "at"
	if s.written("from") {
		word = "to"
	}
	w, _ := s.Line.clause(word)
	last := s.last()
	switch {
	case last >= c.sc.Calm:
		return c.p.errorf(w.Pos, "%s: %s after the end: the plan is calm from %s on", s.Verb.Name, what, FormatDuration(c.sc.Calm))
	case s.written("for") && last+time.Duration(s.For.Lo) > c.sc.Calm:
		w, _ = s.Line.clause("for")
		return c.p.errorf(w.Pos, "%s: it can last until %s, and the plan is calm from %s on", s.Verb.Name, FormatDuration((last + time.Duration(s.For.Lo)).Round(time.Microsecond)), FormatDuration(c.sc.Calm))
	}
	return nil
}

// last is the latest time at which the statement can happen.
func (s *Statement) last() time.Duration {
	switch {
	case !s.written("from"):
		return time.Duration(s.At.Hi)
	case s.written("every"):
		return time.Duration(s.To.Lo - 1 - (s.To.Lo-1-s.From.Lo)%s.Every.Lo)
	}
	return time.Duration(s.To.Lo - 1)
}

// drawing refuses a drawn line that has nothing to draw from.
func (c *checker) drawing(s *Statement) error {
	c.sc.Drawn = c.sc.Drawn || s.written("draw")
	if s.wild() {
		c.sc.Drawn = true
		verbs := c.sc.drawable(c.voc, s.Verb.Use)
		if len(verbs) == 0 {
			return c.p.errorf(s.Line.Verb.Pos, "there is no %s that could be drawn from the nodes and names of this plan", s.Verb.Name)
		}
		return nil
	}
	var before []*Field
	for _, x := range s.values {
		if !x.missing {
			continue
		}
		if lack := c.sc.lacks(x.f, before); lack != "" {
			return c.p.errorf(s.Line.Verb.Pos, "%s: %s cannot be drawn: %s", s.Verb.Name, strings.ToUpper(x.f.Name), lack)
		}
		before = append(before, x.f)
	}
	return nil
}

// lineCount refuses a plan of which more could be drawn than can be read
// again.
func (c *checker) lineCount() error {
	n := int64(len(c.p.Lines))
	for _, s := range c.sc.all {
		if n += s.Draw.Hi; n > MaxLines {
			w, _ := s.Line.clause("draw")
			return c.p.errorf(w.Pos, "with what is drawn, the plan can have more than %d lines", MaxLines)
		}
	}
	return nil
}

// wild reports whether the line stands for any fault, or any request.
func (s *Statement) wild() bool { return s.Verb.Name == AnyFault || s.Verb.Name == AnyRequest }
