package plan

import (
	"fmt"
	"slices"
	"time"
)

// mostTimes bounds how often a line with "every" happens.
const mostTimes = 10_000_000

// clause reads the value of a clause.
func (c *checker) clause(s *Statement, cl Clause) error {
	f := Field{Name: cl.Key.Text, Kind: Duration}
	var to *Value
	ranges := false
	switch cl.Key.Text {
	case "draw":
		f.Kind, f.Most, to, ranges = Count, MaxLines, &s.Draw, true
	case "at":
		to, ranges = &s.At, true
	case "from":
		to = &s.From
	case "to":
		to = &s.To
	case "every":
		f.Least, to = int64(time.Microsecond), &s.Every
	case "for":
		f.Least, to, ranges = 1, &s.For, true
	case "within":
		f.Least, to = 1, &s.End
	}
	s.has |= bit(cl.Key.Text)
	if to == nil {
		return nil
	}
	v, err := f.parseValue(cl.Value.Text)
	if err != nil {
		return c.p.errorf(cl.Value.Pos, "%s %s: %v", cl.Key.Text, quote(cl.Value.Text), err)
	}
	if v.ranged() {
		if !ranges {
			return c.p.errorf(cl.Value.Pos, "%s takes no range", cl.Key.Text)
		}
		c.sc.Drawn = true
	}
	*to = v
	return nil
}

// clauses refuses combinations that say nothing, or two things.
func (c *checker) clauses(s *Statement) error {
	switch s.Verb.Use {
	case Head:
		if len(s.Line.Clauses) > 0 {
			key := s.Line.Clauses[0].Key.Text
			return c.wrong(s, key, "takes no %q: it says something about the plan as a whole", key)
		}
		return nil
	case Demand:
		return c.demandClauses(s)
	}
	if s.written("within") {
		return c.wrong(s, "within", "is no property: it takes no \"within\"")
	}
	if err := c.timeClauses(s); err != nil {
		return err
	}
	if s.written("for") && !s.Verb.Lasts {
		return c.wrong(s, "for", "takes no \"for\": it is over at once")
	}
	return nil
}

func (c *checker) demandClauses(s *Statement) error {
	const want = "it is a property, and wants \"within TIME\" or \"then within TIME\""
	for _, cl := range s.Line.Clauses {
		if key := cl.Key.Text; key != "within" && key != "then" {
			return c.wrong(s, key, "takes no %q: %s", key, want)
		}
	}
	if !s.written("within") {
		return c.wrong(s, "", "\"within\" is missing: %s", want)
	}
	return nil
}

// timeClauses holds a fault or a request to saying once when it happens.
func (c *checker) timeClauses(s *Statement) error {
	const want = "wants one of \"at TIME\", \"from TIME to TIME\" and \"then\""
	var times []string
	for _, cl := range s.Line.Clauses {
		if slices.Contains([]string{"at", "from", "then"}, cl.Key.Text) {
			times = append(times, cl.Key.Text)
		}
	}
	switch {
	case len(times) > 1:
		return c.wrong(s, times[1], "has both %q and %q: it %s", times[0], times[1], want)
	case s.written("to") && !s.written("from"):
		return c.wrong(s, "to", "\"to\" belongs to \"from TIME\"")
	case s.written("every") && !s.written("from"):
		return c.wrong(s, "every", "\"every\" wants \"from TIME to TIME\"")
	case len(times) == 0:
		return c.wrong(s, "", "does not say when: it %s", want)
	case s.written("then") && s.written("draw"):
		return c.wrong(s, "draw", "a line with \"then\" cannot be drawn: it has a place among the others, and no time")
	case !s.written("from"):
		return nil
	case !s.written("to"):
		return c.wrong(s, "from", "\"from\" wants \"to TIME\" too")
	case s.written("every") == s.written("draw"):
		return c.wrong(s, "from", "\"from TIME to TIME\" wants either \"every TIME\" or \"draw COUNT\"")
	case s.From.Lo >= s.To.Lo:
		return c.wrong(s, "to", "from %s to %s is no time at all", formatNumber(Duration, s.From.Lo), formatNumber(Duration, s.To.Lo))
	case s.written("every") && (s.To.Lo-s.From.Lo)/s.Every.Lo > mostTimes:
		return c.wrong(s, "every", "that is more than %d times", mostTimes)
	}
	return nil
}

// wrong is an error about a clause of a line, or about its verb.
func (c *checker) wrong(s *Statement, key, format string, args ...any) error {
	at := s.Line.Verb.Pos
	for _, cl := range s.Line.Clauses {
		if cl.Key.Text == key {
			at = cl.Key.Pos
		}
	}
	return c.p.errorf(at, "%s: %s", s.Verb.Name, fmt.Sprintf(format, args...))
}
