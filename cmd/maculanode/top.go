package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/top"
	"github.com/maculamesh/macula/node/fault"
)

type topCmd struct {
	place
	Every   time.Duration `help:"How often the node is asked." default:"1s" placeholder:"D"`
	Once    bool          `help:"Print one frame, after two questions, and exit: for scripts."`
	Table   string        `help:"The table that is shown first: peers, clients, services or calls." enum:"peers,clients,services,calls" default:"peers" placeholder:"NAME"`
	NoColor bool          `help:"No colours. Also $$NO_COLOR."`
}

// Help is the second part of --help.
func (c *topCmd) Help() string {
	return `Limits stand beside their use; rates are those since the last question. Peers and clients are sorted
by what they have asked and answered since then, calls by their age.

Keys: p c s o choose peers, clients, services or the oldest calls; j k, the arrows and the page keys
scroll, g and G go to the ends; space pauses; q or Ctrl-C quits. When the node does not answer, top
says so and goes on asking.

Examples:
  maculanode top
  maculanode top --table calls
  maculanode top --once --no-color | head -12`
}

// Run implements the command.
func (c *topCmd) Run(m *Main) error {
	if c.Every < 100*time.Millisecond || c.Every > time.Hour {
		return usage(fmt.Errorf("--every: %v is out of range: 100ms to 1h", c.Every))
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	question := func(ctx context.Context) (top.Sample, error) { return sample(ctx, cfg.Control) }
	if c.Once {
		return c.once(m, question)
	}
	in, _ := asFile(m.Stdin)
	out, _ := asFile(m.Stdout)
	if in == nil || out == nil || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return usage(errors.New("top needs a terminal: use --once to print one frame"))
	}
	return top.Run(m.ctx, top.Config{Ask: question, In: in, Out: out, Every: c.Every, Color: !c.NoColor && m.env("NO_COLOR") == "", Table: c.table()})
}

// sampleTime is how long the node may take: then the view says so.
const sampleTime = 2 * time.Second

// sample asks a node for what is shown.
func sample(ctx context.Context, path string) (top.Sample, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleTime, fault.New("", fault.Deadline, "the node behind %s did not answer within %v", path, sampleTime))
	defer cancel()
	resp, err := ask(ctx, path, &control.Request{Verb: control.VerbStatus})
	if err != nil {
		return top.Sample{}, err
	}
	s := top.Sample{Status: resp.Status}
	if resp, err = ask(ctx, path, &control.Request{Verb: control.VerbCalls}); err != nil {
		return top.Sample{}, err
	}
	s.Calls = resp.Calls
	return s, nil
}

// once prints one frame. Rates need two samples.
func (c *topCmd) once(m *Main, question func(context.Context) (top.Sample, error)) error {
	prev, err := question(m.ctx)
	if err != nil {
		return err
	}
	select {
	case <-time.After(c.Every):
	case <-m.ctx.Done():
		return fault.New("", fault.Cancelled, "cancelled before the second question")
	}
	cur, err := question(m.ctx)
	if err != nil {
		return err
	}
	if cur.Status == nil {
		return errors.New("the node answered without a status: is it another version?")
	}
	width, height := m.screen()
	st := top.State{Table: c.table(), Once: true, Color: !c.NoColor && m.env("NO_COLOR") == "" && terminal(m.Stdout)}
	for _, line := range top.Frame(cur, prev, width, height, st) {
		fmt.Fprintln(m.Stdout, line)
	}
	return nil
}

// screen is the size of the terminal, or what $COLUMNS and $LINES say.
func (m *Main) screen() (width, height int) {
	if f, ok := asFile(m.Stdout); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	size := func(name string, other int) int {
		if n, err := strconv.Atoi(m.env(name)); err == nil && n > 0 && n <= 10_000 {
			return n
		}
		return other
	}
	return size("COLUMNS", top.DefaultWidth), size("LINES", top.DefaultHeight)
}

func (c *topCmd) table() top.Table {
	return map[string]top.Table{"peers": top.Peers, "clients": top.Clients, "services": top.Services, "calls": top.Calls}[c.Table]
}
