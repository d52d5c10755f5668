package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/view"
)

type viewCmd struct {
	Name     string            `arg:"" help:"A failure file, a file with a plan, or the name of a scenario."`
	Seed     uint64            `help:"Of a plan or scenario: the seed." default:"1"`
	Set      map[string]string `help:"Set a parameter of the scenario: --set cap=100." placeholder:"KEY=VALUE"`
	Strategy string            `help:"The scheduler." default:"random" placeholder:"NAME"`
	Out      string            `help:"Where it goes, - for standard output; the name of the scenario and its seed." short:"o" placeholder:"FILE"`
	Format   string            `help:"html for a browser, perfetto for ui.perfetto.dev, jsonl for diff and for other programs." enum:"html,perfetto,jsonl" default:"html"`
	Records  int               `help:"Keep the last so many decisions; 400,000." placeholder:"N"`
	JSON     bool              `help:"Print JSON." name:"json"`
}

// Run plays the run and draws it. A failing run is drawn like any other, and
// what counts is that it is.
func (c *viewCmd) Run(ctx context.Context, a *App) error {
	if c.Records < 0 {
		return fmt.Errorf("--records=%d: want at least one", c.Records)
	}
	s, opt, err := c.what(a)
	if err != nil {
		return err
	}
	opt.Stop = func() bool { return ctx.Err() != nil }
	run, res, err := a.recorded(s, opt, c.Records)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintf(a.Stderr, "%s: interrupted\n", a.Name)
		return outcome(Internal)
	}
	out := c.Out
	if out == "-" {
		return a.drawTo(a.Stdout, out, c.Format, run)
	}
	if out == "" {
		ending := map[string]string{"html": "html", "perfetto": "trace.json", "jsonl": "jsonl"}[c.Format]
		out = fmt.Sprintf("%s-%d.%s", res.Scenario, res.Seed, ending)
	}
	if err := a.draw(out, c.Format, run); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.Stdout, drawn{out, c.Format, resultJSON(res, 0), len(run.Records), run.Cut, len(run.Machines)})
	}
	word := "held"
	if !res.Held() {
		word = "VIOLATED: " + res.Failure.Property
	}
	fmt.Fprintf(a.Stdout, "%s  seed %d  %s\n%s: %d decisions of %d machines", res.Scenario, res.Seed, word, out, len(run.Records), len(run.Machines))
	if run.Cut > 0 {
		fmt.Fprintf(a.Stdout, "; the first %d are left out (--records keeps more)", run.Cut)
	}
	fmt.Fprintln(a.Stdout)
	return nil
}

// what is the run that is to be drawn.
func (c *viewCmd) what(a *App) (*scenario.Scenario, scenario.Options, error) {
	opt := scenario.Options{Seed: c.Seed, Strategy: c.Strategy, Set: c.Set}
	if strings.HasSuffix(c.Name, ".json") {
		if c.Seed != 1 || c.Strategy != "random" || len(c.Set) > 0 {
			return nil, opt, fmt.Errorf("%s: a failure file has its own seed, strategy and parameters", c.Name)
		}
		f, s, err := a.load(c.Name)
		if err != nil {
			return nil, opt, err
		}
		opt, err = f.options(a, s)
		return s, opt, err
	}
	s, err := a.find(c.Name)
	if err == nil {
		opt.Watch = a.watched(s, c.Seed, nil)
	}
	return s, opt, err
}

// recorded plays a run and keeps what can be drawn of it.
func (a *App) recorded(s *scenario.Scenario, opt scenario.Options, limit int) (*view.Run, *scenario.Result, error) {
	rec := view.NewRecorder(limit)
	opt.Trace, opt.Sample = rec.Record, rec.Sample
	res, err := scenario.Play(s, opt)
	if err != nil {
		return nil, nil, err
	}
	run := view.Of(res, rec)
	run.Version, run.Again = a.Version, a.replay(res)
	return run, res, nil
}

// draw writes a run to a file.
func (a *App) draw(name, format string, run *view.Run) error {
	var b bytes.Buffer
	if err := a.drawTo(&b, name, format, run); err != nil {
		return err
	}
	return a.WriteFile(name, b.Bytes())
}

func (a *App) drawTo(w io.Writer, name, format string, run *view.Run) error {
	write := map[string]func(io.Writer, *view.Run) error{"html": view.HTML, "perfetto": view.Perfetto, "jsonl": view.JSONL}[format]
	if err := write(w, run); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// drawn is what view has written.
type drawn struct {
	File      string  `json:"file"`
	Format    string  `json:"format"`
	Run       runJSON `json:"run"`
	Decisions int     `json:"decisions"`
	LeftOut   uint64  `json:"left_out"`
	Machines  int     `json:"machines"`
}

type diffCmd struct {
	A    string `arg:"" help:"A trace: a file that view --format jsonl or run --trace FILE wrote."`
	B    string `arg:"" help:"The other one."`
	JSON bool   `help:"Print JSON." name:"json"`
}

// differing is where two traces part.
type differing struct {
	Same     bool   `json:"same"`
	Common   uint64 `json:"common"`             // decisions that are the same in both
	Decision uint64 `json:"decision,omitempty"` // the first one that is not
	A        string `json:"a,omitempty"`        // what each did then; empty when that trace was over
	B        string `json:"b,omitempty"`
}

func differingOf(d *view.Difference, decisions int) differing {
	if d == nil {
		return differing{Same: true, Common: uint64(decisions)}
	}
	out := differing{Common: d.Common, Decision: d.Decision}
	if d.A != nil {
		out.A = d.A.String()
	}
	if d.B != nil {
		out.B = d.B.String()
	}
	return out
}

// Run compares two traces. That they differ is exit code 1.
func (c *diffCmd) Run(a *App) error {
	var runs [2]*view.Run
	for i, name := range []string{c.A, c.B} {
		data, err := a.ReadFile(name)
		if err != nil {
			return err
		}
		if runs[i], err = view.ReadJSONL(bytes.NewReader(data)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	d := view.Diff(runs[0], runs[1])
	if c.JSON {
		if err := writeJSON(a.Stdout, differingOf(d, len(runs[0].Records))); err != nil || d == nil {
			return err
		}
		return outcome(Violated)
	}
	if d == nil {
		fmt.Fprintf(a.Stdout, "the traces are the same: %d decisions, hash %016x\n", len(runs[0].Records), runs[0].Hash)
		return nil
	}
	fmt.Fprintf(a.Stdout, "a is %s, b is %s\n%v\n", c.A, c.B, d)
	return outcome(Violated)
}
