package simvet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// mapRanges flags loops over maps whose order can matter.
//
// A loop is let through when it binds neither key nor value, or when its body
// consists only of
//
//   - n++, n--, and n op= e for +, -, *, |, &, ^ on integers, and n = max(n, e)
//     or min(n, e);
//   - s = append(s, e...) on a slice that a later slices.Sort* or sort.* call
//     of the same function takes;
//   - m[k] = e and delete(m, k), where k is the loop's key;
//   - x := e, if, continue, and inner range loops, made of the same.
//
// Every e and condition must be free of calls with effects, and must not read
// what the loop changes: "while there are more than n, delete" is an order.
func (c *check) mapRanges() {
	for _, f := range c.files {
		ast.PreorderStack(f, nil, func(n ast.Node, stack []ast.Node) bool {
			rs, ok := n.(*ast.RangeStmt)
			if !ok || !c.isMap(rs.X) || (blank(rs.Key) && blank(rs.Value)) {
				return true
			}
			l := &mapLoop{check: c, rs: rs, changed: map[string]bool{}}
			l.collect()
			if !l.body(rs.Body.List) {
				c.flag(rs.Pos(), MapRange, "a range over a map has a random order: go by slices.Sorted(maps.Keys(m)), or only count and collect")
				return true
			}
			for _, s := range l.appended {
				if !c.sortedAfter(s, rs, enclosingBody(stack)) {
					c.flag(rs.Pos(), MapRange, "a range over a map fills %s in random order: sort it in this function, by slices.Sort", s)
				}
			}
			return true
		})
	}
}

// mapLoop decides about one loop.
type mapLoop struct {
	*check
	rs       *ast.RangeStmt
	changed  map[string]bool // what the body writes, as text
	appended []string        // the slices that it fills, as text
}

// collect finds what the body writes.
func (l *mapLoop) collect() {
	ast.Inspect(l.rs.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				return true
			}
			for _, e := range n.Lhs {
				l.change(e)
			}
		case *ast.IncDecStmt:
			l.change(n.X)
		case *ast.CallExpr:
			if l.builtin(n) == "delete" {
				l.change(n.Args[0])
			}
		}
		return true
	})
}

func (l *mapLoop) change(e ast.Expr) {
	if ix, ok := ast.Unparen(e).(*ast.IndexExpr); ok {
		e = ix.X
	}
	l.changed[text(e)] = true
}

func (l *mapLoop) body(list []ast.Stmt) bool {
	for _, s := range list {
		if !l.stmt(s) {
			return false
		}
	}
	return true
}

func (l *mapLoop) stmt(s ast.Stmt) bool {
	switch s := s.(type) {
	case nil, *ast.EmptyStmt:
		return true
	case *ast.BlockStmt:
		return l.body(s.List)
	case *ast.BranchStmt:
		return s.Tok == token.CONTINUE
	case *ast.IncDecStmt:
		return l.isInteger(s.X)
	case *ast.AssignStmt:
		return l.assign(s)
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return ok && l.builtin(call) == "delete" && l.isKey(call.Args[1])
	case *ast.IfStmt:
		return l.stmt(s.Init) && l.pure(s.Cond) && l.body(s.Body.List) && l.stmt(s.Else)
	case *ast.RangeStmt:
		// A map inside is a loop of its own and is judged by itself.
		return l.pure(s.X) && l.body(s.Body.List)
	}
	return false
}

func (l *mapLoop) assign(s *ast.AssignStmt) bool {
	switch s.Tok {
	case token.DEFINE:
		for _, e := range s.Rhs {
			if !l.pure(e) {
				return false
			}
		}
		return true
	case token.ADD_ASSIGN, token.SUB_ASSIGN, token.MUL_ASSIGN, token.OR_ASSIGN, token.AND_ASSIGN, token.XOR_ASSIGN:
		return l.isInteger(s.Lhs[0]) && l.pure(s.Rhs[0])
	case token.ASSIGN:
		if len(s.Lhs) != 1 || len(s.Rhs) != 1 {
			return false
		}
		if ix, ok := ast.Unparen(s.Lhs[0]).(*ast.IndexExpr); ok {
			return l.isMap(ix.X) && l.isKey(ix.Index) && l.pure(s.Rhs[0])
		}
		return l.accumulate(s.Lhs[0], s.Rhs[0])
	}
	return false
}

