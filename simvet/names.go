package simvet

import (
	"go/ast"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// ban says which rule a name breaks and what to use instead.
type ban struct {
	rule Rule
	why  string
}

const (
	useTimer  = "runs on the real clock: use rt.Clock.AfterFunc"
	useRand   = "draws from the process's random source: use rt.Runtime.Rand"
	useLog    = "uses the process's logger: use the injected *slog.Logger"
	usePrint  = "writes to the process's output: write to an injected io.Writer"
	useReader = "is not drawn from the seed: take an io.Reader, or use rt.Runtime.Rand"
	measures  = "reads the process, not the simulated world: take the figure as an argument"
)

// names are the package-level names and methods that are refused one by one.
var names = map[string]ban{
	"iter.Pull":       {Go, "starts a coroutine: start a task by rt.Runtime.Go"},
	"iter.Pull2":      {Go, "starts a coroutine: start a task by rt.Runtime.Go"},
	"runtime.Gosched": {Go, "is no scheduling point in simulation: use rt.Runtime.Yield"},

	"sync.Mutex":      {Sync, "is not seen by the scheduler: use rt.Mutex"},
	"sync.RWMutex":    {Sync, "is not seen by the scheduler: use rt.Mutex"},
	"sync.Cond":       {Sync, "blocks outside the scheduler: use rt.Gate or rt.Event"},
	"sync.NewCond":    {Sync, "blocks outside the scheduler: use rt.Gate or rt.Event"},
	"sync.WaitGroup":  {Sync, "blocks outside the scheduler: use rt.Group"},
	"sync.Map":        {Sync, "iterates in random order: use a map under an rt.Mutex"},
	"sync.Pool":       {Sync, "is emptied by the collector: keep a bounded free list"},
	"sync.Once":       {Sync, "blocks outside the scheduler: do it in New, or use rt.Event"},
	"sync.OnceFunc":   {Sync, "blocks outside the scheduler: do it in New, or use rt.Event"},
	"sync.OnceValue":  {Sync, "blocks outside the scheduler: do it in New, or use rt.Event"},
	"sync.OnceValues": {Sync, "blocks outside the scheduler: do it in New, or use rt.Event"},

	"time.Now":          {Time, "reads the real clock: use rt.Clock.Now"},
	"time.Since":        {Time, "reads the real clock: use rt.Clock.Now and Sub"},
	"time.Until":        {Time, "reads the real clock: use rt.Clock.Now and Sub, or rt.Remaining for a context"},
	"time.Sleep":        {Time, "sleeps on the real clock: use rt.Sleep"},
	"time.After":        {Time, useTimer},
	"time.AfterFunc":    {Time, useTimer},
	"time.Tick":         {Time, useTimer},
	"time.NewTimer":     {Time, useTimer},
	"time.NewTicker":    {Time, useTimer},
	"time.Timer":        {Time, "runs on the real clock: use rt.Timer"},
	"time.Ticker":       {Time, "runs on the real clock: use rt.Timer"},
	"time.Local":        {Time, "depends on the machine: use time.UTC"},
	"time.LoadLocation": {Time, "depends on the machine: use time.UTC"},

	"context.WithCancel":        {Context, "is not seen by the scheduler: use rt.Runtime.WithCancelCause"},
	"context.WithCancelCause":   {Context, "is not seen by the scheduler: use rt.Runtime.WithCancelCause"},
	"context.WithTimeout":       {Context, "runs on the real clock: use rt.Runtime.WithTimeout"},
	"context.WithTimeoutCause":  {Context, "runs on the real clock: use rt.Runtime.WithTimeout"},
	"context.WithDeadline":      {Context, "runs on the real clock: use rt.Runtime.WithTimeout"},
	"context.WithDeadlineCause": {Context, "runs on the real clock: use rt.Runtime.WithTimeout"},
	"context.AfterFunc":         {Context, "starts a goroutine: use rt.Runtime.AfterDone"},

	"maps.Keys":                {MapRange, "yields in random order: use slices.Sorted(maps.Keys(m))"},
	"maps.Values":              {MapRange, "yields in random order: go by slices.Sorted(maps.Keys(m))"},
	"maps.All":                 {MapRange, "yields in random order: go by slices.Sorted(maps.Keys(m))"},
	"(reflect.Value).MapRange": {MapRange, "yields in random order: sort the keys"},
	"(reflect.Value).MapKeys":  {MapRange, "returns a random order: sort the keys of a typed map"},

	"fmt.Print":            {IO, usePrint},
	"fmt.Printf":           {IO, usePrint},
	"fmt.Println":          {IO, usePrint},
	"fmt.Scan":             {IO, "reads the process's input: read from an injected io.Reader"},
	"fmt.Scanf":            {IO, "reads the process's input: read from an injected io.Reader"},
	"fmt.Scanln":           {IO, "reads the process's input: read from an injected io.Reader"},
	"io.Pipe":              {IO, "blocks outside the scheduler: use rt.Queue"},
	"runtime.ReadMemStats": {IO, measures},
	"runtime.NumGoroutine": {IO, measures},
	"runtime.NumCPU":       {IO, measures},
	"runtime.GOMAXPROCS":   {IO, measures},

	"log/slog.Default":      {IO, useLog},
	"log/slog.SetDefault":   {IO, useLog},
	"log/slog.With":         {IO, useLog},
	"log/slog.Debug":        {IO, useLog},
	"log/slog.DebugContext": {IO, useLog},
	"log/slog.Info":         {IO, useLog},
	"log/slog.InfoContext":  {IO, useLog},
	"log/slog.Warn":         {IO, useLog},
	"log/slog.WarnContext":  {IO, useLog},
	"log/slog.Error":        {IO, useLog},
	"log/slog.ErrorContext": {IO, useLog},
	"log/slog.Log":          {IO, useLog},
	"log/slog.LogAttrs":     {IO, useLog},

	"runtime/debug.ReadGCStats":    {IO, measures},
	"runtime/debug.SetGCPercent":   {IO, measures},
	"runtime/debug.SetMemoryLimit": {IO, measures},
	"runtime/debug.FreeOSMemory":   {IO, measures},

	"runtime/debug.Stack":      {Fmt, "holds addresses and goroutine numbers: use runtime.Callers and CallersFrames"},
	"runtime/debug.PrintStack": {Fmt, "holds addresses and goroutine numbers: use runtime.Callers and CallersFrames"},
	"runtime.Stack":            {Fmt, "holds addresses and goroutine numbers: use runtime.Callers and CallersFrames"},

	"runtime.SetFinalizer": {Finalizer, "runs when the collector decides: release by an owner's Close"},
	"runtime.AddCleanup":   {Finalizer, "runs when the collector decides: release by an owner's Close"},
}

// packageBan refuses every name of a package but some.
type packageBan struct {
	path   string // "a/..." is a and all below it
	ban    ban
	except []string
}

// bannedPackages are refused as a whole. The first match decides; a match without
// a rule lets the package through.
var bannedPackages = []packageBan{
	{"net/netip", ban{}, nil},
	{"net/url", ban{}, nil},
	{"os", ban{IO, "is input or output past the injected world: take what is needed as an argument"},
		[]string{"ErrDeadlineExceeded", "ErrNotExist", "ErrExist", "ErrPermission", "ErrInvalid", "ErrClosed"}},
	{"net", ban{IO, "is the real network: use transport, and net/netip for addresses"},
		[]string{"Error", "ErrClosed"}},
	{"os/...", ban{IO, "is input or output past the injected world: take what is needed as an argument"}, nil},
	{"net/...", ban{IO, "is the real network: use transport"}, nil},
	{"syscall", ban{IO, "is input or output past the injected world: take what is needed as an argument"}, nil},
	{"golang.org/x/sys/...", ban{IO, "is input or output past the injected world: take what is needed as an argument"}, nil},
	{"io/ioutil", ban{IO, "is input or output past the injected world: use package io"}, nil},
	{"log", ban{IO, useLog}, nil},
	{"runtime/metrics", ban{IO, measures}, nil},
	{"math/rand", ban{Rand, useRand}, []string{"New", "NewSource", "NewZipf", "Rand", "Source", "Source64", "Zipf"}},
	{"math/rand/v2", ban{Rand, useRand},
		[]string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}},
	{"crypto/rand", ban{Rand, useReader}, nil},
	{"hash/maphash", ban{Rand, "has a random seed: use a fixed hash such as hash/fnv"}, nil},
	{"golang.org/x/sync/...", ban{Sync, "starts goroutines or blocks outside the scheduler: use rt.Group or rt.Semaphore"}, nil},
	{"weak", ban{Finalizer, "ends when the collector decides: own the value and Close it"}, nil},
}

