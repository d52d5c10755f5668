package plan

import (
	"fmt"
	"slices"
	"strings"
)

// The clauses, in the order in which they are printed.
var clauseKeys = []string{"draw", "then", "at", "from", "to", "every", "for", "within"}

// MaxSize bounds a plan in bytes, and MaxLines in lines.
const (
	MaxSize  = 4 << 20
	MaxLines = 100_000
)

// Parse reads a plan. file is for messages. The error is an *Error.
func Parse(file string, text []byte) (*Plan, error) {
	p := &Plan{File: file}
	if len(text) > MaxSize {
		return nil, p.errorf(Pos{}, "the plan has %d bytes, the most are %d", len(text), MaxSize)
	}
	rest := string(text)
	for n := 1; rest != ""; n++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if n > MaxLines {
			return nil, p.errorf(Pos{n, 1}, "the plan has more than %d lines", MaxLines)
		}
		l, err := p.parseLine(n, strings.TrimSuffix(line, "\r"))
		if err != nil {
			return nil, err
		}
		p.Lines = append(p.Lines, l)
	}
	return p, nil
}

// parseLine reads line number n.
func (p *Plan) parseLine(n int, text string) (Line, error) {
	var l Line
	tokens, comment, err := p.scan(n, text)
	if err != nil {
		return l, err
	}
	l.Comment = comment
	if tokens, err = p.clauses(&l, tokens); err != nil {
		return l, err
	}
	if len(tokens) == 0 {
		if len(l.Clauses) > 0 {
			return l, p.errorf(l.Pos(), "the line says when, and no verb follows that says what")
		}
		return l, nil
	}
	if tokens[0].equals || tokens[0].quoted || len(tokens) > 1 && tokens[1].equals {
		return l, p.errorf(tokens[0].Pos, "want a verb here, not %s", describe(tokens))
	}
	l.Verb = tokens[0].Word
	return l, p.arguments(&l, tokens[1:])
}

// clauses takes what stands before the verb.
func (p *Plan) clauses(l *Line, tokens []token) ([]token, error) {
	for len(tokens) > 0 {
		key := tokens[0]
		if key.quoted || key.equals || !slices.Contains(clauseKeys, key.Text) {
			break
		}
		if _, twice := l.clause(key.Text); twice {
			return nil, p.errorf(key.Pos, "%q stands twice in this line", key.Text)
		}
		c := Clause{Key: key.Word}
		tokens = tokens[1:]
		if key.Text != "then" {
			if len(tokens) == 0 || tokens[0].equals {
				return nil, p.errorf(after(key.Word), "%q wants a value", key.Text)
			}
			c.Value = tokens[0].Word
			tokens = tokens[1:]
		}
		l.Clauses = append(l.Clauses, c)
	}
	return tokens, nil
}

// arguments takes what stands after the verb.
func (p *Plan) arguments(l *Line, tokens []token) error {
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.equals:
			return p.errorf(t.Pos, "nothing stands before this \"=\"")
		case i+1 < len(tokens) && tokens[i+1].equals:
			if t.quoted {
				return p.errorf(t.Pos, "a key stands without quotes")
			}
			if i+2 == len(tokens) || tokens[i+2].equals {
				return p.errorf(after(tokens[i+1].Word), "%s= wants a value", t.Text)
			}
			for _, old := range l.Pairs {
				if old.Key.Text == t.Text {
					return p.errorf(t.Pos, "%s= stands twice in this line", t.Text)
				}
			}
			l.Pairs = append(l.Pairs, Pair{t.Word, tokens[i+2].Word})
			i += 2
		case len(l.Pairs) > 0:
			return p.errorf(t.Pos, "%q stands after %s=: arguments come before the pairs", t.Text, l.Pairs[0].Key.Text)
		default:
			l.Args = append(l.Args, t.Word)
		}
	}
	return nil
}

// describe says what stands where a verb should.
func describe(tokens []token) string {
	switch {
	case tokens[0].equals:
		return `"="`
	case tokens[0].quoted:
		return "a string"
	}
	return fmt.Sprintf("%s=", tokens[0].Text)
}
