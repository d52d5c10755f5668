package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/loadtest"
	"github.com/maculamesh/macula/load"
)

type loadtestCmd struct {
	Test string `help:"pool, clients, services, streams, callers or all." enum:"pool,clients,services,streams,callers,all" default:"all" placeholder:"NAME"`

	Peers    int           `help:"Peers that connect to a node, more than its pool holds." default:"1500" placeholder:"N"`
	Cap      int           `help:"Connections that the pool may hold." default:"1000" placeholder:"N"`
	Clients  int           `help:"Clients that come to a gateway, each once, more than it takes." default:"150" placeholder:"N"`
	Limit    int           `help:"Clients that the gateway takes." default:"100" placeholder:"N"`
	Services int           `help:"Services that are not renewed." default:"10" placeholder:"N"`
	TTL      time.Duration `help:"Time to live of the first of them; the last one has twice that." default:"2s" placeholder:"D" name:"ttl"`
	Leaving  int           `help:"Clients that leave with calls in flight; every third one is a process that is killed." default:"10" placeholder:"N"`
	Callers  int           `help:"Calls in flight for each way in which a caller dies." default:"10" placeholder:"N"`
	Idle     time.Duration `help:"Idle timeout of the nodes whose clients are killed: nothing else tells of that." default:"3s" placeholder:"D"`
	Lanes    int           `help:"How many connect at a time." default:"16" placeholder:"N"`
	Slack    time.Duration `help:"How long what is to happen at once may take: more on a machine that is busy otherwise." default:"1s" placeholder:"D"`

	JSON    bool   `help:"Print JSON at the end, and nothing else." name:"json"`
	Color   string `help:"auto, always or never; auto is on a terminal, when $$NO_COLOR is not set." enum:"auto,always,never" default:"auto" placeholder:"WHEN"`
	NoColor bool   `help:"The same as --color never."`
}

// Help is the second part of --help.
func (c *loadtestCmd) Help() string {
	return `It plays five tests of the limits over real QUIC connections on loopback, needs no running node and
leaves nothing behind. Every machine of a test has a UDP socket and a key of its own; callers that
are killed are processes of their own, and the kill is SIGKILL. What is open is counted at both ends.

  pool      more peers than the pool holds: the idle ones make room and are closed, one in use never
  clients   more clients than the gateway takes: the rest is refused, with a time to come back
  services  what is not renewed is not found from its end on, and then swept
  streams   clients leave (closed, superseded, killed): streams, services and calls leave with them
  callers   calls are cancelled, streams reset, a process killed: their calls go, handlers are told

After the last one, heap, goroutines and descriptors must be as before the first. The heap may keep
1 MiB: some caches of the process are filled once; it has a minute to shrink, since QUIC remembers
closed connections for a while. QUIC sends nothing for a process that was killed:
the node hears of it by --idle and at most a third of that more. Whatever is to happen at once gets
--slack, and a test that waits for something gives up after 20 s.

Exit codes: 0 all held, 1 something did not, 2 usage, 4 interrupted, as simrun has it: "simrun run
load" plays the same tests in simulation.

Examples:
  maculanode loadtest
  maculanode loadtest --test pool --peers 300 --cap 200
  maculanode loadtest --json | jq .baseline`
}

// exitInterrupted is what simrun exits with, too.
const exitInterrupted = 4

// Run implements the command.
func (c *loadtestCmd) Run(m *Main) error {
	cfg, err := c.config(m)
	if err != nil {
		return usage(err)
	}
	var out loadtest.Output = loadtest.Silent{}
	if !c.JSON {
		moving := terminal(m.Stdout) && m.env("TERM") != "dumb"
		out = &loadtest.Text{Out: m.Stdout, Moving: moving, Color: c.colored(m, moving)}
	}
	rep := loadtest.Play(m.ctx, cfg, out)
	if c.JSON {
		m.json(rep.JSON())
	}
	switch {
	case rep.OK():
		return nil
	case m.ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("the load test was interrupted")}
	case rep.Failed() == 0:
		return errors.New("something of the load test was left when everything was closed")
	}
	return fmt.Errorf("%d of %d load tests failed", rep.Failed(), len(rep.Results))
}

// config checks the flags.
func (c *loadtestCmd) config(m *Main) (loadtest.Config, error) {
	cfg := loadtest.Config{
		Load: load.Config{
			Peers: c.Peers, Cap: c.Cap, Clients: c.Clients, Limit: c.Limit, Services: c.Services, TTL: c.TTL,
			Leaving: c.Leaving, Callers: c.Callers, Idle: c.Idle, Lanes: c.Lanes,
		},
		Command: m.victim, Slack: c.Slack,
	}
	// There a zero is the default.
	for _, x := range []struct {
		name string
		zero bool
	}{
		{"peers", c.Peers == 0}, {"cap", c.Cap == 0}, {"clients", c.Clients == 0}, {"limit", c.Limit == 0},
		{"services", c.Services == 0}, {"ttl", c.TTL == 0}, {"leaving", c.Leaving == 0}, {"callers", c.Callers == 0},
		{"idle", c.Idle == 0}, {"lanes", c.Lanes == 0},
	} {
		if x.zero {
			return cfg, fmt.Errorf("--%s: 0 is out of range: %s", x.name, load.Range(x.name))
		}
	}
	if c.Slack < time.Millisecond || c.Slack > time.Minute {
		return cfg, fmt.Errorf("--slack: %v is out of range: 1ms to 1m", c.Slack)
	}
	if err := cfg.Load.Validate(); err != nil {
		return cfg, fmt.Errorf("--%w", err)
	}
	var err error
	if cfg.Tests, err = loadtest.Select(c.Test); err != nil {
		return cfg, fmt.Errorf("--test: %w", err)
	}
	return cfg, cfg.Fits()
}

// colored decides on colours.
func (c *loadtestCmd) colored(m *Main, tty bool) bool {
	switch {
	case c.NoColor || c.Color == "never":
		return false
	case c.Color == "always":
		return true
	}
	return tty && m.env("NO_COLOR") == ""
}

// victim is a command that runs loadtest-victim of this program.
func (m *Main) victim() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, "loadtest-victim"), nil
}

// loadtestVictimCmd is a caller in a process of its own, for loadtest to kill.
type loadtestVictimCmd struct{}

// Run implements the command.
func (c *loadtestVictimCmd) Run(m *Main) error { return loadtest.Serve(m.ctx, m.Stdin, m.Stdout) }