// names flags every use of a refused name, called or not, and refused
// packages that are imported without being named.
func (c *check) names() {
	for _, f := range c.files {
		sorted := c.sortedIterators(f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				c.importSpec(n)
			case *ast.Ident:
				if obj := c.TypesInfo.Uses[n]; obj != nil && !sorted[n] {
					c.name(n, obj)
				}
			}
			return true
		})
	}
}

func (c *check) name(id *ast.Ident, obj types.Object) {
	if b, ok := obj.(*types.Builtin); ok && (b.Name() == "print" || b.Name() == "println") {
		c.flag(id.Pos(), IO, "%s %s", b.Name(), usePrint)
		return
	}
	if obj.Pkg() == nil || obj.Pkg() == c.Pkg {
		return
	}
	if key := methodKey(obj); key != "" {
		if b, ok := names[key]; ok {
			c.flag(id.Pos(), b.rule, "%s %s", key, b.why)
		}
		c.wallClock(id, obj.(*types.Func))
		return
	}
	if obj.Parent() != obj.Pkg().Scope() {
		return
	}
	path, name := obj.Pkg().Path(), obj.Name()
	if b, ok := names[path+"."+name]; ok {
		c.flag(id.Pos(), b.rule, "%s.%s %s", path, name, b.why)
		return
	}
	if p := bannedPackage(path); p != nil && !slices.Contains(p.except, name) {
		c.flag(id.Pos(), p.ban.rule, "%s.%s %s", path, name, p.ban.why)
	}
}

