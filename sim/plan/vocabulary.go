package plan

import (
	"fmt"
	"strings"
)

// Field is an argument or a pair of a verb.
type Field struct {
	Name    string
	Kind    Kind
	Doc     string
	Default string   // what it is when it is not written; empty means that it must be, unless Optional
	Draw    string   // what a drawn line takes it from when it is not written: a range, or one text
	Choices []string // of Choice
	Of      string   // of Node and Nodes: only nodes of this kind; empty is any
	Least   int64    // of numbers
	Most    int64    // of numbers; 0 is what the kind allows
	Domain  string   // of Name: what it names, as "service"; a drawn line takes one that the plan names elsewhere
	// Optional makes a field that is not written no error, though it has no
	// default.
	Optional bool
	// Many lets the last argument be repeated, Least times at least. Of Nodes,
	// none may be in two of the values.
	Many bool
}

// Use is what a verb is for, and with it where in a plan it may stand.
type Use uint8

// The uses.
const (
	Head    Use = iota // says something about the plan: stands without clauses
	Fault              // does something to the world: at a time
	Request            // asks something of what is simulated: at a time, or one after the other
	Demand             // a property that must come to hold in the second phase: within a time
)

// Verb is a word that can begin a statement.
type Verb struct {
	Name  string
	Doc   string // what it does, in one line
	Use   Use
	Args  []Field
	Pairs []Field
	// Lasts says that the fault goes on for a time and ends by itself: it
	// takes the clause "for". Without one it lasts until the border of the
	// phases.
	Lasts bool
	// Open lets the verb have pairs that are not in Pairs, numbers and words
	// that the owner of the vocabulary looks at.
	Open bool
	// Undrawn keeps the verb out of what "draw" chooses from.
	Undrawn bool
}

// Vocabulary is the verbs that a plan may use.
type Vocabulary struct {
	Verbs []Verb
	Kinds []string // kinds of node, the first of them what a node is when nothing is said; may be empty
}

// verb returns the verb of that name, or an error that names the nearest one.
func (v *Vocabulary) verb(name string) (*Verb, error) {
	var names []string
	for i := range v.Verbs {
		if v.Verbs[i].Name == name {
			return &v.Verbs[i], nil
		}
		names = append(names, v.Verbs[i].Name)
	}
	if best := Nearest(name, names); best != "" {
		return nil, fmt.Errorf("there is no verb %q; did you mean %s?", name, best)
	}
	return nil, fmt.Errorf("there is no verb %q", name)
}

// pair returns the pair of that name, or an error that names those there are.
func (v *Verb) pair(name string) (*Field, error) {
	var names []string
	for i := range v.Pairs {
		if v.Pairs[i].Name == name {
			return &v.Pairs[i], nil
		}
		names = append(names, v.Pairs[i].Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s takes no %s=", v.Name, name)
	}
	return nil, fmt.Errorf("%s takes no %s=; it takes %s", v.Name, name, strings.Join(names, ", "))
}

// Usage is how a line with the verb looks.
func (v *Verb) Usage() string {
	var parts []string
	switch {
	case v.Use == Demand:
		parts = append(parts, "within TIME")
	case v.Use != Head && v.Lasts:
		parts = append(parts, "at TIME [for TIME]")
	case v.Use != Head:
		parts = append(parts, "at TIME")
	}
	parts = append(parts, v.Name)
	for _, f := range v.Args {
		s := strings.ToUpper(f.Name)
		if f.Many {
			s += "..."
		}
		if f.Optional || f.Default != "" {
			s = "[" + s + "]"
		}
		parts = append(parts, s)
	}
	for _, f := range v.Pairs {
		s := f.Name + "=" + strings.ToUpper(f.Kind.short())
		if f.Default != "" {
			s = f.Name + "=" + f.Default
		}
		if f.Optional || f.Default != "" {
			s = "[" + s + "]"
		}
		parts = append(parts, s)
	}
	if v.Open {
		parts = append(parts, "KEY=VALUE...")
	}
	return strings.Join(parts, " ")
}

func (k Kind) short() string {
	return [...]string{"text", "name", "node", "nodes", "time", "n", "size", "speed", "share", "yes|no", "word"}[k]
}
