// Soak churns four real nodes at their caps for as long as it is told, watches
// what they hold, and says whether any of it grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitFlat  = 0
	exitGrows = 1 // or the run itself failed
	exitUsage = 2
)

func main() {
	os.Exit(soakMain(os.Args[1:], os.Stdout, os.Stderr))
}

// soakMain is main with an exit code.
func soakMain(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return exitFlat
	}
	if err != nil {
		fmt.Fprintf(errs, "soak: %v\n", err)
		return exitUsage
	}
	if o.recall != "" {
		r, err := recall(o.recall)
		if err != nil {
			fmt.Fprintf(errs, "soak: %v\n", err)
			return exitUsage
		}
		return finish(r, o.out, out, errs)
	}
	// The first signal ends the load early, the second one everything.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	early, endLoad := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer endLoad()
	go func() {
		select {
		case <-signals:
			fmt.Fprintln(errs, "soak: ending early: the nodes come to rest and are judged by what there is; again to stop at once")
			endLoad()
		case <-ctx.Done():
			return
		}
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	r, err := run(ctx, early, o, out)
	if r == nil {
		fmt.Fprintf(errs, "soak: %v\n", err)
		return exitGrows
	}
	return finish(r, o.out, out, errs)
}

// finish writes the report and says what it came to.
func finish(r *report, dir string, out, errs io.Writer) int {
	if err := r.write(dir); err != nil {
		fmt.Fprintf(errs, "soak: %v\n", err)
		return exitGrows
	}
	r.summary(out, dir)
	if !r.Verdict.Flat {
		return exitGrows
	}
	return exitFlat
}

// options are what the command line says.
type options struct {
	length  time.Duration // of the load that is judged
	warm    time.Duration // of the load before that
	every   time.Duration // between two samples
	pool    int
	clients int
	rate    float64
	stay    time.Duration
	most    int
	out     string
	overlay string
	plant   int
	recall  string
}

// shortest is the shortest load that can be judged. It takes three minutes to
// find a leak of 1 KiB/s: see restFloor.
const shortest = time.Minute

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.SetOutput(errs)
	f.DurationVar(&o.length, "for", 30*time.Minute, "how long the nodes are under load; some five minutes more are needed to warm up and to come to rest")
	f.DurationVar(&o.warm, "warm", time.Minute, "how long they are under load before that at least, until tables and buffers have their size")
	f.DurationVar(&o.every, "every", 2*time.Second, "time between two samples")
	f.IntVar(&o.pool, "pool", 8, "connections to peers that a node may have, its cap")
	f.IntVar(&o.clients, "clients", 50, "clients that a node may have, its cap")
	f.Float64Var(&o.rate, "rate", 60, "what all parties together do in a second, mostly calls")
	f.DurationVar(&o.stay, "stay", 30*time.Second, "how long a client or peer stays on average")
	f.IntVar(&o.most, "most", 256<<10, "bytes of the largest body")
	f.StringVar(&o.out, "out", "out/soak", "folder for the report")
	f.StringVar(&o.overlay, "overlay", "", "build the nodes with this overlay, as go build has it")
	f.IntVar(&o.plant, "plant", 0, "plant a leak of so many bytes a second in every node, to see it found")
	f.StringVar(&o.recall, "read", "", "run nothing: judge this report.json again, and write its report")
	f.Usage = func() {
		fmt.Fprint(errs, "Soak churns four nodes at their caps over QUIC and says whether anything grows.\nExit codes: 0 flat, 1 something grows or the run failed, 2 usage.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	case o.length < shortest:
		return o, fmt.Errorf("-for %v: a load shorter than %v shows nothing", o.length, shortest)
	case o.warm < 10*time.Second:
		return o, fmt.Errorf("-warm %v: not shorter than 10s", o.warm)
	case o.every < 100*time.Millisecond || o.every > o.length/20:
		return o, fmt.Errorf("-every %v: 100ms to a twentieth of -for", o.every)
	case o.pool < 4 || o.clients < 2:
		return o, errors.New("-pool is at least 4, for the other nodes and one more, and -clients at least 2")
	case o.rate <= 0 || o.stay < time.Second || o.most < 1 || o.most > 1<<20:
		return o, errors.New("-rate is above zero, -stay at least 1s, -most between 1 and 1048576")
	case o.plant < 0 || o.plant > 1<<20:
		return o, errors.New("-plant is between 0 and 1048576")
	case o.plant > 0 && o.overlay != "":
		return o, errors.New("-plant is an overlay itself: not both")
	}
	return o, nil
}
