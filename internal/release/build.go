package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// module is where the linker finds the variables with the version.
const module = "github.com/maculamesh/macula"

// build builds one of the commands. What depends on the machine stays out of
// it: paths, the state of a repository, cgo, and flags and levels of the
// processor that somebody has set for themselves.
func (r *release) build(ctx context.Context, program, to string, env ...string) error {
	ld := fmt.Sprintf("-s -w -X main.released=%s -X %s/sim/simrun.released=%s", r.version, module, r.version)
	env = append(env, "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off")
	_, err := r.command(ctx, env, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", ld, "-o", to, "./cmd/"+program)
	return err
}

// command runs a program in the tree and returns what it prints.
func (r *release) command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// file is one of an archive: of the disk, or with its content here.
type file struct {
	name string // in the archive, with slashes
	from string // where it is; empty: data
	data []byte
	mode fs.FileMode
}

// taken are the files and folders of the tree that every archive has.
var taken = []string{
	"README.md", "LICENSE", "CHANGELOG.md", "docs", "deploy", "examples/http",
}

// made is what every archive has beside the programs: files of the tree, and
// what maculanode itself writes.
func (r *release) made(ctx context.Context, work string) ([]file, error) {
	var files []file
	for _, name := range taken {
		found, err := r.walk(name)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	bin := filepath.Join(work, "maculanode")
	if err := r.build(ctx, "maculanode", bin); err != nil { // for this machine
		return nil, err
	}
	dir := filepath.Join(work, "example")
	if _, err := r.command(ctx, nil, bin, "init", "--dir", dir, "--realm", "org.example.mesh"); err != nil {
		return nil, err
	}
	example, err := os.ReadFile(filepath.Join(dir, "maculanode.yaml"))
	if err != nil {
		return nil, err
	}
	files = append(files, file{name: "maculanode.example.yaml", data: example, mode: 0o644})
	for shell, name := range map[string]string{"bash": "maculanode.bash", "zsh": "_maculanode", "fish": "maculanode.fish"} {
		script, err := r.command(ctx, nil, bin, "completion", shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "completions/" + name, data: script, mode: 0o644})
	}
	return files, nil
}

// walk returns a file of the tree, or all those of a folder.
func (r *release) walk(name string) (files []file, err error) {
	err = filepath.WalkDir(filepath.Join(r.root, name), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.root, p)
		if err != nil {
			return err
		}
		// Of the modes only this is the tree's; the rest is that of whoever
		// copied it.
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		files = append(files, file{name: path.Clean(filepath.ToSlash(rel)), from: p, mode: mode})
		return nil
	})
	return files, err
}
