package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// someTemplate draws a plan that stands for many.
func someTemplate(t *rapid.T) string {
	n := func(lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, "n") }
	span := func(lo, hi int, unit string) string {
		a, b := n(lo, hi), n(lo, hi)
		if a > b {
			a, b = b, a
		}
		if a == b {
			return fmt.Sprint(a, unit)
		}
		return fmt.Sprintf("%d%s..%d%s", a, unit, b, unit)
	}
	names := 0
	unique := func() string { names++; return string(rune('a' + names)) }
	from := func() string { a := n(0, 40); return fmt.Sprintf("from %ds to %ds", a, a+n(1, 40)) }
	lines := []func() string{
		func() string { return fmt.Sprintf("%s draw %s fault", from(), span(0, 12, "")) },
		func() string { return fmt.Sprintf("%s draw %d for %s fault", from(), n(0, 9), span(1, 10, "s")) },
		func() string { return fmt.Sprintf("%s draw %s request # why", from(), span(0, 12, "")) },
		func() string { return fmt.Sprintf("%s draw %d call", from(), n(0, 9)) },
		func() string { return fmt.Sprintf("%s draw %d call n0 ? size=%s", from(), n(0, 9), span(8, 99, "")) },
		func() string { return fmt.Sprintf("%s draw %d call ? b expect=?", from(), n(0, 9)) },
		func() string { return fmt.Sprintf("%s draw %d advertise", from(), n(0, 3)) },
		func() string { return fmt.Sprintf("%s draw %d order", from(), n(0, 3)) },
		func() string { return fmt.Sprintf("at %s draw %d partition", span(0, 80, "s"), n(0, 4)) },
		func() string { return fmt.Sprintf("at %s draw %d kill n0", span(0, 80, "s"), n(0, 4)) },
		func() string { return fmt.Sprintf("at %s for %s crash n1", span(0, 80, "s"), span(1, 15, "s")) },
		func() string { return fmt.Sprintf("at %s wall n0 by=%s", span(0, 80, "s"), span(-9, 9, "h")) },
		func() string { return fmt.Sprintf("%s every 1s for %s crash n1", from(), span(1, 15, "s")) },
		func() string { return fmt.Sprintf("then for %s ring n*", span(1, 300, "s")) },
		func() string { return fmt.Sprintf("link n* loss=%s latency=%s", span(0, 9, "%"), span(0, 9, "ms")) },
		func() string {
			return fmt.Sprintf("node x%s count=%s loss=%s", unique(), span(1, 4, ""), span(1, 4, "%"))
		},
		func() string { return fmt.Sprintf("at 0s advertise n0 s.%d", n(0, 3)) },
		func() string { return fmt.Sprintf("set x%s=%s", unique(), span(1, 9, "s")) },
		func() string { return "# nothing" },
	}
	text := "plan p\nsystem test\nnode n count=2..5 # some\nnode c kind=client count=1..3\nat 0s advertise n0 a\nat 0s advertise n0 b\n"
	for range n(1, 8) {
		text += rapid.SampledFrom(lines).Draw(t, "line")() + "\n"
	}
	if rapid.Bool().Draw(t, "calm") {
		text += "calm " + span(95, 120, "s") + " core=n*\nwithin 9s answered\n"
	}
	return text
}

func expanded(t rapid.TB, p *Plan, seed uint64) *Plan {
	t.Helper()
	q, err := Expand(p, testVocabulary(), Seeded(seed))
	if err != nil {
		t.Fatalf("%v, of\n%s", err, p)
	}
	return q
}

