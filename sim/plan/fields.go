package plan

import (
	"fmt"
	"slices"
	"strings"
)

// openWord is the word for an argument that a drawn line leaves open.
const openWord = "?"

// fields reads arguments and pairs.
func (c *checker) fields(s *Statement) error {
	l, v := s.Line, s.Verb
	if s.wild() {
		for _, w := range l.words() {
			return c.p.errorf(w.Pos, "%s takes no arguments: all of them are drawn", v.Name)
		}
		return nil
	}
	arg := 0
	for i := range v.Args {
		f := &v.Args[i]
		n := 0
		for arg < len(l.Args) && (n == 0 || f.Many) {
			if err := c.field(s, f, l.Args[arg]); err != nil {
				return err
			}
			arg, n = arg+1, n+1
		}
		switch {
		case n == 0:
			if err := c.unwritten(s, f, strings.ToUpper(f.Name)); err != nil {
				return err
			}
		case f.Many && int64(n) < f.Least:
			return c.p.errorf(l.Args[arg-1].Pos, "%s: want at least %d of %s: %s", v.Name, f.Least, strings.ToUpper(f.Name), v.Usage())
		}
	}
	if arg < len(l.Args) {
		w := l.Args[arg]
		if slices.Contains(clauseKeys, w.Text) {
			return c.p.errorf(w.Pos, "%s: %q stands before the verb: %s", v.Name, w.Text, v.Usage())
		}
		return c.p.errorf(w.Pos, "%s: %q is one argument too many: %s", v.Name, w.Text, v.Usage())
	}
	return c.pairs(s)
}

func (c *checker) pairs(s *Statement) error {
	for _, x := range s.Line.Pairs {
		f, err := s.Verb.pair(x.Key.Text)
		switch {
		case err == nil:
			if err := c.field(s, f, x.Value); err != nil {
				return err
			}
		case s.Verb.Open:
			s.open = append(s.open, Setting{x.Key, x.Value})
		default:
			return c.p.errorf(x.Key.Pos, "%v", err)
		}
	}
	for i := range s.Verb.Pairs {
		f := &s.Verb.Pairs[i]
		if slices.ContainsFunc(s.Line.Pairs, func(x Pair) bool { return x.Key.Text == f.Name }) {
			continue
		}
		if err := c.unwritten(s, f, f.Name+"="); err != nil {
			return err
		}
	}
	return nil
}

// unwritten says what a field is that the line does not have.
func (c *checker) unwritten(s *Statement, f *Field, shown string) error {
	switch {
	case s.written("draw") && f.leftOpen():
		s.values = append(s.values, fieldValue{f: f, missing: true})
	case f.Default != "":
		v, err := f.parseValue(f.Default)
		if err != nil {
			panic(fmt.Sprintf("plan: default of %s, %s: %v", s.Verb.Name, shown, err))
		}
		s.values = append(s.values, fieldValue{f: f, v: v, byDefault: true})
	case !f.Optional:
		return c.p.errorf(s.Line.Verb.Pos, "%s: %s is missing: %s", s.Verb.Name, shown, s.Verb.Usage())
	}
	return nil
}

