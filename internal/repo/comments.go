package repo

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// Comments checks that every package has one package comment and that every
// exported declaration outside of tests and commands has a comment.
func Comments(t *Tree) []Finding {
	var found []Finding
	docs := map[string][]string{} // package folder -> files with a package comment
	for _, f := range t.goFiles() {
		if f.IsTest() {
			continue
		}
		docs[f.Dir()] = append(docs[f.Dir()], nil...)
		if f.Go.Doc != nil {
			docs[f.Dir()] = append(docs[f.Dir()], f.Path)
			if name := f.Go.Name.Name; name != "main" && !strings.HasPrefix(f.Go.Doc.Text(), "Package "+name+" ") {
				found = append(found, Finding{f.Path, t.line(f.Go.Doc.Pos()), fmt.Sprintf("the package comment does not start with \"Package %s\"", name)})
			}
		}
		if f.Go.Name.Name != "main" {
			found = append(found, t.undocumented(f)...)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(docs)) {
		if n := len(docs[dir]); n != 1 {
			found = append(found, Finding{dir, 0, fmt.Sprintf("%d package comments, want one %q", n, docs[dir])})
		}
	}
	return found
}

func (t *Tree) undocumented(f *File) []Finding {
	var found []Finding
	miss := func(id *ast.Ident) {
		if id.IsExported() {
			found = append(found, Finding{f.Path, t.line(id.Pos()), id.Name + " is exported and has no comment: say what it is, whether it blocks, its units, bounds and errors"})
		}
	}
	for _, d := range f.Go.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && exportedReceiver(d) {
				miss(d.Name)
			}
		case *ast.GenDecl:
			if d.Doc != nil && (d.Tok != token.TYPE || !d.Lparen.IsValid()) {
				continue // one comment for a group of constants or variables
			}
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
						miss(s.Name)
					}
				case *ast.ValueSpec:
					if s.Doc == nil && s.Comment == nil {
						for _, id := range s.Names {
							miss(id)
						}
					}
				}
			}
		}
	}
	return found
}

// exportedReceiver reports whether d is a function, or a method of a type
// that others can name.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
