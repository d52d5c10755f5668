package simvet

import (
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// List returns the exceptions in the packages that the patterns name, as the
// go command run in dir understands them, in the order of files and lines.
// Files are named relative to dir. Tests are left out, and what the rules say
// about an exception is not checked.
func List(dir string, patterns ...string) ([]Allow, error) {
	pkgs, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedFiles, Dir: dir}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("simvet.List: %w", err)
	}
	var all []Allow
	for _, p := range pkgs {
		for _, e := range p.Errors {
			return nil, fmt.Errorf("simvet.List: %w", e)
		}
		for _, name := range p.GoFiles {
			found, err := listFile(dir, name)
			if err != nil {
				return nil, fmt.Errorf("simvet.List: %w", err)
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func listFile(dir, name string) ([]Allow, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if abs, err := filepath.Abs(dir); err == nil {
		if rel, err := filepath.Rel(abs, name); err == nil {
			name = rel
		}
	}
	var all []Allow
	for _, a := range directives(fset, f, src) {
		if a.verb == allowVerb {
			a.File = name
			all = append(all, a.Allow)
		}
	}
	return all, nil
}

// Print writes the exceptions by rule, with a count for each, to w.
func Print(w io.Writer, allows []Allow) error {
	var b strings.Builder
	fmt.Fprintf(&b, "simvet: %d exceptions\n", len(allows))
	for _, r := range Rules() {
		var lines []string
		for _, a := range allows {
			if a.Rule == r.Rule {
				lines = append(lines, fmt.Sprintf("    %s:%d: %s\n", a.File, a.Line, a.Reason))
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "  %s: %d\n%s", r.Rule, len(lines), strings.Join(lines, ""))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
