package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

type drainCmd struct {
	place
	Timeout time.Duration `help:"How long what is in progress may take." default:"30s" placeholder:"D"`
	JSON    bool          `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *drainCmd) Help() string {
	return `The node reports that it is not ready, takes no newcomers, withdraws its services, tells its clients
where else to go, and lets calls in progress finish. It stays up, and empty, until it is stopped.
The exit code is 5 when something was left at the end of --timeout; a second drain goes on waiting.

Examples:
  maculanode drain
  maculanode drain --timeout 5m && systemctl stop maculanode`
}

// maxDrain bounds --timeout.
const maxDrain = 24 * time.Hour

// Run implements the command.
func (c *drainCmd) Run(m *Main) error {
	if c.Timeout < time.Millisecond || c.Timeout > maxDrain {
		return usage(fmt.Errorf("--timeout: %v is out of range: 1ms to %v", c.Timeout, maxDrain))
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	// The node ends the drain, since only it knows what is left then.
	ctx, cancel := context.WithTimeoutCause(m.ctx, c.Timeout+askTimeout, fault.New("", fault.Deadline, "the node did not say how far it is within %v", c.Timeout+askTimeout))
	defer cancel()
	resp, err := control.Do(ctx, cfg.Control, &control.Request{Verb: control.VerbDrain, Timeout: c.Timeout})
	if err != nil {
		return err
	}
	d := resp.Drained
	if d == nil {
		return errors.New("the node answered without saying what it has drained: is it another version?")
	}
	if c.JSON {
		m.json(d)
	} else {
		fmt.Fprintf(m.Stdout, "withdrew %s, told %s to go elsewhere, waited for %s: %v\n",
			count(d.Services, "service"), count(d.Clients, "client"), count(d.Calls, "call"), seconds(d.Took))
		if d.Left == 0 {
			fmt.Fprintln(m.Stdout, "nothing is left: the node can be stopped")
		}
	}
	if d.Left > 0 {
		are := "are"
		if d.Left == 1 {
			are = "is"
		}
		return fault.New("", fault.Deadline, "%d of the clients and calls %s left: run \"maculanode drain\" again to wait on, or stop the node", d.Left, are)
	}
	return nil
}

// count is "1 call" or "2 calls".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
