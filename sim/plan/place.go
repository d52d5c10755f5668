package plan

import (
	"fmt"
	"slices"
	"strings"
)

// place puts a statement where it belongs in the script.
func (c *checker) place(s *Statement) error {
	key := s.Line.Statement()
	s.Twin = c.twins[key]
	c.twins[key]++
	sc := c.sc
	once := func(old *string, field string) error {
		if *old != "" {
			return c.p.errorf(s.Line.Verb.Pos, "there are two lines with %q", s.Verb.Name)
		}
		*old = s.Text(field)
		return nil
	}
	switch {
	case s.Verb.Use != Head:
		switch {
		case s.written("then"):
			sc.Then = append(sc.Then, s)
		case s.Verb.Use == Demand:
			sc.Demands = append(sc.Demands, s)
		default:
			sc.Timed = append(sc.Timed, s)
		}
		return nil
	case s.Verb.Name == "plan":
		return once(&sc.Name, "name")
	case s.Verb.Name == "shows":
		return once(&sc.Shows, "text")
	case s.Verb.Name == "trigger":
		return once(&sc.Trigger, "text")
	case s.Verb.Name == "invariant":
		return once(&sc.Invariant, "text")
	case s.Verb.Name == "source":
		sc.Sources = append(sc.Sources, s.Text("url"))
	case s.Verb.Name == "system":
		return once(&sc.System, "name")
	case s.Verb.Name == "sometimes":
		for _, x := range s.values {
			sc.Sometimes = append(sc.Sometimes, Word{x.v.Text, x.w.Pos})
		}
	case s.Verb.Name == "set":
		return c.settings(s)
	case s.Verb.Name == "calm":
		if sc.Calm != 0 {
			return c.p.errorf(s.Line.Verb.Pos, "there are two lines with \"calm\"")
		}
		sc.Calm, sc.Core = s.Duration("time"), s.Nodes("core")
	case s.Verb.Name != "node":
		sc.Heads = append(sc.Heads, s)
	}
	return nil
}

// settings takes what a line sets into the script.
func (c *checker) settings(s *Statement) error {
	for _, x := range s.open {
		for _, old := range c.sc.Set {
			if old.Name.Text == x.Name.Text {
				return c.p.errorf(x.Name.Pos, "%s is set twice", x.Name.Text)
			}
		}
		_, v, err := settingRange(x.Value.Text)
		if err != nil {
			return c.p.errorf(x.Value.Pos, "set %s=%s: %v", x.Name.Text, quote(x.Value.Text), err)
		}
		c.sc.Drawn = c.sc.Drawn || v.ranged()
		c.sc.Set = append(c.sc.Set, x)
	}
	return nil
}

// settingRange reads the value of a "set" as a range of numbers or durations,
// which the kind says. What is no range comes back as the zero Value.
func settingRange(text string) (Kind, Value, error) {
	first, second, _ := strings.Cut(text, "..")
	for _, k := range [...]Kind{Count, Duration} {
		_, err1 := parseNumber(k, first)
		_, err2 := parseNumber(k, second)
		if err1 == nil && err2 == nil {
			f := Field{Kind: k}
			v, err := f.parseValue(text)
			return k, v, err
		}
	}
	return Text, Value{}, nil
}

// declare takes the nodes of a line into the script.
func (c *checker) declare(s *Statement) error {
	kind := ""
	if len(c.voc.Kinds) > 0 {
		kind = c.voc.Kinds[0]
	}
	if s.Has("kind") {
		if kind = s.Text("kind"); !slices.Contains(c.voc.Kinds, kind) {
			return c.p.errorf(s.word("kind").Pos, "there is no kind of node %q; there are %s", kind, strings.Join(c.voc.Kinds, ", "))
		}
	}
	for i, name := range s.Texts("name") {
		at := s.Line.Args[i].Pos
		if strings.ContainsAny(name, "*,") || name == openWord {
			return c.p.errorf(at, "%q cannot be the name of a node: it has a meaning in lists of nodes", name)
		}
		if !s.Has("count") {
			if err := c.node(at, NodeDecl{name, kind, s}, true); err != nil {
				return err
			}
			continue
		}
		count := s.value("count")
		for k := range count.Hi {
			if err := c.node(at, NodeDecl{fmt.Sprintf("%s%d", name, k), kind, s}, k < count.Lo); err != nil {
				return err
			}
		}
	}
	return nil
}

// node takes one node into the script, or notes that some plans that are drawn
// have it.
func (c *checker) node(at Pos, n NodeDecl, sure bool) error {
	if _, twice := c.byName[n.Name]; twice {
		return c.p.errorf(at, "there are two nodes %q", n.Name)
	}
	if len(c.byName) == MaxNodes {
		return c.p.errorf(at, "more than %d nodes", MaxNodes)
	}
	c.byName[n.Name] = perhaps
	if sure {
		c.byName[n.Name] = len(c.sc.Nodes)
		c.sc.Nodes = append(c.sc.Nodes, n)
	}
	return nil
}
