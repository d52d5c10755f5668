package simvet

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// FuzzParseFormat demands of any format that each verb is one of its
// characters and that no argument is counted which nobody can give.
func FuzzParseFormat(f *testing.F) {
	for _, s := range []string{
		"", "%", "%%", "%d", "%+v %#v", "%[2]d %[1]d", "%*d", "%.*f", "%[3]*.[2]*[1]f", "%[", "%[]d", "%[x]d", "%[-1]d", "%[0]d", "%[18446744073709551617]d", "%[9223372036854775808]d", "%[99999999999999999999999]d %d", "%\xff", "\xff%d", "%é", "%!", "100%", strings.Repeat("%*", 300), strings.Repeat("%[1]", 300),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, format string) {
		verbs := parseFormat(format)
		if len(verbs) > strings.Count(format, "%") {
			t.Fatalf("%d verbs in %q", len(verbs), format)
		}
		for _, v := range verbs {
			if v.arg < 0 || v.arg > maxArg+len(format) || v.verb == '%' || !strings.ContainsRune(format, v.verb) && v.verb != '\uFFFD' {
				t.Fatalf("%q has the verb %q of argument %d", format, v.verb, v.arg)
			}
		}
	})
}

// FuzzAllow reads exceptions of any sort in a file of Go: each is a directive
// on its line, with a rule that is known and a reason, or it is told in one
// line what is wrong with it.
func FuzzAllow(f *testing.F) {
	for _, s := range []string{
		"allow time why", "allow", "allow ", "allow time", "allow nobody why", "deny time why", "allow time why // want x", " allow time why", "allow\ttime\twhy", "allow  time  why", "\xff", "allow time \xff", strings.Repeat("allow ", 500), "allow " + strings.Repeat("r", 5000) + " why",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, own bool) {
		src := "package p\n\nvar x = 1 //simvet:" + text + "\n"
		if own {
			src = "package p\n\n//simvet:" + text + "\nvar x = 1\n"
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "p.go", src, parser.ParseComments)
		if err != nil || strings.ContainsAny(text, "\n\r\x00") {
			return
		}
		all := directives(fset, file, []byte(src))
		if len(all) != 1 || !hasDirective(file) {
			t.Fatalf("%d directives in %q", len(all), src)
		}
		a := all[0]
		if a.Line != 3 || own != (a.next == 4) || !own && a.next != 0 {
			t.Fatalf("line %d, next %d", a.Line, a.next)
		}
		a.used = true
		wrong := a.wrong(true)
		if good := a.verb == allowVerb && known(a.Rule) && a.Reason != ""; good != (wrong == "") {
			t.Fatalf("%+v is wrong because %q", a, wrong)
		}
		if strings.ContainsAny(wrong, "\n\r") {
			t.Fatalf("%q", wrong)
		}
	})
}

// FuzzPatterns demands that a list of patterns is printed as one that matches
// the same packages.
func FuzzPatterns(f *testing.F) {
	f.Add("a/b,c/...", "c/d")
	f.Add("", "")
	f.Add(" , ,...,/...", "x")
	f.Add("\xff,\n/...", "\n/a")
	f.Fuzz(func(t *testing.T, list, path string) {
		var p, q Patterns
		if err := p.Set(list); err != nil {
			t.Fatal(err)
		}
		if err := q.Set(p.String()); err != nil || p.String() != q.String() || p.Match(path) != q.Match(path) {
			t.Fatalf("%q is printed as %q, and that as %q", list, p.String(), q.String())
		}
		for _, one := range p {
			if one == "" || one != strings.TrimSpace(one) || !Patterns([]string{one}).Match(strings.TrimSuffix(one, "/...")) {
				t.Fatalf("a pattern %q in %q", one, list)
			}
		}
	})
}