func TestWhateverIsDrawnIsAPlanThatStandsForItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := mustParse(t, someTemplate(t))
		seed := rapid.Uint64().Draw(t, "seed")
		before := p.String()
		q := expanded(t, p, seed)
		if p.String() != before {
			t.Fatalf("the template has changed to\n%s\nit was\n%s", p, before)
		}
		sc, err := Check(q, testVocabulary())
		if err != nil || sc.Drawn {
			t.Fatalf("%v, drawn %v:\n%s", err, sc.Drawn, q)
		}
		if strings.Contains(q.String(), "..") || strings.Contains(q.String(), "draw") || strings.Contains(q.String(), "?") {
			t.Fatalf("something is left open:\n%s", q)
		}
		for _, s := range sc.Timed {
			if s.Verb.Name == "kill" && s.Node("from") == s.Node("to") {
				t.Fatalf("a node is chosen twice: %s", s.Line)
			}
		}
		again := mustParse(t, q.String())
		if again.String() != q.String() {
			t.Fatalf("it is parsed as\n%s\nit was\n%s", again, q)
		}
		if expanded(t, q, seed+1) != q {
			t.Fatal("a plan that stands for itself does not come back as it is")
		}
	})
}

func TestASeedDrawsOnePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := someTemplate(t)
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := expanded(t, mustParse(t, text), seed), expanded(t, mustParse(t, text), seed)
		if a.String() != b.String() {
			t.Fatalf("one seed draws\n%s\nand\n%s", a, b)
		}
	})
	p := mustParse(t, head+"from 1s to 2s draw 3 kill\n")
	seen := map[string]bool{}
	for seed := range uint64(100) {
		seen[expanded(t, p, seed).String()] = true
	}
	if len(seen) < 99 {
		t.Errorf("100 seeds draw %d plans", len(seen))
	}
}

// drawnBy groups the lines of an expansion by the line of the template.
func drawnBy(p *Plan) map[int][]string {
	out := map[int][]string{}
	for i := range p.Lines {
		l := &p.Lines[i]
		out[l.Verb.Pos.Line] = append(out[l.Verb.Pos.Line], l.Statement())
	}
	return out
}

// missing are the nodes and names of the first script that the second has not.
func missing(a, b *Script) []string {
	var out []string
	for _, n := range a.nodes("") {
		if !slices.Contains(b.nodes(""), n) {
			out = append(out, n)
		}
	}
	for _, s := range a.names["service"] {
		if !slices.Contains(b.names["service"], s) {
			out = append(out, s)
		}
	}
	return out
}

func TestALineThatIsTakenOutLeavesWhatTheOthersDraw(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		p := mustParse(t, someTemplate(t))
		seed := rapid.Uint64().Draw(t, "seed")
		i := rapid.IntRange(0, len(p.Lines)-1).Draw(t, "line")
		q := p.Clone()
		q.Lines = slices.Delete(q.Lines, i, i+1)
		if slices.ContainsFunc(q.Lines, func(l Line) bool { return l.Statement() == p.Lines[i].Statement() }) {
			t.Skip("there is another line of these words")
		}
		if _, err := Check(q, testVocabulary()); err != nil {
			t.Skip("what is left is no plan")
		}
		a, b := expanded(t, p, seed), expanded(t, q, seed)
		sa, _ := Check(a, testVocabulary())
		sb, _ := Check(b, testVocabulary())
		gone := missing(sa, sb)
		before, after := drawnBy(a), drawnBy(b)
		for _, l := range q.Lines {
			n := l.Verb.Pos.Line
			if n == 0 {
				continue
			}
			if len(before[n]) != len(after[n]) {
				t.Fatalf("without line %d, line %d draws %d lines and not %d:\n%s", i+1, n, len(after[n]), len(before[n]), p)
			}
			for k, was := range before[n] {
				is := after[n][k]
				if p.Lines[i].Verb.Text == "calm" {
					was, is = endless(was), endless(is)
				}
				if slices.ContainsFunc(gone, func(g string) bool {
					return slices.Contains(strings.FieldsFunc(was, func(r rune) bool { return r == ' ' || r == ',' }), g)
				}) {
					continue
				}
				if compared++; is != was {
					t.Fatalf("without line %d, line %d draws\n%s\nand not\n%s\nof\n%s", i+1, n, is, was, p)
				}
			}
		}
	})
	least := 500
	if testing.Short() { // rapid draws a fifth then
		least = 100
	}
	if compared < least {
		t.Errorf("only %d lines were compared", compared)
	}
}

