package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/bench"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
)

type benchCmd struct {
	place
	Duration time.Duration `help:"How long each row is measured, half of it calls and half of it QUIC." default:"2s" placeholder:"D"`
	Body     []int         `help:"Bytes of a request, one or more." default:"64,1024" placeholder:"N"`
	Callers  []int         `help:"Callers at a time, one or more." default:"1,16,64" placeholder:"N"`
	Service  string        `help:"Call this service as a client of the running node, instead of two nodes in this process." placeholder:"NAME" complete:"service"`
	JSON     bool          `help:"Print JSON at the end, and nothing else." name:"json"`
}

// Help is the second part of --help.
func (c *benchCmd) Help() string {
	return `Two nodes in this process call each other by name over QUIC on loopback, with deadlines, ledger and
limits on. In turns with them the same bodies go through one stream of QUIC without any of that: that
is the limit of this machine at this moment, and the share of it is what can be compared with other
runs. The answer has the length of the request. Both ends share the processors of this machine.

With --service a service of the mesh is called through the node that runs here, over QUIC, as a
client with a key of its own would. A call that takes more than 10 s has failed. The exit code is 1
when a call failed.

Examples:
  maculanode bench
  maculanode bench --duration 10s --body 64 --callers 1,256
  maculanode bench --service demo.echo --json | jq '.rows[].p99_us'`
}

// Run implements the command.
func (c *benchCmd) Run(m *Main) error {
	cfg := bench.Config{Bodies: c.Body, Callers: c.Callers, For: c.Duration}
	if err := cfg.Check(); err != nil {
		return usage(fmt.Errorf("--%w", err))
	}
	target, err := c.target(m)
	if err != nil {
		return err
	}
	defer target.Close()
	if c.Service != "" {
		if err := target.Call(m.ctx, make([]byte, c.Body[0])); err != nil && m.ctx.Err() == nil {
			return fmt.Errorf("%s cannot be measured, the first call failed: %w", c.Service, err)
		}
	}
	if !c.JSON {
		fmt.Fprintf(m.Stdout, "%s\n%8s %8s %12s %10s %10s %12s %7s\n", target.Name, "BODY", "CALLERS", "CALLS/S", "P50", "P99", "QUIC/S", "SHARE")
	}
	rows := []bench.Row{}
	failed := uint64(0)
	err = bench.Run(m.ctx, cfg, target, func(r bench.Row) {
		rows, failed = append(rows, r), failed+r.Failed
		if !c.JSON {
			fmt.Fprintf(m.Stdout, "%6d B %8d %12.0f %10s %10s %12.0f %5.0f %%\n", r.Body, r.Callers, r.Rate, micros(r.P50), micros(r.P99), r.Raw, 100*r.Share)
		}
	})
	if c.JSON {
		m.json(struct {
			Target string      `json:"target"`
			Rows   []bench.Row `json:"rows"`
		}{target.Name, rows})
	}
	switch {
	case m.ctx.Err() != nil:
		return fault.New("", fault.Cancelled, "the measurement was interrupted")
	case err != nil:
		return err
	case failed > 0:
		for _, r := range rows {
			if r.Error != "" {
				return fmt.Errorf("%d calls failed, the first: %s", failed, r.Error)
			}
		}
	}
	return nil
}

// target is what is called.
func (c *benchCmd) target(m *Main) (*bench.Target, error) {
	if c.Service == "" {
		return bench.Own(m.ctx)
	}
	if err := wire.ValidName(c.Service); err != nil {
		return nil, usage(fmt.Errorf("--service: %w", err))
	}
	s, err := m.status(c.place)
	if err != nil {
		return nil, err
	}
	id, err := ident.Parse(s.ID)
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(s.Addr)
	if err != nil {
		return nil, errors.New("the node does not say where it listens: is it another version?")
	}
	return bench.Attach(m.ctx, s.Realm, id, at, c.Service)
}

// micros is a time in microseconds for people.
func micros(us float64) string {
	d := time.Duration(us * float64(time.Microsecond))
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
