package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// only returns the one statement that happens at a time, or one after the
// other.
func only(t *testing.T, line string) *Statement {
	t.Helper()
	sc := mustCheck(t, head+line+"\n")
	all := append(sc.Timed[1:], sc.Then...) // without the last line of head
	if len(all) != 1 {
		t.Fatalf("%q has %d statements", line, len(all))
	}
	return all[0]
}

func TestAScriptSaysWhatThePlanMeans(t *testing.T) {
	sc := mustCheck(t, head+`shows "what it shows"
sometimes a "b c"
sometimes d
at 5s for 2s crash n1 # a comment
then call n1 a
then within 1s reachable
then kill n0 n1
calm 9s core=d,n*
within 1m answered
`)
	if sc.Name != "p" || sc.Shows != "what it shows" || sc.System != "test" || sc.Calm != 9*time.Second || sc.Drawn {
		t.Errorf("%+v", sc)
	}
	var nodes []string
	for _, n := range sc.Nodes {
		nodes = append(nodes, n.Name+" "+n.Kind)
	}
	if got := fmt.Sprint(nodes); got != "[n0 node n1 node n2 node n3 node c client d client]" {
		t.Errorf("nodes: %v", got)
	}
	if got := fmt.Sprint(sc.Core); got != "[n0 n1 n2 n3 d]" {
		t.Errorf("core: %v, want the order of the nodes", got)
	}
	if len(sc.Set) != 2 || sc.Set[1].Name.Text != "wait" || sc.Set[1].Value.Text != "2s" || sc.Set[1].Value.Pos != (Pos{3, 17}) {
		t.Errorf("set: %v", sc.Set)
	}
	if len(sc.Sometimes) != 3 || sc.Sometimes[1] != (Word{"b c", Pos{9, 13}}) {
		t.Errorf("sometimes: %v", sc.Sometimes)
	}
	var got []string
	for _, list := range [][]*Statement{sc.Heads, sc.Timed, sc.Then, sc.Demands} {
		got = append(got, "-")
		for _, s := range list {
			got = append(got, s.Verb.Name)
		}
	}
	if want := "[- link - advertise crash - call reachable kill - answered]"; fmt.Sprint(got) != want {
		t.Errorf("statements: %v, want %v", got, want)
	}
}

func TestAStatementYieldsItsTimes(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"at 5s kill n0 n1", "[5s]"},
		{"from 1s to 3s every 1s kill n0 n1", "[1s 2s]"},
		{"from 1s to 3.000000001s every 1s kill n0 n1", "[1s 2s 3s]"},
		{"from 1s to 1.5s every 1s kill n0 n1", "[1s]"},
		{"then kill n0 n1", "[]"},
		{"from 1s to 3s draw 9 kill n0 n1", "[]"},
	} {
		if got := fmt.Sprint(slices.Collect(only(t, c.line).Times)); got != c.want {
			t.Errorf("%s: at %v, want %v", c.line, got, c.want)
		}
	}
	n := 0
	for range only(t, "from 1s to 3s every 1ms kill n0 n1").Times {
		if n++; n == 3 {
			break
		}
	}
}

func TestTheLastTimeIsTheLastThatIsYielded(t *testing.T) {
	for _, line := range []string{
		"at 5s kill n0 n1", "from 1s to 3s every 1s kill n0 n1", "from 1s to 3.1s every 1s kill n0 n1", "from 1s to 1.000000001s every 7s kill n0 n1",
	} {
		s := only(t, line)
		times := slices.Collect(s.Times)
		if s.last() != times[len(times)-1] {
			t.Errorf("%s: the last is %v, of %v", line, s.last(), times)
		}
	}
}

func TestAStatementSaysHowLongItLasts(t *testing.T) {
	if d, ok := only(t, "at 5s for 3s crash n0").Lasting(); d != 3*time.Second || !ok {
		t.Errorf("%v %v", d, ok)
	}
	if _, ok := only(t, "at 5s crash n0").Lasting(); ok {
		t.Error("a fault without \"for\" has an end")
	}
}

