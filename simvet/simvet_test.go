package simvet_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/maculamesh/macula/simvet"
)

const mesh = "testdata/mesh"

// Each package of testdata/mesh shows one rule bite and, in functions whose
// names say so, not bite. The expectations stand in the sources. They are run
// together because loading them takes the time. Every rule is shown, and every
// name and package that is refused.
func TestRules(t *testing.T) {
	shown := map[string]bool{}
	refused := map[string]bool{} // by its name, or by the pattern of its package
	for _, r := range analysistest.Run(t, analysistest.TestData()+"/mesh", simvet.New(), showcases(t)...) {
		for _, d := range r.Action.Diagnostics {
			shown[d.Category] = true
			name, _, _ := strings.Cut(d.Message, " ")
			refused[name], refused[simvet.RefusedBy(name)] = true, true
		}
	}
	for _, r := range simvet.Rules() {
		if !shown[string(r.Rule)] {
			t.Errorf("no package of testdata shows rule %s bite", r.Rule)
		}
	}
	names, packages := simvet.Refused()
	for _, name := range append(names, packages...) {
		if !refused[name] {
			t.Errorf("no package of testdata shows that %s is refused", name)
		}
	}
}

// showcases are all packages of the mesh but hooked, which has a test below.
func showcases(t *testing.T) []string {
	var all []string
	for _, p := range load(t) {
		if !strings.Contains(p.PkgPath, "hooked") && !strings.HasSuffix(p.PkgPath, ".test") {
			all = append(all, p.PkgPath)
		}
	}
	if len(all) < 15 {
		t.Fatalf("only %d packages in %s", len(all), mesh)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A variable that tests overwrite is state, although the package itself never
// writes it.
func TestTestsCanMakeAVariableState(t *testing.T) {
	got := messages(diagnose(t, simvet.New(), "node/hooked"))
	if len(got) != 1 || !strings.Contains(got[0], "package-level variable hook is written") {
		t.Errorf("got %q, want hook reported once", got)
	}
}

// Another project sets its own scope, relative to its module or by full path.
func TestScopeIsConfigurable(t *testing.T) {
	for _, tc := range []struct {
		name  string
		flags map[string]string
		pkg   string
		hit   bool
	}{
		{"scope, relative", map[string]string{"scope": "a,cmd/..."}, "cmd/tool", false}, // exempt still
		{"scope and exempt", map[string]string{"scope": "a, cmd/tool", "exempt": ""}, "cmd/tool", true},
		{"full path", map[string]string{"scope": "example.test/mesh/cmd/...", "exempt": ""}, "cmd/tool", true},
		{"exempt, below", map[string]string{"exempt": "node/..."}, "node/clocks", false},
		{"exempt, exactly", map[string]string{"exempt": "node"}, "node/clocks", true},
		{"wall", map[string]string{"wall": ""}, "node/ident", true},
		{"shell", map[string]string{"shell": "other/..."}, "node/tables", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := simvet.New()
			for name, value := range tc.flags {
				if err := a.Flags.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
			// An exception that a scope left without effect is not what this
			// test is about.
			found := slices.DeleteFunc(diagnose(t, a, tc.pkg), func(d analysis.Diagnostic) bool {
				return d.Category == "allow"
			})
			if hit := len(found) > 0; hit != tc.hit {
				t.Errorf("findings %q, want some: %v", messages(found), tc.hit)
			}
		})
	}
}

// What is below a checked directory is checked, unless it is exempt by name.
func TestDefaultScope(t *testing.T) {
	for _, path := range []string{
		"node", "node/wire", "node/pool/sub", "client", "sim", "sim/plan", "netsim", "scenarios/mesh", "load/churn",
		"properties", "rt", "mono", "transport", "node/ident", "store", "sim/store", "examples/lease",
	} {
		if !simvet.Checked(path) {
			t.Errorf("%s is not checked", path)
		}
	}
	for _, path := range []string{
		"rt/realrt", "rt/rttest", "sim/host", "sim/live", "sim/simrun", "transport/quic", "transport/transporttest",
		"node/ident/keyfile", "store/dir", "cmd/maculanode", "bench/peers", "simvet",
	} {
		if simvet.Checked(path) || !simvet.Exempt(path) {
			t.Errorf("%s is not exempt", path)
		}
	}
	if simvet.Checked("nodes") || simvet.Exempt("cmdline") {
		t.Error("a pattern matches a name that only begins like it")
	}
}

func TestListGivesEveryExceptionInOrder(t *testing.T) {
	got, err := simvet.List(mesh, "./node/allows", "./node/tasks")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := simvet.Print(&b, got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"simvet: 11 exceptions\n",
		"  go: 2\n    node/allows/allows.go:19: two rules, stacked\n",
		"    node/allows/allows.go:9: the line itself\n    node/allows/allows.go:11: the line above\n",
		"  sync: 1\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "tests may") {
		t.Error("an exception in a test is listed")
	}
}

func TestListReportsAPackageThatIsNotThere(t *testing.T) {
	if _, err := simvet.List(mesh, "./nowhere"); err == nil {
		t.Error("no error")
	}
}

var loaded = sync.OnceValues(func() ([]*packages.Package, error) {
	mode := packages.LoadSyntax | packages.NeedModule
	return packages.Load(&packages.Config{Mode: mode, Dir: mesh, Tests: true}, "./...")
})

// load returns the packages of testdata/mesh, each with and without its tests.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	pkgs, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// diagnose runs the analyzer on one package of testdata/mesh in both its
// forms, as the command does.
func diagnose(t *testing.T, a *analysis.Analyzer, pkg string) []analysis.Diagnostic {
	t.Helper()
	pkgs := slices.DeleteFunc(slices.Clone(load(t)), func(p *packages.Package) bool {
		return p.PkgPath != "example.test/mesh/"+pkg
	})
	if len(pkgs) == 0 {
		t.Fatalf("no package %s", pkg)
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{a}, pkgs, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []analysis.Diagnostic
	for _, root := range graph.Roots {
		if root.Err != nil {
			t.Fatal(root.Err)
		}
		all = append(all, root.Diagnostics...)
	}
	return all
}

func messages(ds []analysis.Diagnostic) []string {
	var all []string
	for _, d := range ds {
		all = append(all, d.Message)
	}
	return all
}
