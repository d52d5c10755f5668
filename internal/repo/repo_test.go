package repo_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/maculamesh/macula/internal/repo"
)

// The rules hold for the tree that this test stands in.
func TestThisTree(t *testing.T) {
	tree, err := repo.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range repo.Rules() {
		t.Run(r.Name, func(t *testing.T) {
			for _, f := range r.Check(tree) {
				t.Error(f)
			}
		})
	}
}

// good is a small tree that keeps every rule.
func good() map[string]string {
	return map[string]string{
		"go.mod":                     "module example.test/m\n\ngo 1.26\n",
		"Makefile":                   "check test:\n\ttrue\nX := 1\n",
		"README.md":                  "Run `make check`, see [the design](docs/DESIGN.md#top), [here](#below) or [there](https://example.test/x).\n",
		"docs/DESIGN.md":             "Back to [the start](../README.md).\n",
		"docs/decisions/001-one.md":  "One.\n",
		"docs/decisions/002-two.md":  "Two.\n",
		"mono/mono.go":               "// Package mono is time.\npackage mono\n\n// Time is an instant.\ntype Time int64\n",
		"rt/rt.go":                   "// Package rt is the world.\npackage rt\n\nimport _ \"example.test/m/mono\"\n",
		"node/wire/wire.go":          "// Package wire is frames.\npackage wire\n\nimport _ \"example.test/m/mono\"\n",
		"node/pool/pool.go":          "// Package pool keeps connections.\npackage pool\n\nimport (\n\t_ \"context\"\n\n\t_ \"example.test/m/node/wire\"\n\t_ \"example.test/m/rt\"\n)\n",
		"node/pool/testdata/x.go":    "no Go at all, TO" + "DO",
		"bin/tool":                   "\x00",
		".git/HEAD":                  "\x00",
		"node/node.go":               "// Package node is the node.\npackage node\n\nimport _ \"example.test/m/node/pool\"\n",
		"netsim/netsim.go":           "// Package netsim is the network.\npackage netsim\n",
		"sim/sim.go":                 "// Package sim is the simulator.\npackage sim\n",
		"sim/host/host.go":           "// Package host is exempt.\npackage host\n",
		"transport/quic/quic.go":     "// Package quic is QUIC.\npackage quic\n\nimport _ \"github.com/quic-go/quic-go\"\n",
		"scenarios/scenarios.go":     "// Package scenarios has plans.\npackage scenarios\n\nimport (\n\t_ \"example.test/m/node\"\n\t_ \"example.test/m/node/wire\"\n)\n",
		"cmd/tool/main.go":           "// Tool does it.\npackage main\n\nimport _ \"example.org/anything\"\n\nfunc Main() {}\n",
		"bench/go.mod":               "module example.test/m/bench\n",
		"bench/peers/peers.go":       "// Package peers compares.\npackage peers\n\nimport _ \"google.golang.org/grpc\"\n",
		"node/pool/pool_test.go":     "package pool\n\nimport _ \"example.test/m/netsim\"\n",
		"transport/quic/doc_test.go": "package quic\n",
	}
}

func TestAGoodTreeHasNoFindings(t *testing.T) {
	if got := check(t, good()); got != "" {
		t.Errorf("got:\n%s", got)
	}
}

