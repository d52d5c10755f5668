package plan

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// words are such as are hard to print.
var words = rapid.OneOf(
	rapid.StringMatching(`[a-z0-9.,*-]{1,8}`),
	rapid.SampledFrom(append([]string{
		"", " ", "a b", `"`, `\`, `a\`, "#", "=", "a=b", "..", "?", "\n", "\t", "\r", "\x00", "\u00a0", "\ufeff", "\ufffd", "é", "日本", "👩‍🚀", "'", "`",
	}, clauseKeys...)),
	rapid.String(),
)

// bare are words that stand without quotes and are no clause.
var bare = rapid.StringMatching(`[a-zé][a-z0-9é.-]{0,6}`).Filter(func(s string) bool { return !slices.Contains(clauseKeys, s) })

func word(text string) Word { return Word{Text: text} }

// someLine draws a line as it can be parsed.
func someLine(t *rapid.T) Line {
	var l Line
	l.Comment = rapid.StringMatching(`[ -~\té#"=]{0,9}`).Draw(t, "comment")
	if rapid.IntRange(0, 5).Draw(t, "empty") == 0 {
		return l
	}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(clauseKeys), 0, 4, rapid.ID).Draw(t, "clauses") {
		c := Clause{Key: word(key)}
		if key != "then" {
			c.Value.Text = words.Draw(t, "value")
		}
		l.Clauses = append(l.Clauses, c)
	}
	l.Verb = word(bare.Draw(t, "verb"))
	for _, a := range rapid.SliceOfN(words, 0, 4).Draw(t, "arguments") {
		l.Args = append(l.Args, word(a))
	}
	keys := rapid.OneOf(bare, rapid.SampledFrom(clauseKeys))
	for _, k := range rapid.SliceOfNDistinct(keys, 0, 3, rapid.ID).Draw(t, "keys") {
		l.Pairs = append(l.Pairs, Pair{word(k), word(words.Draw(t, "value"))})
	}
	return l
}

func somePlan(t *rapid.T) *Plan {
	return &Plan{Lines: rapid.SliceOfN(rapid.Custom(someLine), 0, 6).Draw(t, "lines")}
}

// eachWord calls f for each word of the plan.
func eachWord(p *Plan, f func(w *Word)) {
	for i := range p.Lines {
		l := &p.Lines[i]
		f(&l.Verb)
		for k := range l.Clauses {
			f(&l.Clauses[k].Key)
			f(&l.Clauses[k].Value)
		}
		for k := range l.Args {
			f(&l.Args[k])
		}
		for k := range l.Pairs {
			f(&l.Pairs[k].Key)
			f(&l.Pairs[k].Value)
		}
	}
}

// placeless is the plan without the places of its words.
func placeless(p *Plan) []Line {
	q := p.Clone()
	eachWord(q, func(w *Word) { w.Pos = Pos{} })
	return q.Lines
}

func TestWhatIsPrintedIsParsedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePlan(t)
		q, err := Parse("", []byte(p.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
		if got, want := placeless(q), placeless(p); !reflect.DeepEqual(got, want) {
			t.Fatalf("printed and parsed again:\n%#v\nwas:\n%#v", got, want)
		}
		if q.String() != p.String() {
			t.Fatalf("printed again:\n%s\nwas:\n%s", q, p)
		}
	})
}

func TestEveryWordHasItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{" ", "  ", "\t", " \t "})
		var lines []string
		for _, l := range somePlan(t).Lines {
			l.Comment = ""
			lines = append(lines, space.Draw(t, "indent")+l.String())
		}
		p, err := Parse("", []byte(strings.Join(lines, "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		eachWord(p, func(w *Word) {
			if w.Pos == (Pos{}) {
				return // of no clause, or no verb
			}
			rest := lines[w.Pos.Line-1][w.Pos.Col-1:]
			if !strings.HasPrefix(rest, w.Text) && !strings.HasPrefix(rest, strconv.Quote(w.Text)) {
				t.Fatalf("%q is said to stand at %v, where %q is", w.Text, w.Pos, rest)
			}
		})
	})
}

func TestSpacesAndQuotesThatSayNothingGo(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"\n":                                  "\n",
		"a":                                   "a\n",
		"a\r\n\r\nb":                          "a\n\nb\n",
		"\t at\t5s   call \"n0\" a  #  why ":  "at 5s call n0 a  #  why \n",
		"x k = v":                             "x k=v\n",
		"x \"k\" l=\"v w\"":                   "x k l=\"v w\"\n",
		"x at 5s then":                        "x \"at\" 5s \"then\"\n",
		"x at=then":                           "x at=\"then\"\n",
		"x#comment":                           "x  #comment\n",
		"#":                                   "\n",
		"# only this":                         "# only this\n",
		"x \"\\u00e9\" \"\\u00a0\" \"\\x41\"": "x é \"\\u00a0\" A\n",
	} {
		if got := mustParse(t, text).String(); got != want {
			t.Errorf("%q is printed as %q, want %q", text, got, want)
		}
	}
}

func TestWhatHasNotTheFormIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"at 5s", `p.plan:1:1: the line says when, and no verb follows that says what`},
		{"x\n  at 5s # call", `p.plan:2:3: the line says when, and no verb follows that says what`},
		{"at", `p.plan:1:3: "at" wants a value`},
		{"at = 5s", `p.plan:1:3: "at" wants a value`},
		{"at 5s every 1s at 6s x", `p.plan:1:16: "at" stands twice in this line`},
		{"then then x", `p.plan:1:6: "then" stands twice in this line`},
		{"= x", `p.plan:1:1: want a verb here, not "="`},
		{"at 1s \"x\" y", `p.plan:1:7: want a verb here, not a string`},
		{"at 1s x=y", `p.plan:1:7: want a verb here, not x=`},
		{"x a = = b", `p.plan:1:6: a= wants a value`},
		{"x ab=", `p.plan:1:6: ab= wants a value`},
		{"x ab = ", `p.plan:1:7: ab= wants a value`},
		{"x a=b =c", `p.plan:1:7: nothing stands before this "="`},
		{"x \"a\"=b", `p.plan:1:3: a key stands without quotes`},
		{"x a=1 b=2 a=3", `p.plan:1:11: a= stands twice in this line`},
		{"x a=1 b", `p.plan:1:7: "b" stands after a=: arguments come before the pairs`},
		{"x \"abc", `p.plan:1:3: a string that does not end, or with a wrong escape`},
		{`x "a\q"`, `p.plan:1:3: a string that does not end, or with a wrong escape`},
		{`x "\xff"`, `p.plan:1:3: a string that is no UTF-8`},
		{"x \"\xff\\n\"", `p.plan:1:3: a string that is no UTF-8`},
		{"x é\xffb", `p.plan:1:5: a byte that is no UTF-8`},
		{"x y # é\xff", `p.plan:1:9: a byte that is no UTF-8`},
		{"\ufeffplan x", `p.plan:1:1: the character U+FEFF cannot be printed; a string can have it as an escape`},
		{"x a\u00a0b", `p.plan:1:4: the character U+00A0 cannot be printed; a string can have it as an escape`},
		{"x # a\rb", `p.plan:1:6: the character U+000D cannot be printed; a string can have it as an escape`},
		{"x a\"b\"", `p.plan:1:4: want a space between two words`},
		{"x \"a\"\"b\"", `p.plan:1:6: want a space between two words`},
		{"x \"a\"b", `p.plan:1:6: want a space between two words`},
		{strings.Repeat("\n", MaxLines) + "x", `p.plan:100001:1: the plan has more than 100000 lines`},
		{strings.Repeat(" ", MaxSize+1), `p.plan: the plan has 4194305 bytes, the most are 4194304`},
	} {
		if got := refusal(t, c.text); got != c.want {
			t.Errorf("%.40q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestTheLargestPlanIsParsed(t *testing.T) {
	if p := mustParse(t, strings.Repeat("\n", MaxLines)); len(p.Lines) != MaxLines {
		t.Errorf("%d lines, want %d", len(p.Lines), MaxLines)
	}
	line := "x \"" + strings.Repeat("a", MaxSize-4) + "\""
	if p := mustParse(t, line); len(p.Lines[0].Args[0].Text) != MaxSize-4 {
		t.Error("a plan as large as may be is not parsed whole")
	}
}

func TestAPlanWithoutAFileIsNamedPlan(t *testing.T) {
	if _, err := Parse("", []byte("at")); err.Error() != `plan:1:3: "at" wants a value` {
		t.Error(err)
	}
}

func TestACloneIsIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePlan(t)
		before := p.String()
		q := p.Clone()
		if q.String() != before {
			t.Fatalf("the clone is\n%s\nof\n%s", q, before)
		}
		eachWord(q, func(w *Word) { w.Text = "changed" })
		for i := range q.Lines {
			l := &q.Lines[i]
			l.Comment = "changed"
			l.Clauses = append(l.Clauses, Clause{})
			l.Args = append(l.Args, Word{})
			l.Pairs = append(l.Pairs, Pair{})
		}
		if q.Set("x", "y"); p.String() != before {
			t.Fatalf("a change of the clone changed the plan to\n%s\nit was\n%s", p, before)
		}
	})
}

func TestSetChangesALineOrAddsOne(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{"plan p\nset a=1 b=2\n", "b", "plan p\nset a=1 b=9\n"},
		{"plan p\nset a=1\nset b=2\n", "b", "plan p\nset a=1\nset b=9\n"},
		{"plan p\nsystem s # x\nnode n\n", "b", "plan p\nsystem s  # x\nset b=9\nnode n\n"},
		{"plan p\n", "b", "set b=9\nplan p\n"},
	} {
		p := mustParse(t, c.text)
		if p.Set(c.name, "9"); p.String() != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, p, c.want)
		}
	}
}
