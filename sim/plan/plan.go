// Package plan is the text in which a simulation is written down: its
// topology, its limits, its workload, its faults with their times, the border
// between the two phases, and what is demanded in the second.
//
// A plan is lines, and every line is one thing that happens:
//
//	plan    = { line newline } .
//	line    = [ statement ] [ "#" comment ] .
//	statement = { clause } verb { argument | key "=" value } .
//	clause  = "draw" count | "at" time | "from" time | "to" time
//	        | "every" time | "for" time | "within" time | "then" .
//	argument, value = bare word | Go string in double quotes .
//
// A bare word is of any printable characters but space, double quote, "#" and
// "="; between two words there is a space. What verbs there are, which arguments
// they take and of which kinds is a Vocabulary, which belongs to what is
// simulated: Parse knows only the form, Check holds a plan to a vocabulary. Both
// say file, line and column of what they refuse.
//
// A number may be a range, as 5s..20s, and a line may be drawn many times; what
// such a line does not say, or says with "?", is drawn too. Such a plan stands
// for many, and Expand draws one of them.
package plan

import (
	"fmt"
	"slices"
)

// Pos is a place in a file; lines and columns (in bytes) count from 1. The
// zero value is nowhere.
type Pos struct{ Line, Col int }

// Word is a piece of text with its place.
type Word struct {
	Text string
	Pos  Pos
}

// Clause says when and how often a statement happens.
type Clause struct{ Key, Value Word } // of "then", Value is empty

// Pair is a named argument.
type Pair struct{ Key, Value Word }

// Line is one line of a plan. Without a verb it is empty, or a comment.
type Line struct {
	Clauses []Clause
	Verb    Word
	Args    []Word
	Pairs   []Pair
	Comment string // without the "#", its spaces kept; empty when there is none
}

// Plan is a plan as it is written. A copy shares its lines: Clone before
// changing one.
type Plan struct {
	File  string // for messages; may be empty
	Lines []Line
}

// Clone copies the plan to the last word.
func (p *Plan) Clone() *Plan {
	q := &Plan{File: p.File, Lines: make([]Line, len(p.Lines))}
	for i, l := range p.Lines {
		l.Clauses = append([]Clause(nil), l.Clauses...)
		l.Args = append([]Word(nil), l.Args...)
		l.Pairs = append([]Pair(nil), l.Pairs...)
		q.Lines[i] = l
	}
	return q
}

// Error says what is wrong with a plan, and where.
type Error struct {
	File string
	Pos  Pos
	Msg  string
}

// Error is "file:line:column: message".
func (e *Error) Error() string {
	file := e.File
	if file == "" {
		file = "plan"
	}
	if e.Pos == (Pos{}) {
		return fmt.Sprintf("%s: %s", file, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, e.Pos.Line, e.Pos.Col, e.Msg)
}

func (p *Plan) errorf(at Pos, format string, args ...any) error {
	return &Error{p.File, at, fmt.Sprintf(format, args...)}
}

// clause returns the value of a clause of l, and whether l has it.
func (l *Line) clause(key string) (Word, bool) {
	for _, c := range l.Clauses {
		if c.Key.Text == key {
			return c.Value, true
		}
	}
	return Word{}, false
}

// Pos is where the line's statement begins.
func (l *Line) Pos() Pos {
	if len(l.Clauses) > 0 {
		return l.Clauses[0].Key.Pos
	}
	return l.Verb.Pos
}

// Set gives a parameter a value, in the line that sets it or in a new one
// behind the line with "system".
func (p *Plan) Set(name, value string) {
	behind := -1
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Verb.Text == "system" {
			behind = i
		}
		if l.Verb.Text != "set" {
			continue
		}
		for k := range l.Pairs {
			if l.Pairs[k].Key.Text == name {
				l.Pairs[k].Value.Text = value
				return
			}
		}
	}
	l := Line{Verb: Word{Text: "set"}, Pairs: []Pair{{Word{Text: name}, Word{Text: value}}}}
	p.Lines = slices.Insert(p.Lines, behind+1, l)
}
