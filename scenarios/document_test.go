package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

var update = flag.Bool("update", false, "write the tables of verbs into docs/SIMULATION.md")

// The document says what a plan may say, in tables that are made from the
// vocabulary.
func TestTheDocumentListsEveryVerb(t *testing.T) {
	const file = "../docs/SIMULATION.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	systems := scenarios.Systems()
	mesh := systems[slices.IndexFunc(systems, func(y *scenario.System) bool { return y.Name == "mesh" })]
	voc := mesh.Vocabulary()
	own := func(v *plan.Verb) bool { return v.Use == plan.Request || v.Use == plan.Demand && v.Name != "answered" }
	want := string(text)
	want = between(t, want, "<!-- verbs", table(voc, func(v *plan.Verb) bool {
		return v.Use == plan.Head || v.Name == "answered"
	}))
	want = between(t, want, "<!-- faults", table(voc, func(v *plan.Verb) bool { return v.Use == plan.Fault }))
	want = between(t, want, "<!-- mesh", table(voc, own))
	if want == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("the tables in docs/SIMULATION.md are not those of the code: go test ./scenarios -run TestTheDocumentListsEveryVerb -update")
}

// between replaces what stands between the marker and the next end marker.
func between(t *testing.T, text, marker, table string) string {
	i := strings.Index(text, marker)
	if i < 0 {
		t.Fatalf("the document has no %s", marker)
	}
	i += strings.Index(text[i:], "\n") + 1
	j := i + strings.Index(text[i:], "<!-- end -->")
	return text[:i] + table + text[j:]
}

func table(voc *plan.Vocabulary, in func(*plan.Verb) bool) string {
	var b strings.Builder
	b.WriteString("| line | does |\n| --- | --- |\n")
	for i := range voc.Verbs {
		v := &voc.Verbs[i]
		if !in(v) {
			continue
		}
		does := v.Doc
		for _, f := range slices.Concat(v.Args, v.Pairs) {
			if f.Doc != "" && v.Name != "weather" {
				does += fmt.Sprintf("; `%s`: %s", f.Name, f.Doc)
			}
		}
		if v.Name == "weather" {
			does += "; its keys are those of `link`"
		}
		if v.Undrawn && v.Use == plan.Fault {
			does += "; not drawn by `draw fault`"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(v.Usage(), "|", "\\|"), strings.ReplaceAll(does, "|", "\\|"))
	}
	return b.String()
}
