package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// leaks are the scenarios of the five leaks, with the number that each is
// about.
var leaks = []struct{ scenario, gauge string }{
	{"pool-bound", "pool"},
	{"client-limit", "clients"},
	{"service-ttl", "services found after their end"},
	{"stream-cleanup", "streams left behind"},
	{"caller-death", "calls left behind"},
}

// played is what simrun run --json prints.
type played struct {
	Held   bool
	Seed   uint64
	Hash   string
	Events int
	Gauges []struct {
		Name  string
		Peak  int
		Limit *int
	}
	Failure *struct{ Property, Saw string }
}

const seed = 1

// simulate plays the five leaks and prints a table.
func (d *demo) simulate(ctx context.Context) error {
	d.title("The five leaks, in simulation: what would grow, its limit, and the most that there was")
	d.say("%-15s %-31s %7s %7s  %-8s %4s  %s", "scenario", "what", "limit", "peak", "verdict", "seed", "trace hash")
	var failed error
	for _, l := range leaks {
		cmd := exec.CommandContext(ctx, filepath.Join(d.dir, "simrun"), "run", l.scenario, "--seed", strconv.Itoa(seed), "--json")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		var p played
		if jerr := json.Unmarshal(out, &p); jerr != nil {
			return fmt.Errorf("simrun run %s: %v: %s%s", l.scenario, err, out, errs.Bytes())
		}
		limit, peak := "-", "?"
		for _, g := range p.Gauges {
			if g.Name == l.gauge {
				peak = strconv.Itoa(g.Peak)
				if g.Limit != nil {
					limit = strconv.Itoa(*g.Limit)
				}
			}
		}
		verdict := "held"
		if !p.Held || err != nil {
			verdict = "VIOLATED"
		}
		d.say("%-15s %-31s %7s %7s  %-8s %4d  %s", l.scenario, l.gauge, limit, peak, verdict, p.Seed, p.Hash)
		switch {
		case p.Failure != nil:
			failed = fmt.Errorf("%s: %s: %s", l.scenario, p.Failure.Property, p.Failure.Saw)
		case err != nil:
			failed = fmt.Errorf("%s: %w", l.scenario, err)
		case peak == "?":
			failed = fmt.Errorf("%s: nothing was said of %s", l.scenario, l.gauge)
		}
	}
	d.say("Again, to the last decision: bin/simrun run SCENARIO --seed %d (after make build)", seed)
	return failed
}
