// Release builds what is published: for each system a tar.gz with the static
// programs and all that belongs to them, and SHA256SUMS. The same tree, version
// and Go give the same bytes, on whatever machine and in whatever folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// systems are those that are released, as GOOS/GOARCH.
var systems = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}

func main() {
	var r release
	only := flag.String("systems", strings.Join(systems, ","), "systems to build for")
	flag.StringVar(&r.version, "version", "", "the version, for example v1.2.3")
	flag.StringVar(&r.root, "root", ".", "root of the tree")
	flag.StringVar(&r.out, "out", "out/release", "folder for what is built; it must be new or empty")
	flag.Parse()
	r.systems = strings.Split(*only, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := r.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one run.
type release struct {
	version string
	root    string
	out     string
	systems []string
}

// versions is what a version looks like; see semver.org, without what comes
// after a plus sign.
var versions = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

func (r *release) run(ctx context.Context) error {
	if !versions.MatchString(r.version) {
		return fmt.Errorf("%q is not a version: make release VERSION=vMAJOR.MINOR.PATCH", r.version)
	}
	if err := r.folder(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "macula-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := r.made(ctx, work)
	if err != nil {
		return err
	}
	var archives []string
	for _, system := range r.systems {
		name, err := r.system(ctx, work, system, made)
		if err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
		fmt.Println(filepath.Join(r.out, name))
		archives = append(archives, name)
	}
	return sums(r.out, archives)
}

// folder makes the folder for what is built. What is there already may be of
// another version and would be published with it.
func (r *release) folder() error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.out)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or choose another folder with -out", r.out)
	}
	return err
}

// system builds the programs for one system and packs the archive.
func (r *release) system(ctx context.Context, work, system string, made []file) (name string, err error) {
	goos, goarch, ok := strings.Cut(system, "/")
	if !ok {
		return "", fmt.Errorf("not GOOS/GOARCH")
	}
	files := append([]file{}, made...)
	for _, program := range []string{"maculanode", "simrun"} {
		at := filepath.Join(work, goos+"-"+goarch, program)
		if err := r.build(ctx, program, at, "GOOS="+goos, "GOARCH="+goarch); err != nil {
			return "", err
		}
		files = append(files, file{name: program, from: at, mode: 0o755})
	}
	top := fmt.Sprintf("macula-%s-%s-%s", r.version, goos, goarch)
	name = top + ".tar.gz"
	return name, pack(filepath.Join(r.out, name), top, files)
}
