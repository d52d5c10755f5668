// Simrun plays the scenarios of the mesh in simulation.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	app := cli.App{
		Name:      "simrun",
		About:     "Plays a mesh of nodes in a deterministic simulation: the same seed is the same run.",
		Version:   version(),
		Scenarios: scenarios.All(),
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Now:       time.Now,
		Procs:     atProcs,
		Watch:     watch,
		MakeDir:   func(name string) error { return os.MkdirAll(name, 0o755) },
		WriteFile: func(name string, data []byte) error { return os.WriteFile(name, data, 0o644) },
		ReadFile:  os.ReadFile,
		Progress:  progress(),
	}
	os.Exit(app.Main(ctx, os.Args[1:]))
}

// watch ends the program when a task does not yield: it cannot be ended from
// outside.
func watch(w *sim.World) (stop func()) {
	return host.Watch(w, host.WatchdogConfig{OnStuck: func(s host.Stuck) {
		s.WriteTo(os.Stderr)
		os.Exit(cli.Internal)
	}})
}

// progress draws a bar on a terminal, and is nil elsewhere.
func progress() func(name string, done, of, failures int) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(name string, done, of, failures int) {
		const width = 30
		full := width * done / of
		fmt.Fprintf(os.Stderr, "\r%-16s [%s%s] %d/%d, %d kinds of failures\x1b[K", name, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, of, failures)
		if done == of {
			fmt.Fprint(os.Stderr, "\r\x1b[K")
		}
	}
}

// atProcs runs f at GOMAXPROCS n.
func atProcs(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version + " " + info.GoVersion
}