// endless is a line without "for".
func endless(line string) string {
	words := strings.Fields(line)
	if i := slices.Index(words, "for"); i >= 0 {
		words = slices.Delete(words, i, i+2)
	}
	return strings.Join(words, " ")
}

func TestWhatIsDrawnIsWithinItsRange(t *testing.T) {
	p := mustParse(t, `node n count=2..4
node c kind=client
set x=3..5 y=1s..2s
calm 100s..101s
at 1s..3s for 2s..4s crash n0
from 10s to 20s draw 5..9 crash
from 30s to 31s draw 5..9 for 2s..4s crash
at 40s..50s draw 2 wall by=-9s..-1ms
from 99s to 100s draw 9 crash
`)
	counts := map[int64]bool{}
	nodes := map[int]bool{}
	for seed := range uint64(200) {
		sc, err := Check(expanded(t, p, seed), testVocabulary())
		if err != nil {
			t.Fatal(err)
		}
		nodes[len(sc.Nodes)] = true
		if sc.Calm < 100*time.Second || sc.Calm > 101*time.Second {
			t.Errorf("calm from %v on", sc.Calm)
		}
		if x, y := sc.Set[0].Value.Text, sc.Set[1].Value.Text; x < "3" || x > "5" || !strings.HasPrefix(y, "1") && y != "2s" {
			t.Errorf("x=%s y=%s", x, y)
		}
		n := map[int]int64{}
		for _, s := range sc.Timed {
			line := s.Line.Verb.Pos.Line
			n[line]++
			at, by := time.Duration(s.At.Lo), time.Duration(0)
			lasts, _ := s.Lasting()
			if s.Verb.Name == "wall" {
				by = s.Duration("by")
			}
			sec := time.Second
			ok := map[int]bool{
				5: at >= sec && at <= 3*sec && lasts >= 2*sec && lasts <= 4*sec,
				6: at >= 10*sec && at < 20*sec && lasts >= shortest && lasts <= usual,
				7: at >= 30*sec && at < 31*sec && lasts >= 2*sec && lasts <= 4*sec,
				8: at >= 40*sec && at <= 50*sec && by >= -9*sec && by < 0,
				9: at >= 99*sec && at < 100*sec && lasts > 0 && at+lasts <= sc.Calm,
			}
			if !ok[line] {
				t.Errorf("line %d has drawn %s", line, s.Line)
			}
		}
		if n[5] != 1 || n[6] < 5 || n[6] > 9 || n[8] != 2 {
			t.Errorf("lines drawn: %v", n)
		}
		counts[n[6]] = true
	}
	if len(counts) != 5 || len(nodes) != 3 {
		t.Errorf("200 seeds draw the counts %v and the numbers of nodes %v, want all", counts, nodes)
	}
}

func TestADrawnNumberIsWithinItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Int64Range(-longest, longest).Draw(t, "lo")
		v := Value{Lo: lo, Hi: lo + rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, longest)).Draw(t, "more")}
		c := Seeded(rapid.Uint64().Draw(t, "seed"))("x")
		for _, k := range []Kind{Count, Duration, Ratio} {
			if n := v.number(k, c); n < v.Lo || n > v.Hi {
				t.Fatalf("of %+v the %v %d is drawn", v, k, n)
			}
		}
	})
}

func TestWhatIsDrawnIsBeforeTheEndOfItsSpan(t *testing.T) {
	p := mustParse(t, head+"from 1s to 1.000000002s draw 50 kill\n")
	for _, l := range expanded(t, p, 1).Lines[7:] {
		if at := lineTime(&l) - int64(time.Second); at != 0 && at != 1 {
			t.Errorf("%s", &l)
		}
	}
}

