// Package simvet is an analyzer for code that must run the same way twice: in
// production on goroutines and the system clock, in simulation on coroutines
// and virtual time. It refuses what a seeded scheduler cannot control, and
// each message names the replacement.
//
// It runs as part of go vet (go vet -vettool=$(which simvet) ./...) or alone
// (simvet ./...). Which packages it checks is set by flags whose defaults are
// those of macula; _test.go files are never checked.
//
// An exception is a comment on the line of the finding or on the line above:
//
//	//simvet:allow RULE reason
//
// An exception without a reason, with an unknown rule, or that suppresses
// nothing is an error itself.
package simvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Rule names what a finding violates, and what an exception allows.
type Rule string

// The rules. Rules lists them with their meaning.
const (
	Go         Rule = "go"
	Chan       Rule = "chan"
	Select     Rule = "select"
	Sync       Rule = "sync"
	Time       Rule = "time"
	Context    Rule = "context"
	Rand       Rule = "rand"
	MapRange   Rule = "maprange"
	IO         Rule = "io"
	Global     Rule = "global"
	Fmt        Rule = "fmt"
	Finalizer  Rule = "finalizer"
	LockPark   Rule = "lockpark"
	BoundedMap Rule = "boundedmap"
)

// RuleDoc is a rule with its meaning in one line.
type RuleDoc struct {
	Rule Rule
	Doc  string
}

// Rules returns every rule in the order in which reports list them.
func Rules() []RuleDoc {
	return []RuleDoc{
		{Go, "no go statement, iter.Pull or runtime.Gosched: tasks by rt.Runtime.Go"},
		{Chan, "no channel and no channel operation: rt.Queue, rt.Event"},
		{Select, "no select: one task per thing waited for, or rt.Runtime.AfterDone"},
		{Sync, "no sync.Cond, WaitGroup, Map, Pool, Once, Mutex or RWMutex, no errgroup: rt has its own"},
		{Time, "no time.Now, Sleep, After, timers: rt.Clock; Clock.Wall only for certificates, grants and logs"},
		{Context, "no context.WithCancel, WithTimeout, AfterFunc: rt.Runtime has them"},
		{Rand, "no global random source, crypto/rand or maphash: rt.Runtime.Rand, or an injected reader for keys"},
		{MapRange, "no range over a map unless its order cannot matter: sort the keys"},
		{IO, "no input or output past the injected world: os, net, log, io.Pipe, runtime.ReadMemStats"},
		{Global, "no mutable package-level variable and no init"},
		{Fmt, "no printed address: %p, %v of a pointer, debug.Stack"},
		{Finalizer, "no finalizer, cleanup or weak pointer: the collector decides when they run"},
		{LockPark, "no parking and no second lock while an rt.Mutex is held"},
		{BoundedMap, "a map field of the shell says what bounds it: // bound: ..."},
	}
}

// Analyzer is the analyzer with macula's scope as the default of its flags.
var Analyzer = New()

// New returns an analyzer with flags of its own.
func New() *analysis.Analyzer {
	s := defaults()
	a := &analysis.Analyzer{
		Name: "simvet",
		Doc:  doc(),
		URL:  "https://pkg.go.dev/github.com/maculamesh/macula/simvet",
		Run:  s.run,
	}
	a.Flags.Var(&s.scope, "scope", "comma-separated packages to check, relative to the module or as full import paths")
	a.Flags.Var(&s.exempt, "exempt", "comma-separated packages inside the scope that are not checked")
	a.Flags.Var(&s.wall, "wall", "comma-separated packages that may read the wall clock by Clock.Wall")
	a.Flags.Var(&s.shell, "shell", "comma-separated packages whose map fields need a written bound when they import rt")
	return a
}

func doc() string {
	var b strings.Builder
	b.WriteString("report what a deterministic simulation cannot control\n\n")
	b.WriteString("simvet -list-allows [package] lists the exceptions instead.\n\nRules:\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "  %-10s %s\n", r.Rule, r.Doc)
	}
	b.WriteString("\nAn exception is a comment on the same line or the line above:\n  //simvet:allow RULE reason")
	return b.String()
}

// check is one run over one package.
type check struct {
	*analysis.Pass
	set   *settings
	path  string      // relative to the module when that is known
	files []*ast.File // without tests
	found []finding
}

type finding struct {
	pos  token.Pos
	rule Rule
	msg  string
}

func (s *settings) run(pass *analysis.Pass) (any, error) {
	if strings.HasSuffix(importPath(pass), ".test") {
		return nil, nil // the main package that go test generates
	}
	c := &check{Pass: pass, set: s, path: relativePath(pass)}
	for _, f := range pass.Files {
		if !isTest(pass.Fset, f) {
			c.files = append(c.files, f)
		}
	}
	checked := s.Checked(c.path) || s.Checked(importPath(pass))
	if checked {
		for _, rule := range []func(*check){
			(*check).names, (*check).syntax, (*check).mapRanges, (*check).globals,
			(*check).formats, (*check).lockParks, (*check).boundedMaps,
		} {
			rule(c)
		}
	}
	allows, err := c.allows()
	if err != nil {
		return nil, err
	}
	c.report(allows, checked)
	return nil, nil
}

// flag records a finding; exceptions are applied at the end.
func (c *check) flag(pos token.Pos, rule Rule, format string, args ...any) {
	c.found = append(c.found, finding{pos, rule, fmt.Sprintf(format, args...)})
}

// report hands every finding that no exception covers to the driver, then the
// exceptions that are wrong themselves.
func (c *check) report(allows []*allow, checked bool) {
	slices.SortStableFunc(c.found, func(a, b finding) int { return int(a.pos) - int(b.pos) })
	var last finding
	for _, f := range c.found {
		if f == last {
			continue
		}
		last = f
		if c.suppressed(f, allows) {
			continue
		}
		c.Report(analysis.Diagnostic{
			Pos:      f.pos,
			Category: string(f.rule),
			Message:  fmt.Sprintf("%s [%s]", f.msg, f.rule),
		})
	}
	for _, a := range allows {
		if msg := a.wrong(checked); msg != "" {
			c.Report(analysis.Diagnostic{Pos: a.pos, Category: "allow", Message: msg})
		}
	}
}

func (c *check) suppressed(f finding, allows []*allow) bool {
	p := c.Fset.Position(f.pos)
	hit := false
	for _, a := range allows {
		if a.verb == allowVerb && a.Rule == f.rule && a.File == p.Filename && a.covers(p.Line) {
			a.used, hit = true, true
		}
	}
	return hit
}

func isTest(fset *token.FileSet, f *ast.File) bool {
	return strings.HasSuffix(fset.File(f.FileStart).Name(), "_test.go")
}
