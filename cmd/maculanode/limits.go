package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

type limitsCmd struct {
	Get limitsGetCmd `cmd:"" help:"Show the limits of the running node, beside what is in use."`
	Set limitsSetCmd `cmd:"" help:"Change limits of the running node."`
}

type limitsGetCmd struct {
	place
	Keys []string `arg:"" optional:"" name:"key" help:"The limits to show; all." complete:"limit"`
	JSON bool     `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *limitsGetCmd) Help() string {
	return `ACTING is what counts at the moment: under memory pressure or processor pressure it may be tighter
than the value.

Examples:
  maculanode limits get
  maculanode limits get max_clients max_peers
  maculanode limits get --json | jq '.[] | select(.acting)'`
}

// Run implements the command.
func (c *limitsGetCmd) Run(m *Main) error {
	for _, k := range c.Keys {
		if err := config.IsLimit(k); err != nil {
			return usage(err)
		}
	}
	return limits(m, c.place, &control.Request{Verb: control.VerbLimits}, c.Keys, c.JSON)
}

type limitsSetCmd struct {
	place
	Pairs []string       `arg:"" name:"key=value" help:"The new values." complete:"limit="`
	For   *time.Duration `help:"How long they count; then the values from before are back. Without it until the next change, a reload or the end." placeholder:"D"`
	JSON  bool           `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *limitsSetCmd) Help() string {
	return `All values change, or none. What is over a lower limit goes gracefully: idle things first, then those
in use within the drain timeout.

Examples:
  maculanode limits set max_clients=500
  maculanode limits set max_clients=500 max_peers=50 --for 10m
  maculanode limits set log_level=debug --for 5m`
}

// Run implements the command.
func (c *limitsSetCmd) Run(m *Main) error {
	var keys []string
	for _, p := range c.Pairs {
		key, _, ok := strings.Cut(p, "=")
		if !ok {
			return usage(fmt.Errorf("%.100q is not KEY=VALUE, for example max_clients=500", p))
		}
		if err := config.IsLimit(key); err != nil {
			return usage(err)
		}
		keys = append(keys, key)
	}
	req := &control.Request{Verb: control.VerbLimits, Set: c.Pairs}
	if c.For != nil {
		if *c.For <= 0 {
			return usage(fmt.Errorf("--for: %v is not a time: leave --for out for a limit that lasts", *c.For))
		}
		req.For = *c.For
	}
	return limits(m, c.place, req, keys, c.JSON)
}

// limits asks the node and shows those of keys, or all.
func limits(m *Main, p place, req *control.Request, keys []string, asJSON bool) error {
	cfg, err := m.load(p, "control")
	if err != nil {
		return err
	}
	resp, err := ask(m.ctx, cfg.Control, req)
	if err != nil {
		return asUsage(err)
	}
	if len(resp.Settings) == 0 {
		return errors.New("the node answered without its limits: is it another version?")
	}
	out := slices.DeleteFunc(resp.Settings, func(s control.Setting) bool { return len(keys) > 0 && !slices.Contains(keys, s.Key) })
	if asJSON {
		m.json(out)
		return nil
	}
	limitTable(m.Stdout, out)
	return nil
}
