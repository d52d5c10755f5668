package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// testVocabulary has a verb of each sort, and a field of each kind.
func testVocabulary() *Vocabulary {
	var (
		node    = Field{Name: "node", Kind: Node}
		from    = Field{Name: "from", Kind: Node}
		to      = Field{Name: "to", Kind: Node}
		service = Field{Name: "service", Kind: Name, Domain: "service"}
		latency = Field{Name: "latency", Kind: Duration, Default: "0s", Draw: "0s..200ms"}
		loss    = Field{Name: "loss", Kind: Ratio, Default: "0%", Draw: "0%..20%"}
	)
	verbs := slices.Clone(Core)
	i := slices.IndexFunc(verbs, func(v Verb) bool { return v.Name == "node" })
	verbs[i].Pairs = append(slices.Clone(verbs[i].Pairs), Field{Name: "loss", Kind: Ratio, Optional: true}, Field{Name: "of", Kind: Text, Optional: true})
	return &Vocabulary{Kinds: []string{"node", "client"}, Verbs: append(verbs,
		Verb{Name: "link", Use: Head, Args: []Field{{Name: "nodes", Kind: Nodes, Optional: true}},
			Pairs: []Field{latency, loss, {Name: "bandwidth", Kind: Speed, Default: "0/s"}}},

		Verb{Name: "cut", Use: Fault, Lasts: true, Args: []Field{from, to}},
		Verb{Name: "partition", Use: Fault, Lasts: true, Args: []Field{{Name: "group", Kind: Nodes, Many: true, Least: 2}}},
		Verb{Name: "ring", Use: Fault, Lasts: true, Args: []Field{{Name: "nodes", Kind: Nodes}}},
		Verb{Name: "weather", Use: Fault, Lasts: true, Args: []Field{{Name: "nodes", Kind: Nodes}}, Pairs: []Field{latency, loss}},
		Verb{Name: "crash", Use: Fault, Lasts: true, Args: []Field{node}},
		Verb{Name: "kill", Use: Fault, Args: []Field{from, to}},
		Verb{Name: "wall", Use: Fault, Args: []Field{node},
			Pairs: []Field{{Name: "by", Kind: Duration, Default: "1h", Draw: "-24h..24h", Least: -int64(48 * time.Hour)}}},
		Verb{Name: "jump", Use: Fault, Undrawn: true, Args: []Field{node}, Pairs: []Field{{Name: "by", Kind: Duration, Default: "1s", Draw: "1s..9s", Least: 1}}},

		Verb{Name: "advertise", Use: Request, Args: []Field{node, service}},
		Verb{Name: "call", Use: Request, Args: []Field{node, service}, Pairs: []Field{
			{Name: "size", Kind: Bytes, Default: "64", Draw: "8..300", Least: 8, Most: 1 << 20},
			{Name: "idempotent", Kind: Flag, Default: "no", Draw: "no..yes"},
			{Name: "expect", Kind: Choice, Choices: []string{"anything", "answer", "error"}, Default: "anything"},
		}},
		Verb{Name: "order", Use: Request, Args: []Field{{Name: "what", Kind: Choice, Choices: []string{"tea", "soup"}}},
			Pairs: []Field{{Name: "hot", Kind: Flag}, {Name: "count", Kind: Count, Draw: "1..4", Least: 1}}},
		Verb{Name: "leave", Use: Request, Args: []Field{{Name: "client", Kind: Node, Of: "client"}}},
		Verb{Name: "act", Use: Request, Undrawn: true},
		Verb{Name: "say", Use: Request, Undrawn: true, Args: []Field{{Name: "text", Kind: Text, Default: "hello"}, {Name: "more", Kind: Text, Optional: true, Many: true}}},

		Verb{Name: "answered", Use: Demand},
		Verb{Name: "reachable", Use: Demand, Args: []Field{{Name: "node", Kind: Node, Optional: true}}},
	)}
}

// head are the first lines of most plans here: seven of them.
const head = `plan p
system test
set pool=4 wait=2s
node n count=4
node c d kind=client
link latency=20ms loss=1%
at 0s advertise n0 a
`

func mustParse(t rapid.TB, text string) *Plan {
	t.Helper()
	p, err := Parse("p.plan", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustCheck(t rapid.TB, text string) *Script {
	t.Helper()
	sc, err := Check(mustParse(t, text), testVocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// refusal is what Parse or Check says of a text that it must not take.
func refusal(t *testing.T, text string) string {
	t.Helper()
	p, err := Parse("p.plan", []byte(text))
	if err == nil {
		_, err = Check(p, testVocabulary())
	}
	if err == nil {
		t.Errorf("this is taken:\n%s", text)
		return ""
	}
	if _, ok := err.(*Error); !ok || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is a %T, want one line of an *Error: %q", err, err)
	}
	return err.Error()
}
