package simvet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// lockParks flags calls that can park while an rt.Mutex is held, and a second
// rt.Mutex taken under a first. It reads each function by itself, in the order
// of its statements: what is held after a branch is what any way through it
// leaves held, and a deferred Unlock holds to the end.
func (c *check) lockParks() {
	w := &lockWalk{check: c, ifaces: c.transportInterfaces()}
	for _, f := range c.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					w.stmts(n.Body.List, held{})
				}
			case *ast.FuncLit:
				w.stmts(n.Body.List, held{})
			}
			return true
		})
	}
}

// held is the set of mutexes held, by how the source calls them.
type held map[string]bool

type lockWalk struct {
	*check
	ifaces map[string]*types.Interface
}

// stmts walks a list, updating h, and reports whether control never reaches
// its end.
func (w *lockWalk) stmts(list []ast.Stmt, h held) bool {
	for _, s := range list {
		if w.stmt(s, h) {
			return true
		}
	}
	return false
}

func (w *lockWalk) stmt(s ast.Stmt, h held) bool {
	switch s := s.(type) {
	case nil:
	case *ast.BlockStmt:
		return w.stmts(s.List, h)
	case *ast.LabeledStmt:
		return w.stmt(s.Stmt, h)
	case *ast.ReturnStmt:
		w.node(s, h)
		return true
	case *ast.BranchStmt:
		return s.Tok != token.FALLTHROUGH
	case *ast.ExprStmt:
		w.node(s.X, h)
		call, ok := s.X.(*ast.CallExpr)
		return ok && w.builtin(call) == "panic"
	case *ast.DeferStmt:
		for _, e := range s.Call.Args {
			w.node(e, h)
		}
	case *ast.IfStmt:
		return w.ifStmt(s, h)
	case *ast.ForStmt:
		w.stmt(s.Init, h)
		w.node(s.Cond, h)
		w.branch(append(slices.Clone(s.Body.List), s.Post), h, h)
	case *ast.RangeStmt:
		w.node(s.X, h)
		w.branch(s.Body.List, h, h)
	case *ast.SwitchStmt:
		w.stmt(s.Init, h)
		w.node(s.Tag, h)
		w.clauses(s.Body.List, h)
	case *ast.TypeSwitchStmt:
		w.stmt(s.Init, h)
		w.stmt(s.Assign, h)
		w.clauses(s.Body.List, h)
	case *ast.SelectStmt:
		w.clauses(s.Body.List, h)
	default:
		w.node(s, h)
	}
	return false
}

func (w *lockWalk) ifStmt(s *ast.IfStmt, h held) bool {
	w.stmt(s.Init, h)
	w.node(s.Cond, h)
	then, other := maps.Clone(h), maps.Clone(h)
	thenEnds := w.stmts(s.Body.List, then)
	otherEnds := w.stmt(s.Else, other)
	clear(h)
	if !thenEnds {
		maps.Copy(h, then)
	}
	if !otherEnds {
		maps.Copy(h, other)
	}
	return thenEnds && otherEnds
}

// branch walks a list that may be left out: into gains what it leaves held.
func (w *lockWalk) branch(list []ast.Stmt, from, into held) {
	h := maps.Clone(from)
	if !w.stmts(list, h) {
		maps.Copy(into, h)
	}
}

func (w *lockWalk) clauses(list []ast.Stmt, h held) {
	from := maps.Clone(h)
	full := false
	clear(h)
	for _, s := range list {
		switch s := s.(type) {
		case *ast.CaseClause:
			full = full || s.List == nil
			w.branch(s.Body, from, h)
		case *ast.CommClause:
			full = true
			w.branch(append([]ast.Stmt{s.Comm}, s.Body...), from, h)
		}
	}
	if !full {
		maps.Copy(h, from)
	}
}

// node looks at the calls inside n in the order of the source. Function
// literals run later, unless they are called on the spot.
func (w *lockWalk) node(n ast.Node, h held) {
	if n == nil {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if lit, ok := ast.Unparen(n.Fun).(*ast.FuncLit); ok {
				w.stmts(lit.Body.List, h)
				return true
			}
			w.call(n, h)
		}
		return true
	})
}

