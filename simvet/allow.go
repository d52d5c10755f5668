package simvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

const (
	directive = "//simvet:"
	allowVerb = "allow" // the only one
)

// Allow is one exception as it stands in the source.
type Allow struct {
	File   string // as the loader names it
	Line   int
	Rule   Rule
	Reason string
}

// allow is an Allow on its way through a check.
type allow struct {
	Allow
	pos    token.Pos
	verb   string // what follows "//simvet:"
	next   int    // the line below the comment, when the comment stands alone; else 0
	inTest bool
	used   bool
}

func (a *allow) covers(line int) bool { return line == a.Line || line == a.next }

// wrong says what is wrong with the exception, or nothing.
func (a *allow) wrong(checked bool) string {
	switch {
	case a.verb != allowVerb:
		return fmt.Sprintf("unknown directive simvet:%s: the only one is simvet:allow RULE reason", a.verb)
	case !known(a.Rule):
		return fmt.Sprintf("simvet:allow names an unknown rule %q: the rules are %s", a.Rule, ruleNames())
	case a.Reason == "":
		return fmt.Sprintf("simvet:allow %s needs a reason", a.Rule)
	case a.inTest:
		return "simvet:allow has no effect: tests are not checked"
	case !checked:
		return "simvet:allow has no effect: this package is not checked"
	case !a.used:
		return fmt.Sprintf("simvet:allow %s suppresses nothing: remove it", a.Rule)
	}
	return ""
}

// allows collects the directives of all files, those of tests included.
func (c *check) allows() ([]*allow, error) {
	var all []*allow
	for _, f := range c.Files {
		if !hasDirective(f) {
			continue
		}
		src, err := c.ReadFile(c.Fset.File(f.FileStart).Name())
		if err != nil {
			return nil, err
		}
		for _, a := range directives(c.Fset, f, src) {
			a.inTest = isTest(c.Fset, f)
			all = append(all, a)
		}
	}
	return all, nil
}

func hasDirective(f *ast.File) bool {
	for _, g := range f.Comments {
		for _, cm := range g.List {
			if strings.HasPrefix(cm.Text, directive) {
				return true
			}
		}
	}
	return false
}

// directives returns the directives of f, whose text is src.
func directives(fset *token.FileSet, f *ast.File, src []byte) []*allow {
	var all []*allow
	for _, g := range f.Comments {
		end := fset.PositionFor(g.End(), false).Line
		for _, cm := range g.List {
			text, ok := strings.CutPrefix(cm.Text, directive)
			if !ok {
				continue
			}
			p := fset.PositionFor(cm.Pos(), false)
			verb, rest, _ := strings.Cut(text, " ")
			rest, _, _ = strings.Cut(rest, "// ") // a comment in the comment
			rule, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
			a := &allow{
				Allow: Allow{File: p.Filename, Line: p.Line, Rule: Rule(rule), Reason: strings.TrimSpace(reason)},
				pos:   cm.Pos(),
				verb:  verb,
			}
			if alone(src, p.Offset) {
				a.next = end + 1
			}
			all = append(all, a)
		}
	}
	return all
}

// alone reports whether only white space precedes offset on its line.
func alone(src []byte, offset int) bool {
	for i := offset - 1; i >= 0 && src[i] != '\n'; i-- {
		if src[i] != ' ' && src[i] != '\t' {
			return false
		}
	}
	return true
}

func known(r Rule) bool {
	return slices.ContainsFunc(Rules(), func(d RuleDoc) bool { return d.Rule == r })
}

func ruleNames() string {
	var names []string
	for _, r := range Rules() {
		names = append(names, string(r.Rule))
	}
	return strings.Join(names, ", ")
}
