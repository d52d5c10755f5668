package properties_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maculamesh/macula/properties"
)

const root = ".."

// A suite that was renamed or taken out would be missed by nobody.
func TestEveryComponentHasASuiteAgainstAModel(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range properties.Components() {
		if seen[c.Name] || c.Model == "" {
			t.Errorf("%s is listed twice, or without a model", c.Name)
		}
		seen[c.Name] = true
		if !drawsByRapid(t, filepath.Join(root, filepath.FromSlash(c.File)), c.Test) {
			t.Errorf("%s: there is no %s in %s that calls rapid.Check", c.Name, c.Test, c.File)
		}
	}
	for _, name := range []string{
		"pool", "clients", "registry", "ledger", "bounded map", "order of use", "calls of a link", "discovery", "renewal",
		"caller and lookup", "backoff", "frame reader", "queue", "semaphore", "gate", "event", "group",
	} {
		if !seen[name] {
			t.Errorf("%s has no suite", name)
		}
	}
}

func drawsByRapid(t *testing.T, file, test string) (found bool) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != test {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Check" {
				x, ok := sel.X.(*ast.Ident)
				found = found || ok && x.Name == "rapid"
			}
			return true
		})
	}
	return found
}

// The other half of I9: what a log line is about is in its values, so that
// there are as many kinds of lines as the code has calls.
func TestEveryLogMessageIsALiteral(t *testing.T) {
	calls := 0
	for _, pattern := range []string{"node/*.go", "node/*/*.go", "client/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				calls += literalMessages(t, file)
			}
		}
	}
	if calls < 10 {
		t.Errorf("only %d log calls were found", calls)
	}
}

// literalMessages counts the log calls of a file and complains about those
// whose message or keys are made.
func literalMessages(t *testing.T, file string) (calls int) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	literal := func(e ast.Expr) bool {
		l, ok := e.(*ast.BasicLit)
		return ok && l.Kind == token.STRING
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isLog(sel) {
			return true
		}
		calls++
		for i, arg := range call.Args {
			if (i == 0 || i%2 == 1) && !literal(arg) {
				t.Errorf("%s: the message or a key of a log line is no literal", fset.Position(call.Pos()))
			}
		}
		return true
	})
	return calls
}

// isLog reports whether it is a method of a logger that is called log.
func isLog(sel *ast.SelectorExpr) bool {
	switch sel.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	default:
		return false
	}
	switch x := sel.X.(type) {
	case *ast.Ident:
		return x.Name == "log"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Log"
	}
	return false
}
