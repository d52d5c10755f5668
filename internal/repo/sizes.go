package repo

import (
	"bytes"
	"fmt"
	"go/ast"
)

// The limits, in lines.
const (
	MaxFile     = 600
	MaxTestFile = 1000
	MaxFunc     = 70 // from the line of "func" to that of the closing brace; not for tests
)

// Sizes checks the length of Go files and of their functions.
func Sizes(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		limit := MaxFile
		if f.IsTest() {
			limit = MaxTestFile
		}
		if n := bytes.Count(f.Data, []byte("\n")); n > limit {
			found = append(found, Finding{f.Path, 0, fmt.Sprintf("%d lines, over the limit of %d: split it by concern", n, limit)})
		}
		if !f.IsTest() {
			found = append(found, t.longFuncs(f)...)
		}
	}
	return found
}

func (t *Tree) longFuncs(f *File) []Finding {
	var found []Finding
	ast.Inspect(f.Go, func(n ast.Node) bool {
		name := "a function literal"
		switch n := n.(type) {
		case *ast.FuncDecl:
			name = n.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		lines := t.line(n.End()) - t.line(n.Pos()) + 1
		if decl, ok := n.(*ast.FuncDecl); ok {
			lines = t.line(decl.End()) - t.line(decl.Type.Pos()) + 1
		}
		if lines > MaxFunc {
			found = append(found, Finding{f.Path, t.line(n.Pos()), fmt.Sprintf("%s has %d lines, over the limit of %d: give its parts names", name, lines, MaxFunc)})
			return false
		}
		return true
	})
	return found
}
