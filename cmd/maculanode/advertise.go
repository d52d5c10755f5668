package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

type advertiseCmd struct {
	place
	Name string `arg:"" help:"The service."`

	Echo   bool          `help:"Answer with what is asked." xor:"backend"`
	HTTP   string        `help:"Pass calls to this address by POST." name:"http" placeholder:"URL" xor:"backend"`
	TTL    time.Duration `help:"How long the advertisement counts when the node is gone; that of the node." name:"ttl" placeholder:"D"`
	Detach bool          `help:"Return at once: the service lives until withdraw, or until the node stops."`
	JSON   bool          `help:"Print the lines as JSON." name:"json"`
}

// Help is the second part of --help.
func (c *advertiseCmd) Help() string {
	return `The running node answers the calls itself, or passes each to the HTTP backend: the body by POST,
with the headers Macula-Service, Macula-Caller and Macula-Timeout-Ms; an answer of 2xx is the reply.
The service ends when this command does, unless it was detached.

Examples:
  maculanode advertise demo.echo --echo
  maculanode advertise image.resize --http http://127.0.0.1:8080/resize
  maculanode advertise demo.echo --echo --detach; maculanode withdraw demo.echo`
}

// Run implements the command.
func (c *advertiseCmd) Run(m *Main) error {
	if err := wire.ValidName(c.Name); err != nil {
		return usage(err)
	}
	if !c.Echo && c.HTTP == "" {
		return usage(errors.New("who answers? give --echo or --http URL"))
	}
	if c.HTTP != "" {
		if _, err := backend.NewHTTP(c.HTTP, backend.Limits{}); err != nil {
			return usage(fmt.Errorf("--http: %w", err))
		}
	}
	if c.TTL < 0 {
		return usage(fmt.Errorf("--ttl: %v is negative", c.TTL))
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	s, err := control.Open(m.ctx, cfg.Control, &control.Request{
		Verb: control.VerbAdvertise, Name: c.Name, HTTP: c.HTTP, TTL: c.TTL, Detach: c.Detach,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Next(); err != nil {
		return err
	}
	c.say(m, "advertised")
	if c.Detach {
		return nil
	}
	_, err = s.Next()
	if m.ctx.Err() != nil {
		c.say(m, "withdrawn")
		return nil // this is how it is meant to end
	}
	return fmt.Errorf("%s is not provided any more: %w", c.Name, err)
}

func (c *advertiseCmd) say(m *Main, event string) {
	if c.JSON {
		m.json(map[string]string{"event": event, "service": c.Name})
		return
	}
	fmt.Fprintf(m.Stdout, "%s %s\n", event, c.Name)
}

type withdrawCmd struct {
	place
	Name string `arg:"" help:"The service." complete:"own"`
}

// Help is the second part of --help.
func (c *withdrawCmd) Help() string {
	return `Ends a service of the running node: one that was detached, one whose command is still attached, or
one of the configuration. Calls in progress finish.

Examples:
  maculanode withdraw demo.echo`
}

// Run implements the command.
func (c *withdrawCmd) Run(m *Main) error {
	if err := wire.ValidName(c.Name); err != nil {
		return usage(err)
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	if _, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbWithdraw, Name: c.Name}); err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "withdrawn %s\n", c.Name)
	return nil
}

// askTimeout is for what the node answers from memory.
const askTimeout = 5 * time.Second

// ask is a question that the node answers at once.
func ask(ctx context.Context, path string, req *control.Request) (*control.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fault.New("", fault.Deadline, "the node behind %s did not answer within %v", path, askTimeout))
	defer cancel()
	return control.Do(ctx, path, req)
}