// Each change of the good tree breaks one rule and is found, and nothing else
// is found with it.
func TestEachRuleBites(t *testing.T) {
	const todo = "TO" + "DO"
	for _, tc := range []struct {
		name, path, text string
		want             string
	}{
		{"a leaf imports rt", "node/wire/a.go", imports("wire", "rt"),
			"node/wire/a.go:3: node/wire (leaves) must not import rt (rt)"},
		{"a leaf imports the shell", "node/wire/a.go", imports("wire", "node/pool"),
			"node/wire/a.go:3: node/wire (leaves) must not import node/pool (shell)"},
		{"the shell imports node", "node/pool/a.go", imports("pool", "node"),
			"node/pool/a.go:3: node/pool (shell) must not import node (node)"},
		{"the shell imports an adapter", "node/pool/a.go", imports("pool", "transport/quic"),
			"node/pool/a.go:3: node/pool (shell) must not import transport/quic (adapters)"},
		{"the node imports the simulator", "node/a.go", imports("node", "sim"),
			"node/a.go:3: node (node) must not import sim (engine)"},
		{"rt imports a leaf", "rt/a.go", imports("rt", "node/wire"),
			"rt/a.go:3: rt (rt) must not import node/wire (leaves)"},
		{"transport imports a leaf", "transport/a.go", "// Package transport is the network.\n" + imports("transport", "node/wire"),
			"transport/a.go:4: transport (transport) must not import node/wire (leaves)"},
		{"mono imports rt", "mono/a.go", imports("mono", "rt"),
			"mono/a.go:3: mono (mono) must not import rt (rt)"},
		{"netsim imports a leaf", "netsim/a.go", imports("netsim", "node/wire"),
			"netsim/a.go:3: netsim (netsim) must not import node/wire (leaves)"},
		{"netsim imports sim", "netsim/a.go", imports("netsim", "sim"),
			"netsim/a.go:3: netsim (netsim) must not import sim (engine)"},
		{"sim imports the node", "sim/a.go", imports("sim", "node"),
			"sim/a.go:3: sim (engine) must not import node (node)"},
		{"the framework imports the node", "sim/host/a.go", imports("host", "node"),
			"sim/host/a.go:3: sim/host (framework) must not import node (node)"},
		{"a scenario imports the shell", "scenarios/a.go", imports("scenarios", "node/pool"),
			"scenarios/a.go:3: scenarios (scenarios) must not import node/pool (shell)"},
		{"an import that is in no layer", "node/a.go", imports("node", "stray"),
			"node/a.go:3: imports stray, which is in no layer"},
		{"a package in no layer", "stray/a.go", "// Package stray is new.\npackage stray\n",
			"stray/a.go: package stray is in no layer: add it to the table in internal/repo/layers.go"},
		{"quic-go beside its adapter", "node/a.go", "package node\n\nimport _ \"github.com/quic-go/quic-go/http3\"\n",
			"node/a.go:3: node must not import github.com/quic-go/quic-go/http3: only transport/quic/... may; the rest sees transport"},
		{"a module without a row", "node/a.go", "package node\n\nimport _ \"example.org/x\"\n",
			"node/a.go:3: node imports example.org/x, which is in no row of the modules in internal/repo/layers.go: does it start goroutines or read the clock?"},

		{"a long file", "node/a.go", "package node\n" + strings.Repeat("\n", 600),
			"node/a.go: 601 lines, over the limit of 600: split it by concern"},
		{"a long test", "node/a_test.go", "package node\n" + strings.Repeat("\n", 1000),
			"node/a_test.go: 1001 lines, over the limit of 1000: split it by concern"},
		{"a long function", "node/a.go", "package node\n\n" + "func f() {\n" + strings.Repeat("\n", 69) + "}\n",
			"node/a.go:3: f has 71 lines, over the limit of 70: give its parts names"},
		{"a long function literal", "node/a.go", "package node\n\nvar f = func() {\n" + strings.Repeat("\n", 69) + "}\n",
			"node/a.go:3: a function literal has 71 lines, over the limit of 70: give its parts names"},

		{"unfinished work", "node/a.go", "package node\n\n// " + todo + ": more\n",
			`node/a.go:3: "` + todo + `": finish it, or write a decision record of why not`},
		{"unfinished work in a test", "node/a_test.go", "package node\n\nconst s = \"Not " + "implemented\"\n",
			`node/a_test.go:3: "Not ` + `implemented": finish it, or write a decision record of why not`},
		{"a path of one machine", "docs/DESIGN.md", "See /ro" + "ot/notes.\n",
			`docs/DESIGN.md:1: "/ro` + `ot/" is a path of one machine`},

		{"a status report", "docs/STATUS.md", "All is well.\n",
			"docs/STATUS.md: a status report: what is true belongs in a document with a job, the rest in commit messages"},
		{"a binary", "docs/tool", "\x7fELF\x00",
			"docs/tool: a binary file: build it instead"},
		{"a large file", "docs/data.txt", strings.Repeat("x", 1<<20+1),
			"docs/data.txt: 1048577 bytes, over the limit of 1048576"},
		{"a vague package", "cmd/util/util.go", "// Package util has it all.\npackage util\n",
			"cmd/util/util.go: package util says nothing: name it after what it provides"},

		{"no package comment", "node/pool/pool.go", "package pool\n",
			"node/pool: 0 package comments, want one []"},
		{"two package comments", "node/pool/a.go", "// Package pool again.\npackage pool\n",
			`node/pool: 2 package comments, want one ["node/pool/a.go" "node/pool/pool.go"]`},
		{"a package comment of another style", "node/pool/pool.go", "// The pool.\npackage pool\n",
			`node/pool/pool.go:1: the package comment does not start with "Package pool"`},
		{"an exported function without comment", "node/a.go", "package node\n\nfunc Run() {}\n",
			"node/a.go:3: Run is exported and has no comment: say what it is, whether it blocks, its units, bounds and errors"},
		{"an exported method without comment", "node/a.go", "package node\n\ntype t[A any] struct{}\n\nfunc (t[A]) Run() {}\n\n// T is.\ntype T[A any] struct{}\n\nfunc (*T[A]) Run() {}\n",
			"node/a.go:10: Run is exported and has no comment: say what it is, whether it blocks, its units, bounds and errors"},
		{"an exported type without a comment of its own", "node/a.go", "package node\n\n// Types.\ntype (\n\tT int\n)\n",
			"node/a.go:5: T is exported and has no comment: say what it is, whether it blocks, its units, bounds and errors"},
		{"an exported constant without comment", "node/a.go", "package node\n\nconst (\n\tA = 1 // one\n\tB = 2\n)\n\n// These.\nconst (\n\tC = 3\n)\n",
			"node/a.go:5: B is exported and has no comment: say what it is, whether it blocks, its units, bounds and errors"},

		{"a dead link", "docs/DESIGN.md", "See [that](decisions/009-nine.md).\n",
			"docs/DESIGN.md:1: the link to docs/decisions/009-nine.md leads nowhere"},
		{"a make target that is not there", "docs/DESIGN.md", "Run `make everything`.\n",
			"docs/DESIGN.md:1: make everything: the Makefile has no such target"},
		{"a gap in the decisions", "docs/decisions/004-four.md", "Four.\n",
			"docs/decisions/004-four.md: want the name 003-words-with-dashes.md"},
		{"a decision without a number", "docs/decisions/why.md", "Why.\n",
			"docs/decisions/why.md: want the name 003-words-with-dashes.md"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := good()
			files[tc.path] = tc.text
			if got := check(t, files); got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

func TestLoadNeedsAModule(t *testing.T) {
	for name, files := range map[string]string{"no go.mod": "README.md", "Go that does not parse": "a.go"} {
		if _, err := repo.Load(fstest.MapFS{files: &fstest.MapFile{Data: []byte("x")}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func imports(pkg, path string) string {
	return fmt.Sprintf("package %s\n\nimport _ \"example.test/m/%s\"\n", pkg, path)
}

// check returns the findings of all rules, a line each.
func check(t *testing.T, files map[string]string) string {
	t.Helper()
	fsys := fstest.MapFS{}
	for p, text := range files {
		fsys[p] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := repo.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range repo.Rules() {
		for _, f := range r.Check(tree) {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}
