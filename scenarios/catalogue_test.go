package scenarios_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/scenario"
)

// faults is how many rows the catalogue has, with those that wait.
const faults = 49

func catalogue() []*scenario.Scenario {
	return slices.DeleteFunc(scenarios.All(), func(s *scenario.Scenario) bool { return s.Group != scenarios.Catalogue })
}

var catalogueName = regexp.MustCompile(`^F\d\d-[a-z0-9]+(-[a-z0-9]+)*$`)

// planted is the names of the bugs that a scenario has to find, by the
// scenario.
func planted(t *testing.T) map[string][]string {
	files, err := filepath.Glob("../internal/mutants/bugs/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	out := map[string][]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\n\n")
		for _, line := range strings.Split(head, "\n") {
			if play, ok := strings.CutPrefix(line, "play: "); ok {
				name := strings.Fields(play)[0]
				out[name] = append(out[name], strings.TrimSuffix(filepath.Base(f), ".txt"))
			}
		}
	}
	return out
}

// waiting is the rows that wait, from the list beside the planted bugs: what
// the fault is, and what it waits for.
func waiting(t *testing.T) map[string][2]string {
	text, err := os.ReadFile("../internal/mutants/waiting.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][2]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		row, rest, _ := strings.Cut(line, "  ")
		what, why, ok := strings.Cut(rest, ": waits for ")
		if !ok || len(row) != 3 {
			t.Errorf("waiting.txt: %q is no \"ROW  WHAT: waits for WHAT\"", line)
		}
		out[row] = [2]string{what, why}
	}
	return out
}

func TestCatalogueScenariosSayWhatTheyReplayAndHaveAPlantedBug(t *testing.T) {
	bugs := planted(t)
	waits := waiting(t)
	have := map[string]bool{}
	for _, s := range catalogue() {
		row := s.Name[:3]
		have[row] = true
		switch {
		case !catalogueName.MatchString(s.Name):
			t.Errorf("%s: a scenario of the catalogue is called FNN-words-of-it", s.Name)
		case s.Shows == "" || s.Trigger == "" || s.Invariant == "" || len(s.Sources) == 0:
			t.Errorf("%s lacks one of the lines shows, trigger, invariant and source", s.Name)
		case len(bugs[s.Name]) == 0:
			t.Errorf("%s: no planted bug has to be found by it", s.Name)
		case waits[row] != [2]string{}:
			t.Errorf("%s is there and waits", s.Name)
		}
	}
	for i := 1; i <= faults; i++ {
		row := fmt.Sprintf("F%02d", i)
		if _, ok := waits[row]; !ok && !have[row] {
			t.Errorf("%s is neither a scenario nor in internal/mutants/waiting.txt", row)
		}
	}
}

// The document shows the catalogue in tables that are made from the plans.
func TestCatalogueIsInTheDocument(t *testing.T) {
	const file = "../docs/FAULTS.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(text), "<!-- catalogue", catalogueTable(t))
	want = between(t, want, "<!-- waiting", waitingTable(t))
	if want == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("the tables in docs/FAULTS.md are not those of the plans: go test ./scenarios -run Catalogue -update")
}

func catalogueTable(t *testing.T) string {
	bugs := planted(t)
	var b strings.Builder
	b.WriteString("| scenario | set off by | what catches it | planted bugs | happened in |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range catalogue() {
		var found, sources []string
		for _, name := range bugs[s.Name] {
			found = append(found, fmt.Sprintf("[%s](../internal/mutants/bugs/%s.txt)", name, name))
		}
		for _, url := range s.Sources {
			sources = append(sources, link(url))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.Trigger, s.Invariant, strings.Join(found, ", "), strings.Join(sources, ", "))
	}
	return b.String()
}

var thread = regexp.MustCompile(`^https://github\.com/[^/]+/([^/]+)/(?:issues|pull|discussions)/(\d+)$`)

// link is a source with a short name: go-libp2p#942.
func link(url string) string {
	m := thread.FindStringSubmatch(url)
	if m != nil {
		return fmt.Sprintf("[%s#%s](%s)", m[1], m[2], url)
	}
	if !strings.HasPrefix(url, "https://") {
		return url
	}
	return fmt.Sprintf("[%s](%s)", url[strings.LastIndex(strings.TrimSuffix(url, "/"), "/")+1:], url)
}

func waitingTable(t *testing.T) string {
	waits := waiting(t)
	var b strings.Builder
	b.WriteString("| row | fault | waits for |\n| --- | --- | --- |\n")
	var rows []string
	for row := range waits {
		if row[0] == 'F' {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b string) int { return cmp.Compare(a, b) })
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row, waits[row][0], waits[row][1])
	}
	return b.String()
}
