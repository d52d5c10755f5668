package simvet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// syntax flags the statements and types of Go's own concurrency.
func (c *check) syntax() {
	for _, f := range c.files {
		inSelect := map[ast.Node]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				c.flag(n.Pos(), Go, "a go statement starts what the scheduler cannot see: use rt.Runtime.Go, with an owner that waits (rt.Group)")
			case *ast.SelectStmt:
				c.flag(n.Pos(), Select, "select chooses at random: let one task wait for each thing, or use rt.Runtime.AfterDone")
				markComm(n, inSelect)
			case *ast.ChanType:
				c.flag(n.Pos(), Chan, "a channel blocks outside the scheduler: use rt.Queue or rt.Event")
			case *ast.SendStmt:
				if !inSelect[n] {
					c.flag(n.Arrow, Chan, "a send blocks outside the scheduler: use rt.Queue.Put")
				}
			case *ast.UnaryExpr:
				if n.Op == token.ARROW && !inSelect[n] {
					c.flag(n.Pos(), Chan, "a receive blocks outside the scheduler: use rt.Queue.Get, or rt.Parker.Park with the context")
				}
			case *ast.RangeStmt:
				if c.isChan(n.X) {
					c.flag(n.Pos(), Chan, "a range over a channel blocks outside the scheduler: use rt.Queue.Get")
				}
			case *ast.CallExpr:
				if c.builtin(n) == "close" {
					c.flag(n.Pos(), Chan, "close of a channel: use rt.Queue.Close or rt.Event")
				}
			}
			return true
		})
	}
}

// markComm remembers the channel operations of a select, which is flagged as
// a whole.
func markComm(s *ast.SelectStmt, in map[ast.Node]bool) {
	for _, clause := range s.Body.List {
		switch comm := clause.(*ast.CommClause).Comm.(type) {
		case *ast.SendStmt:
			in[comm] = true
		case *ast.ExprStmt:
			in[ast.Unparen(comm.X)] = true
		case *ast.AssignStmt:
			in[ast.Unparen(comm.Rhs[0])] = true
		}
	}
}

func (c *check) isChan(e ast.Expr) bool {
	t := c.TypesInfo.TypeOf(e)
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}
