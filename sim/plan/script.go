package plan

import (
	"fmt"
	"slices"
	"time"
)

// Script is a plan that was held to a vocabulary: what it means.
type Script struct {
	Plan   *Plan
	Name   string
	Shows  string
	System string
	// Of a fault that happened elsewhere: what set it off, what catches it, and
	// where that can be read.
	Trigger, Invariant string
	Sources            []string
	Nodes              []NodeDecl
	Set                []Setting
	// Sometimes names the marks that some run of a sweep has to meet.
	Sometimes []Word
	Calm      time.Duration // the border of the phases; 0 when the plan does not say
	Core      []string      // the nodes that must live in the second phase; empty is all
	Heads     []*Statement  // of the vocabulary's own Head verbs
	Timed     []*Statement  // faults and requests with a time of their own, in the order of the lines
	Then      []*Statement  // faults, requests and demands, one after the other
	Demands   []*Statement  // what must come to hold in the second phase
	Drawn     bool          // the plan stands for many: it has a "draw" or a range

	all   []*Statement
	names map[string][]string // what the plan names, by domain; for lookup only
}

// NodeDecl is a node of the topology.
type NodeDecl struct {
	Name string
	Kind string
	Line *Statement // that declares it, with the pairs of the system
}

// Setting is a key=value of a "set" line.
type Setting struct {
	Name  Word
	Value Word
}

// Statement is a line with its meaning.
type Statement struct {
	Line  *Line
	Index int // of the line in the plan
	Verb  *Verb
	// Twin counts the earlier lines with the same words.
	Twin int

	Draw                          Value
	At, From, To, Every, For, End Value // End is that of "within"
	has                           clauseSet
	values                        []fieldValue
	open                          []Setting // pairs of an Open verb that are not among its fields
}

type clauseSet uint16

func (s *Statement) written(key string) bool { return s.has&bit(key) != 0 }

func bit(key string) clauseSet {
	for i, k := range clauseKeys {
		if k == key {
			return 1 << i
		}
	}
	panic("plan: no clause " + key)
}

// fieldValue is what a statement says of one of its fields.
type fieldValue struct {
	f *Field
	v Value
	w Word // what was written; of a default nothing
	// missing means that a drawn line leaves the choice to Expand.
	missing   bool
	byDefault bool
}

// Key names the line by its words, for its random stream: another line that is
// taken out does not change it.
func (s *Statement) Key() string {
	if s.Twin == 0 {
		return s.Line.Statement()
	}
	return fmt.Sprintf("%s (%d)", s.Line.Statement(), s.Twin+1)
}

// Has reports whether a field without a default was written.
func (s *Statement) Has(name string) bool {
	_, ok := s.find(name)
	return ok
}

func (s *Statement) find(name string) (Value, bool) {
	for _, x := range s.values {
		if x.f.Name == name && !x.missing {
			return x.v, true
		}
	}
	return Value{}, false
}

// value returns the value of a field; a field that the verb does not have is a
// mistake of the caller.
func (s *Statement) value(name string) Value {
	if v, ok := s.find(name); ok {
		return v
	}
	for _, list := range [2][]Field{s.Verb.Args, s.Verb.Pairs} {
		for _, f := range list {
			if f.Name == name {
				return Value{} // optional
			}
		}
	}
	panic(fmt.Sprintf("plan: the verb %s has no field %s", s.Verb.Name, name))
}

// Int returns a number, 0 for an optional one that is not there.
func (s *Statement) Int(name string) int64 { return s.value(name).Lo }

// Duration returns a duration, 0 for an optional one that is not there.
func (s *Statement) Duration(name string) time.Duration { return time.Duration(s.value(name).Lo) }

// Flag returns whether the field says yes.
func (s *Statement) Flag(name string) bool { return s.value(name).Lo == 1 }

// Text returns a text, a name or a choice; empty for an optional one that is
// not there.
func (s *Statement) Text(name string) string { return s.value(name).Text }

// Node returns the node of a field, empty for an optional one that is not
// there.
func (s *Statement) Node(name string) string {
	if v := s.value(name); len(v.Nodes) > 0 {
		return v.Nodes[0]
	}
	return ""
}

// Nodes returns the nodes of a field.
func (s *Statement) Nodes(name string) []string { return s.value(name).Nodes }

// Groups returns the nodes of each value of a repeated field.
func (s *Statement) Groups(name string) [][]string {
	var out [][]string
	for _, x := range s.values {
		if x.f.Name == name {
			out = append(out, x.v.Nodes)
		}
	}
	return out
}

// Texts returns the texts of each value of a repeated field.
func (s *Statement) Texts(name string) []string {
	var out []string
	for _, x := range s.values {
		if x.f.Name == name {
			out = append(out, x.v.Text)
		}
	}
	return out
}

// Lasting returns how long a fault lasts, and false when it lasts until the
// border of the phases.
func (s *Statement) Lasting() (time.Duration, bool) {
	return time.Duration(s.For.Lo), s.written("for")
}

// Times yields when the statement happens, since the start; never for one
// that is drawn or that comes with "then".
func (s *Statement) Times(yield func(time.Duration) bool) {
	if s.written("at") {
		yield(time.Duration(s.At.Lo))
		return
	}
	if !s.written("every") {
		return
	}
	for t := s.From.Lo; t < s.To.Lo; t += s.Every.Lo {
		if !yield(time.Duration(t)) {
			return
		}
	}
}

// Names reports whether a field of the statement has the node among its
// values.
func (s *Statement) Names(node string) bool {
	for _, x := range s.values {
		for _, n := range x.v.Nodes {
			if n == node {
				return true
			}
		}
	}
	return false
}

// FaultVerbs are the faults of the script by name, each once and in order.
func (s *Script) FaultVerbs() []string {
	var out []string
	for _, list := range [2][]*Statement{s.Timed, s.Then} {
		for _, x := range list {
			if x.Verb.Use == Fault && !slices.Contains(out, x.Verb.Name) {
				out = append(out, x.Verb.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}
