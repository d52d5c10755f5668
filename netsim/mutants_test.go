package netsim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mutantEnv says which mutant a test binary with all of them is: a number from
// one up. Zero is none of them.
const mutantEnv = "NETSIM_MUTANT"

// edit is a place of a mutant. In new, MUT stands for whether the mutant is the
// active one; without it new must mean what old does.
type edit struct{ file, old, new string }

// mutant is a netsim that breaks a promise of transport.
type mutant struct {
	edits []edit
	cases []string // of transporttest, "Suite/case", each of which rejects it
}

// switchOf is what a build with all mutants gains.
const switchOf = `package netsim

import (
	"os"
	"strconv"
)

var active, _ = strconv.Atoi(os.Getenv("` + mutantEnv + `"))

func mutated(n int) bool { return active == n }
`

// TestEveryCaseOfTheSuiteRejectsAMutant builds one test binary that holds all
// mutants, chosen by the environment, and runs each case on its own.
func TestEveryCaseOfTheSuiteRejectsAMutant(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a test binary and runs it a hundred times")
	}
	bin := buildMutants(t)
	missing := map[string]bool{}
	for _, c := range allCases(t, bin) {
		missing[c] = true
	}
	for i, m := range mutants {
		for _, c := range m.cases {
			t.Run(c, func(t *testing.T) {
				delete(missing, underscored(c))
				rejects(t, bin, i+1, c)
			})
		}
	}
	for _, c := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no mutant for the case %s", c)
	}
}

func buildMutants(t *testing.T) string {
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	sources := map[string]string{"mutated.go": switchOf}
	for i, m := range mutants {
		for _, e := range m.edits {
			if sources[e.file] == "" {
				text, err := os.ReadFile(e.file)
				if err != nil {
					t.Fatal(err)
				}
				sources[e.file] = string(text)
			}
			if n := strings.Count(sources[e.file], e.old); n != 1 {
				t.Fatalf("mutant %d of %q: %s has %d of %q", i+1, m.cases, e.file, n, e.old)
			}
			sources[e.file] = strings.Replace(sources[e.file], e.old, strings.ReplaceAll(e.new, "MUT", fmt.Sprintf("mutated(%d)", i+1)), 1)
		}
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range sources {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(dir, name)] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(tmp, "mutants")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(tmp, "overlay.json"), "-o", bin, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return bin
}

// run runs the cases that match on the first five networks of the suite.
func runMutant(bin string, number int, suite, name string) (string, error) {
	cmd := exec.Command(bin, "-test.v", "-test.timeout=60s", "-test.run=^TestItConformsInSimulation$/^seed_[0-4],/"+suite+"/"+name)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", mutantEnv, number))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var ranCase = regexp.MustCompile(`--- PASS: TestItConformsInSimulation/seed_[^/\n]*/([^/\n]+/[^\n]+) \(`)

// allCases runs the suite on none of the mutants and returns its cases.
func allCases(t *testing.T, bin string) []string {
	out, err := runMutant(bin, 0, "", "")
	if err != nil {
		t.Fatalf("without a mutant the suite fails:\n%s", out)
	}
	var all []string
	for _, m := range ranCase.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// complaint is a line of a failure that the suite reports, not the world under
// it.
var complaint = regexp.MustCompile(`(?m)^\s+(suite|conn|credit|dial|flow|listener|load|stream)\w*\.go:\d+: .*`)

func rejects(t *testing.T, bin string, number int, c string) {
	suite, name, _ := strings.Cut(underscored(c), "/")
	out, err := runMutant(bin, number, "^"+suite+"$", "^"+regexp.QuoteMeta(name)+"$")
	switch {
	case !strings.Contains(out, "/"+name+" ("):
		t.Errorf("there is no such case:\n%s", out)
	case err == nil:
		t.Error("the case accepts the mutant")
	case !complaint.MatchString(out):
		t.Errorf("it is not the case that complains:\n%s", out)
	default:
		t.Log(complaint.FindString(out))
	}
}

func underscored(s string) string { return strings.ReplaceAll(s, " ", "_") }
