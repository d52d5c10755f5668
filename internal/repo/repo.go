// Package repo holds the rules of this repository that the compiler does not
// know: which package may import which, how long files and functions may be,
// what may stand in the tree. Its tests apply them to the tree itself, so a
// broken rule is a failing test.
//
// It reads the file system and nothing else: an exported tree without version
// control and without downloaded modules is enough.
package repo

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finding is a broken rule at a place. Line is 0 when the whole file is meant.
type Finding struct {
	Path string
	Line int
	Msg  string
}

// String returns the finding as compilers print theirs.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Path, f.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Msg)
}

// File is a file of the tree. Go is nil unless it is a Go file.
type File struct {
	Path string // with slashes, relative to the root
	Data []byte
	Go   *ast.File
}

// IsTest reports whether the file is a Go test.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Dir is the folder of the file: "." is the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Tree is a repository in memory.
type Tree struct {
	Module string // its import path
	Files  []*File
	fset   *token.FileSet
	nested []string // folders with a module of their own
}

// Rule is a check of the whole tree.
type Rule struct {
	Name  string
	Check func(*Tree) []Finding
}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{"layers", Layers},
		{"sizes", Sizes},
		{"words", Words},
		{"files", Files},
		{"comments", Comments},
		{"documents", Documents},
	}
}

// Load reads the tree. What builds, runs and version control leave behind is
// left out, and so are testdata folders: they hold what rules are tried on.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipDir(p):
			return fs.SkipDir
		case d.Type().IsRegular() && !skipFile(p):
			return t.add(fsys, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("repo.Load: %w", err)
	}
	if t.Module == "" {
		return nil, fmt.Errorf("repo.Load: no go.mod with a module line at the root")
	}
	return t, nil
}

func skipDir(p string) bool {
	return p == ".git" || p == "bin" || p == "out" || path.Base(p) == "testdata"
}

func skipFile(p string) bool {
	return strings.HasSuffix(p, ".test") || strings.HasSuffix(p, ".prof")
}

func (t *Tree) add(fsys fs.FS, p string) error {
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return err
	}
	f := &File{Path: p, Data: data}
	if path.Ext(p) == ".go" {
		f.Go, err = parser.ParseFile(t.fset, p, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
	}
	if path.Base(p) == "go.mod" {
		if f.Dir() == "." {
			t.Module = moduleLine(data)
		} else {
			t.nested = append(t.nested, f.Dir())
		}
	}
	t.Files = append(t.Files, f)
	return nil
}

func moduleLine(data []byte) string {
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("module ")); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

// goFiles are the Go files, without those of nested modules.
func (t *Tree) goFiles() []*File {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f *File) bool {
		return f.Go == nil || slices.ContainsFunc(t.nested, func(dir string) bool {
			return strings.HasPrefix(f.Path, dir+"/")
		})
	})
}

func (t *Tree) line(p token.Pos) int { return t.fset.Position(p).Line }

// has reports whether the tree has a file or a folder of that path.
func (t *Tree) has(p string) bool {
	return p == "." || slices.ContainsFunc(t.Files, func(f *File) bool {
		return f.Path == p || strings.HasPrefix(f.Path, p+"/")
	})
}
