package plan

import (
	"slices"
	"strconv"
	"strings"
)

// String prints the plan: what Parse reads, with one space between words. A
// plan that is parsed from it prints the same again.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.Lines {
		b.WriteString(p.Lines[i].String())
		b.WriteByte('\n')
	}
	return b.String()
}

// String prints one line, without its end.
func (l *Line) String() string {
	s := l.Statement()
	if l.Comment == "" {
		return s
	}
	if s != "" {
		s += "  "
	}
	return s + "#" + l.Comment
}

// Statement prints the line without its comment.
func (l *Line) Statement() string {
	if l.Verb.Text == "" {
		return ""
	}
	var parts []string
	for _, c := range l.Clauses {
		parts = append(parts, c.Key.Text)
		if c.Key.Text != "then" {
			parts = append(parts, quote(c.Value.Text))
		}
	}
	parts = append(parts, quote(l.Verb.Text))
	for _, a := range l.Args {
		parts = append(parts, quote(a.Text))
	}
	for _, x := range l.Pairs {
		parts = append(parts, x.Key.Text+"="+quote(x.Value.Text))
	}
	return strings.Join(parts, " ")
}

// quote returns text as it stands in a plan, in quotes if it needs them.
func quote(text string) string {
	if text == "" || strings.ContainsAny(text, " \t#=\"") || strings.IndexFunc(text, odd) >= 0 || slices.Contains(clauseKeys, text) {
		return strconv.Quote(text)
	}
	return text
}
