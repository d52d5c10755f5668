// Package completion completes command lines from the grammar that parses
// them: verbs, flags, values from a closed list, and names that only the
// running node knows.
package completion

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Candidate is a word that could stand there.
type Candidate struct {
	Word string
	Help string // in one line, may be empty
}

// Names returns names of a kind that the grammar gives to a value by the tag
// "complete"; words are those of the command line before the one that is
// completed.
type Names func(kind string, words []string) []string

// Complete returns what could stand in place of the last of the words, which
// may be empty. The words are those behind the name of the program, as a shell
// has them: bash gives "--flag=value" as three words.
func Complete(app *kong.Application, words []string, names Names) []Candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	words, split := join(words)
	before, last := words[:len(words)-1], words[len(words)-1]
	at := walk(app.Node, before)
	var all []Candidate
	flag, value, assigned := strings.Cut(last, "=")
	switch {
	case at.waiting != nil:
		all = values(at.waiting, names, before)
	case assigned && strings.HasPrefix(last, "-") && !at.onlyArgs:
		f := find(at.node, flag)
		if f == nil {
			return nil
		}
		all, last = values(f.Value, names, before), value
		if !split {
			last = flag + "=" + value
			for i := range all {
				all[i].Word = flag + "=" + all[i].Word
			}
		}
	case strings.HasPrefix(last, "-") && !at.onlyArgs:
		all = flags(at.node)
	default:
		if at.args == 0 {
			all = children(at.node)
		}
		if a := argument(at.node, at.args); a != nil {
			all = append(all, values(a, names, before)...)
		}
	}
	return slices.DeleteFunc(all, func(c Candidate) bool { return !strings.HasPrefix(c.Word, last) })
}

// join puts together what bash has split at "=", and reports whether the last
// word is such a one.
func join(words []string) (out []string, split bool) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		split = false
		if strings.HasPrefix(w, "--") && i+1 < len(words) && words[i+1] == "=" {
			w += "="
			i++
			if i+1 < len(words) {
				w += words[i+1]
				i++
			}
			split = true
		}
		out = append(out, w)
	}
	return out, split
}

// place is where in the grammar some words lead.
type place struct {
	node     *kong.Node
	args     int         // arguments that were given
	waiting  *kong.Value // of the flag that has no value yet
	onlyArgs bool        // after "--"
}

func walk(root *kong.Node, words []string) place {
	at := place{node: root}
	for _, w := range words {
		switch {
		case at.waiting != nil:
			at.waiting = nil
		case !at.onlyArgs && w == "--":
			at.onlyArgs = true
		case !at.onlyArgs && strings.HasPrefix(w, "-") && w != "-":
			name, _, assigned := strings.Cut(w, "=")
			if f := find(at.node, name); f != nil && !assigned && !f.IsBool() {
				at.waiting = f.Value
			}
		default:
			if child := child(at.node, w); child != nil && at.args == 0 {
				at.node = child
				continue
			}
			at.args++
		}
	}
	return at
}

// argument is the i-th one of a command; the last may be there many times. It
// is nil when there is no such one.
func argument(n *kong.Node, i int) *kong.Value {
	last := len(n.Positional) - 1
	if i > last && last >= 0 && n.Positional[last].IsCumulative() {
		i = last
	}
	if i > last {
		return nil
	}
	return n.Positional[i]
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// find is the flag with that name, dashes included, of a command or of one
// that it belongs to.
func find(n *kong.Node, name string) *kong.Flag {
	for _, group := range n.AllFlags(false) {
		for _, f := range group {
			if "--"+f.Name == name || f.Short != 0 && "-"+string(f.Short) == name {
				return f
			}
		}
	}
	return nil
}

func children(n *kong.Node) (out []Candidate) {
	for _, c := range n.Children {
		if !c.Hidden {
			out = append(out, Candidate{c.Name, line(c.Help)})
		}
	}
	return out
}

func flags(n *kong.Node) (out []Candidate) {
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			out = append(out, Candidate{"--" + f.Name, line(f.Help)})
		}
	}
	return out
}

// values are what may stand for a value: a closed list, or names of its kind.
func values(v *kong.Value, names Names, words []string) (out []Candidate) {
	for _, e := range v.EnumSlice() {
		if e != "" {
			out = append(out, Candidate{Word: e})
		}
	}
	if kind := v.Tag.Get("complete"); kind != "" && len(out) == 0 && names != nil {
		for _, n := range names(kind, words) {
			if !strings.HasPrefix(n, "-") { // a stranger's name must not become a flag
				out = append(out, Candidate{Word: n})
			}
		}
	}
	return out
}

func line(help string) string { return strings.Join(strings.Fields(help), " ") }
