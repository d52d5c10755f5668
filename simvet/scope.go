package simvet

import (
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Patterns is a list of package patterns: "a/b" is that package, "a/b/..." is
// that package and all below it. It is a flag.Value, written with commas.
type Patterns []string

// String returns the patterns as they are written in the flag.
func (p *Patterns) String() string { return strings.Join(*p, ",") }

// Set replaces the patterns by those in s. It returns nil.
func (p *Patterns) Set(s string) error {
	*p = nil
	for _, one := range strings.Split(s, ",") {
		if one = strings.TrimSpace(one); one != "" {
			*p = append(*p, one)
		}
	}
	return nil
}

// Match reports whether a pattern of the list names the package path.
func (p Patterns) Match(path string) bool {
	for _, one := range p {
		dir, below := strings.CutSuffix(one, "/...")
		if path == dir || (below && strings.HasPrefix(path, dir+"/")) {
			return true
		}
	}
	return false
}

// settings are the values of the flags.
type settings struct {
	scope, exempt Patterns
	wall          Patterns
	shell         Patterns
}

// Checked reports whether the rules apply to the package path, which is
// relative to the module, under the default flags.
func Checked(path string) bool { return defaults().Checked(path) }

// Exempt reports whether the default flags exempt the package path by name.
func Exempt(path string) bool { return defaults().exempt.Match(path) }

// Checked reports whether the rules apply to the package path.
func (s *settings) Checked(path string) bool {
	return s.scope.Match(path) && !s.exempt.Match(path)
}

// defaults are macula's own. What is below a checked directory is checked
// unless it is named here: a new package starts inside the rules.
func defaults() *settings {
	return &settings{
		scope: Patterns{
			"node/...", "client/...", "sim/...", "netsim/...", "load/...", "scenarios/...", "properties/...",
			"rt/...", "mono/...", "transport/...", "store/...", "examples/...",
		},
		exempt: Patterns{
			"rt/realrt/...",               // goroutines and the system clock
			"rt/rttest/...",               // runs on both runtimes, also the real one
			"sim/host/...",                // real time and workers around the simulator
			"sim/live/...",                // plays on the system clock and over sockets
			"sim/simrun/...",              // the program around it: files, signals, the terminal
			"transport/quic/...",          // sockets
			"transport/transporttest/...", // runs on every transport, also the real one
			"node/ident/keyfile/...",      // reads and writes the key file
			"store/dir/...",               // reads and writes files
			"cmd/...", "bench/...", "simvet/...",
		},
		wall: Patterns{
			"rt/...", "sim/...", // they implement it
			"node/ident/...", "node/grant/...", // certificates and grants
		},
		shell: Patterns{"node/..."},
	}
}

// importPath is the package's import path without the mark of a test variant.
func importPath(pass *analysis.Pass) string {
	path, _, _ := strings.Cut(pass.Pkg.Path(), " ")
	return path
}

// relativePath is importPath below the module path, when the driver knows it.
func relativePath(pass *analysis.Pass) string {
	path := importPath(pass)
	if pass.Module == nil || pass.Module.Path == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, pass.Module.Path+"/"); ok {
		return rest
	}
	return path
}

// isPackage reports whether path is the package called name of any project:
// "rt" and "example.org/x/rt" are the package rt.
func isPackage(path, name string) bool {
	return path == name || strings.HasSuffix(path, "/"+name)
}
