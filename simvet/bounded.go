package simvet

import (
	"go/ast"
	"go/types"
	"strings"
)

// boundedMaps asks for a written bound beside every map field of the shell.
// The shell is what -shell names and imports rt: a leaf has no tasks that
// could fill a table behind its back.
func (c *check) boundedMaps() {
	if !c.set.shell.Match(c.path) && !c.set.shell.Match(importPath(c.Pass)) {
		return
	}
	shell := false
	for _, p := range c.Pkg.Imports() {
		shell = shell || isPackage(p.Path(), "rt")
	}
	if !shell {
		return
	}
	for _, f := range c.files {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if c.containsMap(field.Type) && !hasBound(field.Doc) && !hasBound(field.Comment) {
					c.flag(field.Pos(), BoundedMap, "a map field needs a written bound, in a comment \"// bound: ...\"; or use node/bounded")
				}
			}
			return true
		})
	}
}

// containsMap reports whether a field of the type as written is a map, or
// slices, arrays or pointers of one.
func (c *check) containsMap(e ast.Expr) bool {
	t := c.TypesInfo.TypeOf(e)
	for t != nil {
		switch u := t.Underlying().(type) {
		case *types.Map:
			return true
		case *types.Slice:
			t = u.Elem()
		case *types.Array:
			t = u.Elem()
		case *types.Pointer:
			t = u.Elem()
			if _, ok := t.Underlying().(*types.Map); !ok {
				return false
			}
		default:
			return false
		}
	}
	return false
}

func hasBound(g *ast.CommentGroup) bool {
	if g == nil {
		return false
	}
	for _, cm := range g.List {
		_, bound, ok := strings.Cut(cm.Text, "bound:")
		if ok && strings.TrimSpace(bound) != "" {
			return true
		}
	}
	return false
}