// accumulate accepts x = append(x, e...), x = max(x, e) and x = min(x, e).
func (l *mapLoop) accumulate(lhs, rhs ast.Expr) bool {
	call, ok := ast.Unparen(rhs).(*ast.CallExpr)
	if !ok || len(call.Args) == 0 || text(call.Args[0]) != text(lhs) {
		return false
	}
	for _, e := range call.Args[1:] {
		if !l.pure(e) {
			return false
		}
	}
	switch l.builtin(call) {
	case "append":
		l.appended = append(l.appended, text(lhs))
		return true
	case "max", "min":
		return l.isInteger(lhs)
	}
	return false
}

// pure reports whether e has no effect and reads nothing that the loop
// changes.
func (l *mapLoop) pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			ok = false
		case *ast.UnaryExpr:
			ok = ok && n.Op != token.ARROW
		case *ast.CallExpr:
			ok = ok && l.pureCall(n)
		}
		if x, isExpr := n.(ast.Expr); isExpr && !l.isField(x) && l.changed[text(x)] {
			ok = false
		}
		return ok
	})
	return ok
}

// isField reports whether e is the bare name of a field, as in e.n: it says
// nothing about the variable n.
func (l *mapLoop) isField(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	v, ok := l.TypesInfo.Uses[id].(*types.Var)
	return ok && v.IsField()
}

// pureCall accepts conversions, builtins that only read, and the functions of
// packages that have no state.
func (l *mapLoop) pureCall(call *ast.CallExpr) bool {
	if tv, ok := l.TypesInfo.Types[call.Fun]; ok && tv.IsType() {
		return true
	}
	switch l.builtin(call) {
	case "len", "cap", "min", "max":
		return true
	}
	fn := l.callee(call)
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	switch path := fn.Pkg().Path(); path {
	case "time": // its functions are refused elsewhere
		return fn.Signature().Recv() != nil
	case "strings", "bytes", "cmp", "errors", "math", "math/bits", "net/netip", "strconv", "unicode", "unicode/utf8":
		return fn.Signature().Recv() == nil || path == "net/netip"
	default:
		return isPackage(path, "mono")
	}
}

func (l *mapLoop) isKey(e ast.Expr) bool {
	key, ok := l.rs.Key.(*ast.Ident)
	if !ok || key.Name == "_" {
		return false
	}
	id, ok := ast.Unparen(e).(*ast.Ident)
	return ok && l.TypesInfo.ObjectOf(id) == l.TypesInfo.ObjectOf(key)
}

func (c *check) isInteger(e ast.Expr) bool {
	t := c.TypesInfo.TypeOf(e)
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

func (c *check) isMap(e ast.Expr) bool {
	t := c.TypesInfo.TypeOf(e)
	if t == nil {
		return false
	}
	if p, ok := types.Unalias(t).(*types.TypeParam); ok {
		return constrainedToMaps(p)
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// constrainedToMaps reports whether a term of p's constraint is a map.
func constrainedToMaps(p *types.TypeParam) bool {
	iface, ok := p.Constraint().Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for i := range iface.NumEmbeddeds() {
		u, ok := iface.EmbeddedType(i).(*types.Union)
		if !ok {
			continue
		}
		for j := range u.Len() {
			if _, ok := u.Term(j).Type().Underlying().(*types.Map); ok {
				return true
			}
		}
	}
	return false
}

// sortedAfter reports whether body sorts the slice s behind the loop.
func (c *check) sortedAfter(s string, rs *ast.RangeStmt, body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || call.Pos() < rs.End() || len(call.Args) == 0 {
			return true
		}
		if !c.isFunc(call, "slices", "Sort") && !c.isFunc(call, "sort", "") {
			return true
		}
		ast.Inspect(call.Args[0], func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && text(e) == s {
				found = true
			}
			return !found
		})
		return !found
	})
	return found
}

// enclosingBody is the body of the innermost function on the stack.
func enclosingBody(stack []ast.Node) *ast.BlockStmt {
	for i := len(stack) - 1; i >= 0; i-- {
		switch f := stack[i].(type) {
		case *ast.FuncDecl:
			return f.Body
		case *ast.FuncLit:
			return f.Body
		}
	}
	return &ast.BlockStmt{}
}

func blank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return e == nil || (ok && id.Name == "_")
}

// text is e as it would be written, to compare places in the source.
func text(e ast.Expr) string { return strings.TrimSpace(types.ExprString(ast.Unparen(e))) }