// wallClock confines Clock.Wall: it jumps, so nothing may decide by it.
func (c *check) wallClock(id *ast.Ident, m *types.Func) {
	if m.Name() != "Wall" || !isPackage(m.Pkg().Path(), "rt") {
		return
	}
	if c.set.wall.Match(c.path) || c.set.wall.Match(importPath(c.Pass)) {
		return
	}
	c.flag(id.Pos(), Time, "Clock.Wall jumps and is for certificates, grants and logs only: decide by rt.Clock.Now")
}

// importSpec flags a refused package whose name is never written.
func (c *check) importSpec(spec *ast.ImportSpec) {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil || spec.Name == nil || spec.Name.Name != "_" {
		return
	}
	if p := bannedPackage(path); p != nil {
		c.flag(spec.Pos(), p.ban.rule, "%s %s", path, p.ban.why)
	}
}

// sortedIterators finds the names in slices.Sorted(maps.Keys(m)) that are
// good there.
func (c *check) sortedIterators(f *ast.File) map[*ast.Ident]bool {
	good := map[*ast.Ident]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 || !c.isFunc(call, "slices", "Sorted") {
			return true
		}
		if inner, ok := ast.Unparen(call.Args[0]).(*ast.CallExpr); ok && c.isFunc(inner, "maps", "") {
			good[calleeIdent(inner)] = true
		}
		return true
	})
	return good
}

func bannedPackage(path string) *packageBan {
	for i := range bannedPackages {
		p := &bannedPackages[i]
		if (Patterns{p.path}).Match(path) {
			if p.ban.rule == "" {
				return nil
			}
			return p
		}
	}
	return nil
}

// methodKey is "(pkg.Type).Method" of a method, or empty.
func methodKey(obj types.Object) string {
	fn, ok := obj.(*types.Func)
	if !ok || fn.Signature().Recv() == nil {
		return ""
	}
	t := receiver(fn)
	if t == nil {
		return "(?)." + fn.Name()
	}
	return "(" + fn.Pkg().Path() + "." + t.Obj().Name() + ")." + fn.Name()
}

// receiver is the named type that declares the method, or nil.
func receiver(fn *types.Func) *types.Named {
	recv := fn.Signature().Recv()
	if recv == nil {
		return nil
	}
	t := types.Unalias(recv.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, _ := t.(*types.Named)
	return named
}

// isFunc reports whether call calls a package-level function of path whose
// name starts with prefix.
func (c *check) isFunc(call *ast.CallExpr, path, prefix string) bool {
	fn := c.callee(call)
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == path &&
		fn.Signature().Recv() == nil && strings.HasPrefix(fn.Name(), prefix)
}

// callee is the function or method that call names, or nil.
func (c *check) callee(call *ast.CallExpr) *types.Func {
	id := calleeIdent(call)
	if id == nil {
		return nil
	}
	fn, _ := c.TypesInfo.Uses[id].(*types.Func)
	return fn
}

func calleeIdent(call *ast.CallExpr) *ast.Ident {
	fun := ast.Unparen(call.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	case *ast.IndexListExpr:
		fun = f.X
	}
	switch f := fun.(type) {
	case *ast.Ident:
		return f
	case *ast.SelectorExpr:
		return f.Sel
	}
	return nil
}

// builtin is the name of the builtin that call calls, or empty.
func (c *check) builtin(call *ast.CallExpr) string {
	id, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return ""
	}
	if b, ok := c.TypesInfo.Uses[id].(*types.Builtin); ok {
		return b.Name()
	}
	return ""
}