func TestFieldsAreReadWithTheirDefaults(t *testing.T) {
	s := only(t, "at 5s call n2 \"x y\" size=1KiB idempotent=yes")
	if s.Node("node") != "n2" || s.Text("service") != "x y" || s.Int("size") != 1024 || !s.Flag("idempotent") || s.Text("expect") != "anything" {
		t.Errorf("%+v", s.values)
	}
	if d := only(t, "at 5s wall n0").Duration("by"); d != time.Hour {
		t.Errorf("the default is %v", d)
	}
	s = only(t, "at 5s partition n3,n0 n1,c")
	if got := fmt.Sprint(s.Groups("group")); got != "[[n0 n3] [n1 c]]" {
		t.Errorf("groups: %v", got)
	}
	if got := only(t, "at 5s say").Text("text"); got != "hello" {
		t.Errorf("the default of an argument is %q", got)
	}
	s = only(t, "at 5s say a b c")
	if s.Text("text") != "a" || fmt.Sprint(s.Texts("more")) != "[b c]" {
		t.Errorf("%+v", s.values)
	}
}

func TestAFieldThatIsNotThereIsNothing(t *testing.T) {
	sc := mustCheck(t, head+"within 1s reachable\n")
	s := sc.Demands[0]
	if s.Has("node") || s.Node("node") != "" || s.Nodes("node") != nil {
		t.Error("an optional node is there")
	}
	defer func() {
		if recover() == nil {
			t.Error("a field that the verb does not have can be read")
		}
	}()
	s.Text("tea")
}

func TestAPatternNamesNodes(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{"*", "[n0 n1 n2 n3 c d]"}, {"n*", "[n0 n1 n2 n3]"}, {"*1", "[n1]"}, {"n*3", "[n3]"}, {"c,*2,c", "[n2 c]"}, {"n**", "[n0 n1 n2 n3]"},
	} {
		if got := fmt.Sprint(only(t, "at 5s ring "+c.pattern).Nodes("nodes")); got != c.want {
			t.Errorf("%s names %s, want %s", c.pattern, got, c.want)
		}
	}
}

func TestAStarIsAnyLetters(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a*", "a", true}, {"a*a", "a", false}, {"a*a", "aa", true}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a/b?c", true},
		{"a*bc*c", "abc", false}, {"*ab", "aab", true}, {"a", "ab", false}, {"?", "a", false}, {"[a]*", "a", false}, {`\a*`, "a", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestAStatementKnowsWhichNodesItNames(t *testing.T) {
	s := only(t, "at 5s partition n0,n1 c")
	for node, want := range map[string]bool{"n0": true, "n1": true, "c": true, "n2": false, "d": false, "": false} {
		if s.Names(node) != want {
			t.Errorf("it names %q: %v", node, s.Names(node))
		}
	}
	if only(t, "at 5s call n0 n1").Names("n1") {
		t.Error("a service is taken for a node")
	}
}

func TestEqualLinesHaveKeysOfTheirOwn(t *testing.T) {
	sc := mustCheck(t, head+"at 5s kill n0 n1 # one\nat 6s kill n0 n1\nat 5s  kill n0 n1 # two\n")
	var keys []string
	for _, s := range sc.Timed[1:] {
		keys = append(keys, s.Key())
	}
	if want := []string{"at 5s kill n0 n1", "at 6s kill n0 n1", "at 5s kill n0 n1 (2)"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
}

func TestAPlanIsDrawnWhenItStandsForMany(t *testing.T) {
	for text, want := range map[string]bool{
		"":                               false,
		"set x=1..5":                     true,
		"set x=1s..5s":                   true,
		"set x=a..b":                     false,
		"node x count=1..3":              true,
		"calm 5s..9s":                    true,
		"link n* loss=1%..2%":            true,
		"at 1s..2s kill n0 n1":           true,
		"at 1s for 1s..2s crash n0":      true,
		"from 1s to 2s draw 3 kill":      true,
		"from 1s to 2s draw 0 fault":     true,
		"at 1s call n0 a size=8..9":      true,
		"from 1s to 2s every 1s crash c": false,
	} {
		if sc := mustCheck(t, head+text+"\n"); sc.Drawn != want {
			t.Errorf("%q is drawn: %v", text, sc.Drawn)
		}
	}
}