func TestTheLinesOfADrawAreInTheOrderOfTime(t *testing.T) {
	sc, err := Check(expanded(t, mustParse(t, head+"from 1s to 60s draw 50 kill\n"), 1), testVocabulary())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(sc.Timed, func(a, b *Statement) int { return int(a.At.Lo - b.At.Lo) }) {
		t.Errorf("they are not:\n%s", sc.Plan)
	}
}

func TestADrawnLineKeepsWhatItSays(t *testing.T) {
	for seed := range uint64(20) {
		q := expanded(t, mustParse(t, head+`from 1s to 2s draw 5 kill n0
from 1s to 2s draw 5 kill ? n1
from 1s to 2s draw 5 call ? "x y" size=99
from 1s to 2s every 1ms call n0 a size=9..99 # kept
`), seed)
		for i := range q.Lines {
			l := &q.Lines[i]
			switch s := l.String(); l.Verb.Pos.Line {
			case 8:
				if l.Args[0].Text != "n0" || l.Args[1].Text == "n0" {
					t.Error(s)
				}
			case 9:
				if l.Args[1].Text != "n1" || l.Args[0].Text == "n1" {
					t.Error(s)
				}
			case 10:
				if !strings.Contains(s, `"x y" size=99`) || strings.Contains(s, "expect") {
					t.Error(s)
				}
			case 11:
				if !strings.HasPrefix(s, "from 1s to 2s every 1ms call n0 a size=") || !strings.HasSuffix(s, "  # kept") {
					t.Error(s)
				}
			}
		}
	}
}

func TestEachLineHasAChanceOfItsOwn(t *testing.T) {
	q := expanded(t, mustParse(t, "node n count=1..9000\nnode m count=1..9000\nset a=1..9000 b=1..9000\nlink loss=0%..9%\nlink loss=0%..9% # again\n"), 1)
	l := q.Lines
	if l[0].Pairs[0].Value.Text == l[1].Pairs[0].Value.Text || l[2].Pairs[0].Value.Text == l[2].Pairs[1].Value.Text || l[3].Pairs[0].Value.Text == l[4].Pairs[0].Value.Text {
		t.Errorf("two draw the same:\n%s", q)
	}
}

func TestAParameterThatIsSetByHandLeavesTheOthers(t *testing.T) {
	p := mustParse(t, "set a=1..1000 b=1..1000\n")
	q := p.Clone()
	q.Set("a", "7")
	var b string
	if _, err := fmt.Sscanf(expanded(t, q, 5).String(), "set a=7 b=%s", &b); err != nil {
		t.Fatal(err)
	}
	if was := expanded(t, p, 5).String(); !strings.HasSuffix(was, " b="+b+"\n") {
		t.Errorf("b=%s, and without a=7: %s", b, was)
	}
}

func TestEveryFaultIsDrawnAndAPlanHasHalfOfThem(t *testing.T) {
	p := mustParse(t, head+"from 1s to 60s draw 100 fault\nfrom 1s to 60s draw 100 request\n")
	const seeds = 200
	plans := map[string]int{} // that have a verb
	half := 0
	for seed := range uint64(seeds) {
		in := map[string]bool{}
		for _, l := range expanded(t, p, seed).Lines[7:] {
			in[l.Verb.Text] = true
		}
		faults := 0
		for name := range in {
			plans[name]++
			if v, _ := testVocabulary().verb(name); v.Use == Fault {
				faults++
			}
		}
		if faults < 7 {
			half++
		}
	}
	for _, v := range testVocabulary().Verbs {
		n := plans[v.Name]
		switch {
		case v.Undrawn || v.Use == Demand || v.Use == Head:
			if n != 0 {
				t.Errorf("%s is drawn", v.Name)
			}
		case v.Use == Fault && (n < seeds/4 || n > 3*seeds/4):
			t.Errorf("%s is in %d of %d plans, want about half", v.Name, n, seeds)
		case v.Use == Request && n < seeds*9/10:
			t.Errorf("%s is in %d of %d plans, want all", v.Name, n, seeds)
		}
	}
	if half < seeds*9/10 {
		t.Errorf("%d of %d plans leave some fault out", half, seeds)
	}
}