// field reads a word as the value of a field.
func (c *checker) field(s *Statement, f *Field, w Word) error {
	if w.Text == openWord && s.written("draw") && f.drawable() {
		if f.Many {
			return c.p.errorf(w.Pos, "%s: %q stands for one, and there are several of %s: leave all of them out", s.Verb.Name, openWord, strings.ToUpper(f.Name))
		}
		s.values = append(s.values, fieldValue{f: f, missing: true, w: w})
		return nil
	}
	v, err := f.parseValue(w.Text)
	if err != nil {
		return c.p.errorf(w.Pos, "%s %s=%s: %v", s.Verb.Name, f.Name, quote(w.Text), err)
	}
	c.sc.Drawn = c.sc.Drawn || v.ranged()
	switch f.Kind {
	case Node:
		if !c.isNode(w.Text, f.Of) {
			return c.noNode(w, w.Text, f.Of)
		}
		v.Nodes = []string{w.Text}
	case Nodes:
		if v.Nodes, err = c.nodes(w, f.Of); err != nil {
			return err
		}
		if n := s.common(f, v.Nodes); n != "" {
			return c.p.errorf(w.Pos, "%s: the node %s is in two of %s", s.Verb.Name, quote(n), strings.ToUpper(f.Name))
		}
	}
	if f.Domain != "" && !slices.Contains(c.sc.names[f.Domain], v.Text) {
		if c.sc.names == nil {
			c.sc.names = map[string][]string{}
		}
		c.sc.names[f.Domain] = append(c.sc.names[f.Domain], v.Text)
	}
	s.values = append(s.values, fieldValue{f: f, v: v, w: w})
	return nil
}

// common returns one of the nodes that the statement has for the field
// already, or nothing.
func (s *Statement) common(f *Field, nodes []string) string {
	for _, x := range s.values {
		for _, n := range nodes {
			if x.f == f && slices.Contains(x.v.Nodes, n) {
				return n
			}
		}
	}
	return ""
}

func (c *checker) isNode(name, of string) bool {
	i, ok := c.byName[name]
	return ok && i != perhaps && (of == "" || c.sc.Nodes[i].Kind == of)
}

// nodes resolves a list of names and patterns, in the order of the plan's
// nodes.
func (c *checker) nodes(w Word, of string) ([]string, error) {
	chosen := map[string]bool{}
	for _, pat := range strings.Split(w.Text, ",") {
		found := false
		if c.isNode(pat, of) {
			chosen[pat], found = true, true
		} else if strings.Contains(pat, "*") {
			for _, n := range c.sc.Nodes {
				if matches(pat, n.Name) && (of == "" || n.Kind == of) {
					chosen[n.Name], found = true, true
				}
			}
		}
		if !found {
			return nil, c.noNode(w, pat, of)
		}
	}
	var out []string
	for _, n := range c.sc.Nodes {
		if chosen[n.Name] {
			out = append(out, n.Name)
		}
	}
	return out, nil
}

// matches reports whether a name fits a pattern, in which "*" is any letters.
func matches(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	name, ok := strings.CutPrefix(name, first)
	if !ok || !star {
		return ok && name == ""
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		_, name, ok = strings.Cut(name, part)
		if !ok {
			return false
		}
		rest = next
	}
}

// noNode refuses a name, and says which was perhaps meant.
func (c *checker) noNode(w Word, name, of string) error {
	if c.byName[name] == perhaps {
		return c.p.errorf(w.Pos, "the node %s is not there in every plan that is drawn from this one", quote(name))
	}
	several := func(n NodeDecl) bool { return matches(name, n.Name) }
	if strings.Contains(name, ",") || slices.ContainsFunc(c.sc.Nodes, several) && of == "" {
		return c.p.errorf(w.Pos, "%s: want the name of one node", quote(name))
	}
	kind := "node"
	if of != "" {
		kind = "node of kind " + of
	}
	var names []string
	for _, n := range c.sc.Nodes {
		if of == "" || n.Kind == of {
			names = append(names, n.Name)
		}
	}
	if best := Nearest(name, names); best != "" {
		return c.p.errorf(w.Pos, "there is no %s %q; did you mean %s?", kind, name, quote(best))
	}
	return c.p.errorf(w.Pos, "there is no %s %q", kind, name)
}

// word is what was written for a field, with its place.
func (s *Statement) word(name string) Word {
	for _, x := range s.values {
		if x.f.Name == name {
			return x.w
		}
	}
	return Word{}
}

// words are the arguments and the keys of the pairs.
func (l *Line) words() []Word {
	out := slices.Clone(l.Args)
	for _, x := range l.Pairs {
		out = append(out, x.Key)
	}
	return out
}
