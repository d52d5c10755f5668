// Command memory fills a node over real QUIC and compares what it holds with
// the formula of node.Config.Memory.
//
// The node is a process of its own; this one has the peers and clients. After
// each step the node collects its garbage twice and says how much is live. Each
// row is one kind of thing alone, whose cost the formula has as a constant; the
// last one is a mixture, which the constants were not taken from.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"time"
)

// Tolerance is how far a mixture may be from the formula.
const tolerance = 0.15

func main() {
	if len(os.Args) == 2 && (os.Args[1] == nodeVerb || os.Args[1] == sinkVerb) {
		if err := serve(os.Args[1] == sinkVerb); err != nil {
			fmt.Fprintln(os.Stderr, "memory:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

// run measures each filling in a node of its own.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	scale := flags.Int("scale", 100, "percent of the numbers of each filling")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *scale < 1 || *scale > 1000 {
		return fmt.Errorf("-scale=%d: want a percentage from 1 to 1000", *scale)
	}
	fmt.Fprintf(out, "%-38s %10s %10s %7s %12s %10s\n", "", "live MiB", "formula", "off", "bytes each", "RSS MiB")
	worst := 0.0
	for _, f := range fillings(*scale) {
		r, err := measure(ctx, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		off := float64(r.live)/float64(r.formula) - 1
		each := "-"
		if f.count > 0 {
			each = fmt.Sprint((r.live - r.empty) / int64(f.count))
		}
		fmt.Fprintf(out, "%-38s %10.1f %10.1f %+6.1f%% %12s %10.1f\n", f.name, mib(r.live), mib(r.formula), 100*off, each, mib(r.rss))
		worst = max(worst, math.Abs(off))
	}
	if err := runWindows(ctx, *scale, out); err != nil {
		return err
	}
	if worst > tolerance {
		return fmt.Errorf("the formula is %.0f %% off, and %.0f %% are allowed: measure the constants in node/memory.go again", 100*worst, 100*tolerance)
	}
	return nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// patience is how long any one thing may take on a machine that is busy.
const patience = 2 * time.Minute
