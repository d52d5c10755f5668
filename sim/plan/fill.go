package plan

import (
	"slices"
	"strings"
	"time"
)

// fill writes the arguments and pairs of a line: what was written, and what is
// drawn.
func (d *drawer) fill(l *Line, v *Verb, values []fieldValue, c Choose) {
	var taken []string // the nodes that the line names already
	for _, x := range values {
		if x.f.Kind == Node {
			taken = append(taken, x.v.Nodes...)
		}
	}
	for _, x := range values {
		if x.byDefault {
			continue
		}
		texts := []string{x.w.Text}
		switch {
		case x.missing:
			texts = d.draw(x.f, c, taken)
		case x.v.ranged():
			texts[0] = formatNumber(x.f.Kind, x.v.number(x.f.Kind, c))
		}
		if x.missing && x.f.Kind == Node {
			taken = append(taken, texts...)
		}
		at := x.w.Pos
		if at == (Pos{}) {
			at = l.Verb.Pos
		}
		if !slices.ContainsFunc(v.Args, func(f Field) bool { return f.Name == x.f.Name }) {
			l.Pairs = append(l.Pairs, Pair{Word{x.f.Name, at}, Word{texts[0], at}})
			continue
		}
		for _, t := range texts {
			l.Args = append(l.Args, Word{t, at})
		}
	}
}

// draw draws the values of one field. taken is the nodes that the line names
// already.
func (d *drawer) draw(f *Field, c Choose, taken []string) []string {
	if !f.Many {
		return []string{d.value(f, c, taken)}
	}
	var out []string
	if k := f.groups(); f.Kind == Nodes && k > 1 {
		for _, g := range c.divide(d.sc.nodes(f.Of), k) {
			out = append(out, strings.Join(g, ","))
		}
		return out
	}
	for range f.groups() {
		out = append(out, d.value(f, c, taken))
	}
	return out
}

// value draws one value of a field.
func (d *drawer) value(f *Field, c Choose, taken []string) string {
	switch {
	case f.Draw != "":
		v, err := f.parseValue(f.Draw)
		if err != nil {
			panic("plan: field " + f.Name + ": draw " + f.Draw + ": " + err.Error())
		}
		if !f.Kind.Numeric() {
			return v.Text
		}
		return formatNumber(f.Kind, v.number(f.Kind, c))
	case f.Kind == Node:
		all := d.sc.nodes(f.Of)
		left := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(taken, n) })
		if len(left) == 0 {
			left = all
		}
		return c.pick(left)
	case f.Kind == Nodes:
		return strings.Join(c.some(d.sc.nodes(f.Of)), ",")
	case f.Kind == Choice:
		return c.pick(f.Choices)
	case f.Kind == Flag:
		return formatNumber(Flag, c(2))
	}
	return c.pick(d.sc.names[f.Domain])
}

// roundUnits are what numbers of a kind are rounded to, the coarsest first.
var roundUnits = map[Kind][]int64{ // for lookup only
	Duration: {int64(100 * time.Millisecond), int64(10 * time.Millisecond), int64(time.Millisecond), int64(time.Microsecond)},
	Ratio:    {1000, 100},
}

// number draws a number of a range. It is rounded, to be short to read, when
// the range has room for twenty others.
func (v *Value) number(k Kind, c Choose) int64 {
	n := v.Lo + c(v.Hi-v.Lo+1)
	for _, u := range roundUnits[k] {
		if r := n - (n%u+u)%u; v.Hi-v.Lo >= 20*u && r >= v.Lo {
			return r
		}
	}
	return n
}

// openPairs are the pairs that the verb does not know.
func (s *Statement) openPairs() []Pair {
	var out []Pair
	for _, x := range s.open {
		out = append(out, Pair{x.Name, x.Value})
	}
	return out
}
