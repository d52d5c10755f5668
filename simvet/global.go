package simvet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// globals flags package-level state: variables that are written anywhere in
// the package, tests included, or whose type can hold state, writes to the
// variables of other packages, and init functions.
//
// What stays: error values, and constants that Go cannot spell as such
// (tables of plain values, compiled patterns) that nobody writes.
func (c *check) globals() {
	written := c.writtenVars()
	for _, f := range c.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					c.flag(d.Pos(), Global, "init runs before anybody can inject a world: build the value in its declaration or in New")
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					c.globalSpec(spec.(*ast.ValueSpec), written)
				}
			}
		}
	}
}

func (c *check) globalSpec(spec *ast.ValueSpec, written map[types.Object]bool) {
	for i, id := range spec.Names {
		obj := c.TypesInfo.Defs[id]
		if obj == nil || id.Name == "_" {
			continue
		}
		if written[obj] {
			c.flag(id.Pos(), Global, "package-level variable %s is written: keep it in a struct that is passed to its users", id.Name)
			continue
		}
		var init ast.Expr
		if len(spec.Values) == len(spec.Names) {
			init = spec.Values[i]
		}
		if part := c.holdsState(obj.Type()); part != "" && !c.stateless(init) {
			c.flag(id.Pos(), Global, "package-level variable %s can hold state in its %s: keep it in a struct that is passed to its users", id.Name, part)
		}
	}
}

// stateless reports whether init is a value of a struct without fields, which
// holds nothing whatever interface it is kept in.
func (c *check) stateless(init ast.Expr) bool {
	if init == nil {
		return false
	}
	t := c.TypesInfo.TypeOf(init)
	if t == nil {
		return false
	}
	s, ok := t.Underlying().(*types.Struct)
	return ok && s.NumFields() == 0
}

// constants are types of the standard library whose values never change once
// made, although their fields look otherwise.
var constants = map[string]bool{
	"embed.FS": true, "regexp.Regexp": true, "time.Time": true, "time.Location": true,
	"net/netip.Addr": true, "net/netip.AddrPort": true, "net/netip.Prefix": true,
	"encoding/base32.Encoding": true, "encoding/base64.Encoding": true,
	"unicode.RangeTable": true, "reflect.Type": true, "math/big.Int": true,
	"hash/crc32.Table": true, "hash/crc64.Table": true, "strings.Replacer": true,
}

// holdsState names the part of t through which a value can change without the
// variable being written, or is empty.
func (c *check) holdsState(t types.Type) string {
	return holdsState(t, map[types.Type]bool{})
}

func holdsState(t types.Type, seen map[types.Type]bool) string {
	t = types.Unalias(t)
	if seen[t] || isError(t) {
		return ""
	}
	seen[t] = true
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		path := n.Obj().Pkg().Path()
		if constants[path+"."+n.Obj().Name()] {
			return ""
		}
		if path == "sync" || strings.HasPrefix(path, "sync/") {
			return path + "." + n.Obj().Name()
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Kind() == types.UnsafePointer {
			return "unsafe.Pointer"
		}
		return ""
	case *types.Signature:
		return ""
	case *types.Array:
		return holdsState(u.Elem(), seen)
	case *types.Slice:
		return holdsState(u.Elem(), seen)
	case *types.Map:
		return holdsState(u.Elem(), seen)
	case *types.Struct:
		for f := range u.Fields() {
			if part := holdsState(f.Type(), seen); part != "" {
				return part
			}
		}
		return ""
	case *types.Pointer:
		if n, ok := types.Unalias(u.Elem()).(*types.Named); ok && n.Obj().Pkg() != nil &&
			constants[n.Obj().Pkg().Path()+"."+n.Obj().Name()] {
			return ""
		}
	}
	return types.TypeString(t, (*types.Package).Name)
}

func isError(t types.Type) bool {
	iface := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	return types.Implements(t, iface) || types.Implements(types.NewPointer(t), iface)
}

// writtenVars finds this package's variables that some function writes, and
// flags writes to those of other packages.
func (c *check) writtenVars() map[types.Object]bool {
	written := map[types.Object]bool{}
	for _, f := range c.Files {
		test := isTest(c.Fset, f)
		write := func(e ast.Expr) {
			v := c.rootVar(e)
			if v == nil {
				return
			}
			if v.Pkg() == c.Pkg {
				written[v] = true
			} else if !test {
				c.flag(e.Pos(), Global, "%s.%s belongs to another package and is the whole process's: pass the value as an argument", v.Pkg().Path(), v.Name())
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c.writes(n, write)
			return true
		})
	}
	return written
}

// writes calls write for every operand that the node n itself writes or could
// let others write.
func (c *check) writes(n ast.Node, write func(ast.Expr)) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, e := range n.Lhs {
			write(e)
		}
	case *ast.IncDecStmt:
		write(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			write(n.Key)
			if n.Value != nil {
				write(n.Value)
			}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			write(n.X)
		}
	case *ast.CallExpr:
		switch c.builtin(n) {
		case "copy", "delete", "clear":
			write(n.Args[0])
		}
	case *ast.SelectorExpr:
		// x.M() takes &x when M has a pointer receiver and x is no pointer.
		sel := c.TypesInfo.Selections[n]
		if sel == nil || sel.Kind() != types.MethodVal {
			return
		}
		_, byPointer := sel.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
		_, isPointer := sel.Recv().Underlying().(*types.Pointer)
		if byPointer && !isPointer {
			write(n.X)
		}
	}
}

// rootVar is the package-level variable that e is, or is a part of, or nil.
func (c *check) rootVar(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := c.packageVar(x.Sel); v != nil {
				return v
			}
			e = x.X
		case *ast.Ident:
			return c.packageVar(x)
		default:
			return nil
		}
	}
}

func (c *check) packageVar(id *ast.Ident) *types.Var {
	v, ok := c.TypesInfo.Uses[id].(*types.Var)
	if !ok || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}
