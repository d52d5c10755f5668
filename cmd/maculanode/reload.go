package main

import (
	"errors"
	"fmt"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

type reloadCmd struct {
	place
	JSON bool `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *reloadCmd) Help() string {
	return `The running node reads its configuration file again; the variables and flags are those that it was
started with. It takes everything that can change while it runs and names what needs a restart, or
it changes nothing and says what is wrong (exit code 2). SIGHUP does the same. What "limits set" has
changed is as in the configuration afterwards.

Examples:
  maculanode config check && maculanode reload
  maculanode reload --json | jq '.needs_restart[].key'
  kill -HUP $(pidof maculanode)`
}

// Run implements the command.
func (c *reloadCmd) Run(m *Main) error {
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	resp, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbReload})
	if err != nil {
		return asUsage(err)
	}
	r := resp.Reload
	if r == nil {
		return errors.New("the node answered without saying what has changed: is it another version?")
	}
	if c.JSON {
		m.json(r)
		return nil
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(m.Stdout, "warning: %s\n", w)
	}
	for _, x := range r.Changed {
		fmt.Fprintf(m.Stdout, "changed: %s from %s to %s\n", x.Key, orDash(x.Old), orDash(x.New))
	}
	for _, x := range r.Restart {
		fmt.Fprintf(m.Stdout, "needs a restart: %s is %s, and will be %s\n", x.Key, orDash(x.Old), orDash(x.New))
	}
	if len(r.Changed)+len(r.Restart) == 0 {
		fmt.Fprintln(m.Stdout, "nothing has changed")
	}
	return nil
}
