// Simrun plays the scenarios of the mesh in simulation.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
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