func (w *lockWalk) call(call *ast.CallExpr, h held) {
	fn := w.callee(call)
	if fn == nil || fn.Pkg() == nil {
		return
	}
	if t := receiver(fn); t != nil && t.Obj().Name() == "Mutex" && isPackage(fn.Pkg().Path(), "rt") {
		mu := "it"
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			mu = text(sel.X)
		}
		switch fn.Name() {
		case "Lock":
			if len(h) > 0 {
				w.flag(call.Pos(), LockPark, "%s is taken while %s is held: one rt.Mutex at a time, so unlock first", mu, h)
			}
			h[mu] = true
		case "Unlock":
			delete(h, mu)
		}
		return
	}
	if len(h) == 0 {
		return
	}
	if what := w.parks(call, fn); what != "" {
		w.flag(call.Pos(), LockPark, "%s can park while %s is held: copy what it needs, unlock, then call it", what, h)
	}
}

func (h held) String() string { return strings.Join(slices.Sorted(maps.Keys(h)), " and ") }

// parks names the call if it can park, or is empty.
func (w *lockWalk) parks(call *ast.CallExpr, fn *types.Func) string {
	path := fn.Pkg().Path()
	if isPackage(path, "rt") {
		return rtParks(fn)
	}
	switch path {
	case "io", "bufio", "encoding/binary":
		if fn.Signature().Recv() == nil && w.takesStream(call) {
			return path + "." + fn.Name() + " on a transport.Stream"
		}
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	t := w.TypesInfo.TypeOf(sel.X)
	for _, p := range parking {
		if slices.Contains(p.methods, fn.Name()) && w.is(t, p.iface) {
			return p.iface + "." + fn.Name()
		}
	}
	return ""
}

// parking are the methods of the interfaces of package transport that park.
var parking = []struct {
	iface   string
	methods []string
}{
	{"Stream", []string{"Read", "Write"}},
	{"Conn", []string{"OpenStream", "AcceptStream", "CloseWithError"}},
	{"Listener", []string{"Accept"}},
	{"Transport", []string{"Dial", "Close"}},
}

// rtParks names fn, a function or method of package rt, if it can park.
func rtParks(fn *types.Func) string {
	t, name := receiver(fn), fn.Name()
	switch {
	case t == nil && fn.Signature().Recv() == nil:
		if name == "Sleep" || waits(fn) {
			return "rt." + name
		}
		return ""
	case t == nil:
		return ""
	}
	switch name {
	case "Park", "Wait", "Pass", "Acquire", "Yield":
		return t.Obj().Name() + "." + name
	case "Get", "Put":
		if t.Obj().Name() == "Queue" {
			return "Queue." + name
		}
	}
	if waits(fn) {
		return t.Obj().Name() + "." + name
	}
	return ""
}

// waits reports whether fn takes a context first and returns an error: in
// package rt that is the signature of what blocks.
func waits(fn *types.Func) bool {
	sig := fn.Signature()
	if sig.Params().Len() == 0 || types.TypeString(sig.Params().At(0).Type(), nil) != "context.Context" {
		return false
	}
	n := sig.Results().Len()
	return n > 0 && types.TypeString(sig.Results().At(n-1).Type(), nil) == "error"
}

func (w *lockWalk) takesStream(call *ast.CallExpr) bool {
	return slices.ContainsFunc(call.Args, func(e ast.Expr) bool {
		return w.is(w.TypesInfo.TypeOf(e), "Stream")
	})
}

// is reports whether t implements the interface of package transport.
func (w *lockWalk) is(t types.Type, iface string) bool {
	i := w.ifaces[iface]
	return t != nil && i != nil && (types.Implements(t, i) || types.Implements(types.NewPointer(t), i))
}

// transportInterfaces finds the interfaces of package transport, if this
// package is it or imports it.
func (c *check) transportInterfaces() map[string]*types.Interface {
	found := map[string]*types.Interface{}
	for _, p := range append(slices.Clone(c.Pkg.Imports()), c.Pkg) {
		if !isPackage(p.Path(), "transport") {
			continue
		}
		for _, name := range []string{"Stream", "Conn", "Listener", "Transport"} {
			if obj := p.Scope().Lookup(name); obj != nil {
				if i, ok := obj.Type().Underlying().(*types.Interface); ok {
					found[name] = i
				}
			}
		}
	}
	return found
}
