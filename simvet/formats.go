package simvet

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// formats flags what prints an address: %p, and a pointer, channel or
// function, or a struct with one inside, handed to a formatting function.
// Types with a String, Error or Format method of their own are let through,
// as far as package fmt would call it.
func (c *check) formats() {
	for _, f := range c.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				c.formatCall(call)
			}
			return true
		})
	}
}

func (c *check) formatCall(call *ast.CallExpr) {
	fn := c.callee(call)
	if fn == nil || fn.Pkg() == nil {
		return
	}
	if fn.Pkg().Path() == "log/slog" && fn.Name() == "Any" && fn.Signature().Recv() == nil {
		c.printed(call.Args[1], 'v', false)
		return
	}
	if fn.Pkg().Path() == "fmt" && strings.Contains(strings.ToLower(fn.Name()), "scan") {
		return // it takes pointers to write to
	}
	first, ok := variadicAny(fn)
	if !ok || call.Ellipsis.IsValid() || len(call.Args) <= first {
		return
	}
	args := call.Args[first:]
	if format, ok := c.formatString(call, first); ok {
		for _, v := range parseFormat(format) {
			if v.arg < len(args) {
				c.printed(args[v.arg], v.verb, v.sharp)
			}
		}
		return
	}
	switch fn.Pkg().Path() {
	case "fmt", "log", "log/slog":
		for _, e := range args {
			c.printed(e, 'v', false)
		}
	}
}

// formatString is the constant format in front of the variadic arguments. Any
// function with one counts, so that wrappers of fmt are seen.
func (c *check) formatString(call *ast.CallExpr, first int) (string, bool) {
	if first == 0 {
		return "", false
	}
	tv := c.TypesInfo.Types[call.Args[first-1]]
	if tv.Value == nil || tv.Value.Kind() != constant.String {
		return "", false
	}
	s := constant.StringVal(tv.Value)
	return s, strings.Contains(s, "%")
}

// printed flags the argument e if the verb prints an address of it.
func (c *check) printed(e ast.Expr, verb rune, sharp bool) {
	if verb == 'p' {
		c.flag(e.Pos(), Fmt, "%%p prints an address, which differs in every run: print an id")
		return
	}
	t := c.TypesInfo.TypeOf(e)
	if verb == 'T' || t == nil {
		return
	}
	methods := !sharp && strings.ContainsRune("vsxXqw", verb)
	if printsAddress(t, methods, map[types.Type]bool{}) {
		c.flag(e.Pos(), Fmt, "%%%c of %s prints an address, which differs in every run: print an id, or give it a String method",
			verb, types.TypeString(t, (*types.Package).Name))
	}
}

// printsAddress reports whether fmt shows an address in a value of type t;
// methods says whether fmt would call String and Error here.
func printsAddress(t types.Type, methods bool, seen map[types.Type]bool) bool {
	t = types.Unalias(t)
	if seen[t] || hasMethod(t, "Format") || (methods && (hasMethod(t, "String") || hasMethod(t, "Error"))) {
		return false
	}
	seen[t] = true
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Kind() == types.UnsafePointer
	case *types.Pointer, *types.Chan, *types.Signature:
		return true
	case *types.Array:
		return printsAddress(u.Elem(), methods, seen)
	case *types.Slice:
		return printsAddress(u.Elem(), methods, seen)
	case *types.Map:
		return printsAddress(u.Key(), methods, seen) || printsAddress(u.Elem(), methods, seen)
	case *types.Struct:
		for f := range u.Fields() {
			// fmt cannot call the methods of a field that is not exported.
			if printsAddress(f.Type(), methods && f.Exported(), seen) {
				return true
			}
		}
	}
	return false
}

func hasMethod(t types.Type, name string) bool {
	if types.IsInterface(t) {
		return false
	}
	obj, _, _ := types.LookupFieldOrMethod(t, false, nil, name)
	_, ok := obj.(*types.Func)
	return ok
}

// variadicAny reports where the ...any parameter of fn starts.
func variadicAny(fn *types.Func) (int, bool) {
	sig := fn.Signature()
	if !sig.Variadic() {
		return 0, false
	}
	last := sig.Params().Len() - 1
	s, ok := sig.Params().At(last).Type().(*types.Slice)
	if !ok {
		return 0, false
	}
	i, ok := s.Elem().Underlying().(*types.Interface)
	return last, ok && i.Empty()
}

// verb is one verb of a format with the argument that it prints.
type verb struct {
	verb  rune
	sharp bool
	arg   int
}

// maxArg is the greatest number of an argument that package fmt takes.
const maxArg = 1_000_000

// parseFormat returns the verbs of a format as package fmt reads it.
func parseFormat(format string) []verb {
	var all []verb
	next := 0
	rs := []rune(format)
	for i := 0; i < len(rs); i++ {
		if rs[i] != '%' {
			continue
		}
		v := verb{}
		for i++; i < len(rs) && strings.ContainsRune("+-# 0123456789.*[]", rs[i]); i++ {
			switch rs[i] {
			case '#':
				v.sharp = true
			case '*':
				next++
			case '[':
				n := 0
				for i++; i < len(rs) && rs[i] != ']'; i++ {
					if '0' <= rs[i] && rs[i] <= '9' {
						n = min(n*10+int(rs[i]-'0'), maxArg)
					}
				}
				next = max(n-1, 0)
			}
		}
		if i >= len(rs) || rs[i] == '%' {
			continue
		}
		v.verb, v.arg = rs[i], next
		next++
		all = append(all, v)
	}
	return all
}