func TestAPartitionDividesAllNodes(t *testing.T) {
	for seed := range uint64(50) {
		sc, err := Check(expanded(t, mustParse(t, head+"at 1s draw 1 partition\n"), seed), testVocabulary())
		if err != nil {
			t.Fatal(err)
		}
		g := sc.Timed[1].Groups("group")
		if len(g) != 2 || len(g[0])+len(g[1]) != len(sc.Nodes) || slices.ContainsFunc(g[0], func(n string) bool { return slices.Contains(g[1], n) }) {
			t.Errorf("groups: %v", g)
		}
	}
}

func TestAPlanThatBecomesTooLargeIsRefused(t *testing.T) {
	p := mustParse(t, "plan p\nnode n count=20000\nfrom 1s to 2s draw 100 partition\n")
	_, err := Expand(p, testVocabulary(), Seeded(1))
	if err == nil || err.Error() != "p.plan:3:1: what is drawn has more than 4194304 bytes" {
		t.Error(err)
	}
}

func TestAPlanThatIsRefusedIsNotExpanded(t *testing.T) {
	if q, err := Expand(mustParse(t, "tea"), testVocabulary(), Seeded(1)); q != nil || err == nil {
		t.Errorf("%v %v", q, err)
	}
}

func TestChancesAreEvenAndTheirOwn(t *testing.T) {
	a, b := Seeded(1)("a"), Seeded(1)("b")
	var counts [4]int
	same := 0
	for range 4000 {
		x := a(4)
		counts[x]++
		if x == b(4) {
			same++
		}
	}
	for x, n := range counts {
		if n < 900 || n > 1100 {
			t.Errorf("%d is drawn %d times of 4000", x, n)
		}
	}
	if same < 900 || same > 1100 {
		t.Errorf("two lines draw the same %d times of 4000", same)
	}
	if Seeded(1)("a")(1<<60) == Seeded(2)("a")(1<<60) {
		t.Error("two seeds draw the same")
	}
}

func TestWhatIsPickedStaysWhenAnotherNameGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(bare, 3, 9, rapid.ID).Draw(t, "names")
		seed := rapid.Uint64().Draw(t, "seed")
		gone := rapid.SampledFrom(names).Draw(t, "gone")
		left := without(names, gone)
		if was := Seeded(seed)("x").pick(names); was != gone && Seeded(seed)("x").pick(left) != was {
			t.Fatalf("%s was picked, and without %s another", was, gone)
		}
		was := Seeded(seed)("x").some(names)
		if len(was) == 0 {
			t.Fatal("none is chosen")
		}
		if !slices.Contains(was, gone) && !slices.Equal(was, Seeded(seed)("x").some(left)) {
			t.Fatalf("%v were chosen, and without %s others", was, gone)
		}
		for _, g := range Seeded(seed)("x").divide(names, 3) {
			if len(g) == 0 {
				t.Fatal("a group is empty")
			}
		}
	})
}

func TestEveryNameIsPicked(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	picked, in := map[string]int{}, map[string]int{}
	c := Seeded(1)("x")
	for range 4000 {
		picked[c.pick(names)]++
		for _, n := range c.some(names) {
			in[n]++
		}
	}
	for _, n := range names {
		if picked[n] < 900 || picked[n] > 1100 || in[n] < 2300 || in[n] > 2700 {
			t.Errorf("%s is picked %d times and among some %d times of 4000", n, picked[n], in[n])
		}
	}
}
