package repo

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"

	"github.com/maculamesh/macula/simvet"
)

// layer is a row of the picture in docs/ARCHITECTURE.md, or one of its two
// columns: the packages of the row and the layers that they may import.
// Packages of one layer may import each other; Go forbids the cycles.
type layer struct {
	name     string
	packages simvet.Patterns // relative to the module; see simvet.Patterns
	imports  []string
}

// layers is the picture, top row first. The first layer whose patterns match
// a package is its layer, so exact names stand before the folders around them.
// Tests may import anything.
var layers = []layer{
	{"commands", simvet.Patterns{"cmd/...", "internal/...", "bench/..."},
		[]string{"analyzer", "properties", "scenarios", "load", "node", "framework", "engine", "adapters", "suites", "netsim", "shell", "rt", "transport", "store", "leaves", "mono"}},

	{"properties", simvet.Patterns{"properties/..."},
		[]string{"scenarios", "load", "node", "framework", "engine", "adapters", "suites", "netsim", "shell", "rt", "transport", "store", "leaves", "mono"}},

	// Workloads that play in simulation and over real connections alike: they
	// take their world as an argument, as a node does.
	{"load", simvet.Patterns{"load/..."},
		[]string{"node", "rt", "transport", "leaves", "mono"}},

	// No shell: a scenario builds nodes by node.New with other Deps, so what
	// is simulated is what is deployed.
	{"scenarios", simvet.Patterns{"scenarios/..."},
		[]string{"load", "node", "framework", "engine", "adapters", "netsim", "rt", "transport", "store", "leaves", "mono"}},

	// An example shows what the simulator does for a protocol that is not
	// macula's: it knows no node, and the protocol itself no simulator.
	{"example protocols", simvet.Patterns{"examples/lease"},
		[]string{"rt", "transport", "store", "mono"}},
	{"examples", simvet.Patterns{"examples/..."},
		[]string{"example protocols", "framework", "engine", "netsim", "rt", "transport", "store", "mono"}},

	// No adapters and no simulator: a node takes its world as an argument.
	{"node", simvet.Patterns{"node", "client/..."},
		[]string{"shell", "rt", "transport", "store", "leaves", "mono"}},

	// The simulator knows no node: another project can use it for its own
	// protocol.
	{"engine", simvet.Patterns{"sim", "sim/internal/...", "sim/store"},
		[]string{"netsim", "rt", "transport", "store", "mono"}},
	{"framework", simvet.Patterns{"sim/..."},
		[]string{"engine", "netsim", "rt", "transport", "store", "mono"}},
	{"netsim", simvet.Patterns{"netsim/..."},
		[]string{"rt", "transport", "mono"}},

	// The production worlds, and what holds every world to its contract.
	{"adapters", simvet.Patterns{"transport/quic/...", "rt/realrt/...", "store/dir/..."},
		[]string{"rt", "transport", "store", "leaves", "mono"}},
	{"suites", simvet.Patterns{"transport/transporttest/...", "rt/rttest/...", "store/storetest/..."},
		[]string{"rt", "transport", "store", "mono"}},

	// A leaf takes the time as an argument and has no tasks: neither rt nor a
	// clock. Of transport it uses the values: PeerID, Code, Addr. A package
	// under node that is not named here is of the shell.
	{"leaves", simvet.Patterns{
		"node/backoff", "node/bounded", "node/dedup", "node/fault", "node/ident", "node/ident/keyfile",
		"node/histogram", "node/invariant", "node/kad", "node/ledger", "node/pressure", "node/wire",
	},
		[]string{"transport", "mono"}},
	{"shell", simvet.Patterns{"node/..."},
		[]string{"rt", "transport", "store", "leaves", "mono"}},

	// The three contracts. They know nothing of a node and not of each other.
	{"rt", simvet.Patterns{"rt"},
		[]string{"mono"}},
	{"transport", simvet.Patterns{"transport"},
		[]string{"mono"}},
	{"store", simvet.Patterns{"store"}, nil},
	{"mono", simvet.Patterns{"mono"}, nil},

	{"analyzer", simvet.Patterns{"simvet"}, nil},
}

// modules says who may import a module that is not ours. Commands may import
// any; every other import needs a row.
var modules = []struct {
	module   string
	packages simvet.Patterns
	why      string
}{
	{"github.com/quic-go/quic-go", simvet.Patterns{"transport/quic/..."}, "the rest sees transport"},
	{"github.com/benbjohnson/clock", simvet.Patterns{"rt/realrt/..."}, "the rest sees rt.Clock"},
	{"go.uber.org/goleak", simvet.Patterns{"rt/rttest/...", "transport/transporttest/..."}, "it is for tests"},
	{"pgregory.net/rapid", simvet.Patterns{"properties/...", "sim/...", "rt/rttest/...", "transport/transporttest/..."}, "it is for tests and plans"},
	{"github.com/alecthomas/kong", simvet.Patterns{"sim/cli/..."}, "flags belong to commands"},
	{"golang.org/x/tools", simvet.Patterns{"simvet"}, "it is for the analyzer"},
	{"golang.org/x/crypto", simvet.Patterns{"node/ident/..."}, "keys belong to node/ident"},
}

// Layers checks every import of the tree's packages, tests excepted, against
// the tables of layers and modules, and that no package inside the rules of
// simvet imports one of ours outside of them that is not exempt by name.
func Layers(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if f.IsTest() {
			continue
		}
		from := layerOf(f.Dir())
		if from == nil {
			found = append(found, Finding{f.Path, 0, fmt.Sprintf("package %s is in no layer: add it to the table in internal/repo/layers.go", f.Dir())})
			continue
		}
		for _, spec := range f.Go.Imports {
			if msg := t.badImport(f.Dir(), from, spec); msg != "" {
				found = append(found, Finding{f.Path, t.line(spec.Pos()), msg})
			}
		}
	}
	return found
}

// badImport says what is wrong with an import, or nothing.
func (t *Tree) badImport(pkg string, from *layer, spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return err.Error()
	}
	if path != t.Module && !strings.HasPrefix(path, t.Module+"/") {
		return badModule(pkg, from, path)
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(path, t.Module), "/")
	to := layerOf(rel)
	switch {
	case to == nil:
		return fmt.Sprintf("imports %s, which is in no layer", rel)
	case to != from && !slices.Contains(from.imports, to.name):
		return fmt.Sprintf("%s (%s) must not import %s (%s)", pkg, from.name, rel, to.name)
	case simvet.Checked(pkg) && !simvet.Checked(rel) && !simvet.Exempt(rel):
		return fmt.Sprintf("%s is checked by simvet but imports %s, which is not", pkg, rel)
	}
	return ""
}

func badModule(pkg string, from *layer, path string) string {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") || from.name == "commands" {
		return ""
	}
	for _, m := range modules {
		if path != m.module && !strings.HasPrefix(path, m.module+"/") {
			continue
		}
		if m.packages.Match(pkg) {
			return ""
		}
		return fmt.Sprintf("%s must not import %s: only %s may; %s", pkg, path, m.packages.String(), m.why)
	}
	return fmt.Sprintf("%s imports %s, which is in no row of the modules in internal/repo/layers.go: does it start goroutines or read the clock?", pkg, path)
}

func layerOf(pkg string) *layer {
	for i := range layers {
		if layers[i].packages.Match(pkg) {
			return &layers[i]
		}
	}
	return nil
}
