// Demo shows the project in a minute: the five leaks in simulation, and four
// nodes over real QUIC on this machine.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// limit bounds the whole demo: one that hangs has failed.
const limit = 5 * time.Minute

func main() {
	var d demo
	flag.StringVar(&d.overlay, "overlay", "", "build with this overlay, as go build has it: to see the demo fail")
	flag.BoolVar(&d.meshOnly, "mesh", false, "only the four nodes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d.out = os.Stdout
	begun := time.Now()
	if err := d.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: FAILED after %v: %v\n", time.Since(begun).Round(time.Second), err)
		os.Exit(1)
	}
	fmt.Printf("\nEverything is as it should be (%v).\n", time.Since(begun).Round(time.Second))
}

// demo is one run.
type demo struct {
	out      io.Writer
	overlay  string
	meshOnly bool
	dir      string // for the binaries and the nodes' data
}

func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "macula-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.dir = dir
	if err := d.build(ctx); err != nil {
		return err
	}
	if !d.meshOnly {
		if err := d.simulate(ctx); err != nil {
			return err
		}
	}
	return d.mesh(ctx)
}

// build makes both binaries, by the flags that the Makefile runs this program
// with: otherwise the library of Go would be compiled twice.
func (d *demo) build(ctx context.Context) error {
	d.title("Building maculanode and simrun")
	args := []string{"build", "-trimpath", "-o", d.dir + string(filepath.Separator)}
	if d.overlay != "" {
		args = append(args, "-overlay", d.overlay)
	}
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), append(args, "./cmd/maculanode", "./cmd/simrun")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s build: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}

func (d *demo) title(format string, args ...any) {
	fmt.Fprintf(d.out, "\n== "+format+"\n", args...)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "   "+format+"\n", args...)
}
