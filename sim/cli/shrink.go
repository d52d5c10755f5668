package cli

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/shrink"
)

type shrinkCmd struct {
	File  string        `arg:"" help:"A failure file that sweep --out wrote, or a plan."`
	Seed  uint64        `help:"Of a plan: the seed that fails." default:"1"`
	Out   string        `help:"Where the small failure file goes, beside it its plan; FILE.small.json." short:"o" placeholder:"FILE"`
	Seeds int           `help:"How many seeds each smaller plan is tried with." default:"6"`
	Jobs  int           `help:"Runs at a time; one for each processor."`
	For   time.Duration `help:"Stop after this long with what there is." default:"10m" placeholder:"D"`
	JSON  bool          `help:"Print JSON." name:"json"`
}

type shrunk struct {
	Before  shrink.Size `json:"before"`
	After   shrink.Size `json:"after"`
	Runs    int         `json:"runs"`
	Took    int64       `json:"took_ns"`
	Minimal bool        `json:"minimal"`
	Plan    []string    `json:"plan"`
	File    string      `json:"file"`
}

// Run makes the run of the file small and writes it down.
func (c *shrinkCmd) Run(ctx context.Context, a *App) error {
	begun := a.Now()
	in, f, err := c.failing(a)
	if err != nil {
		return err
	}
	cfg := shrink.Config{
		Systems: a.Systems, Seeds: c.Seeds, Jobs: c.Jobs,
		Stop: func() bool { return ctx.Err() != nil || a.Now().Sub(begun) > c.For },
	}
	if a.Progress != nil && !c.JSON {
		cfg.Progress = func(z shrink.Size) { a.Progress(fmt.Sprintf("%d lines", z.Lines), 0, 0, 0) }
	}
	res, err := shrink.Run(*in, cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	file := c.Out
	if file == "" {
		file = strings.TrimSuffix(strings.TrimSuffix(c.File, ".json"), ".plan") + ".small.json"
	}
	small := a.failureOf(res.Run)
	small.Strategy, small.Stride = res.Strategy, shrink.Stride
	if res.Schedule != nil {
		small.Small, small.TieSeed, small.Strategy = true, res.Schedule.TieSeed, f.Strategy
		small.Decisions = nil
		for _, d := range res.Schedule.Decisions {
			small.Decisions = append(small.Decisions, d.String())
		}
	}
	if err := a.write(file, small); err != nil {
		return err
	}
	planFile := strings.TrimSuffix(file, path.Ext(file)) + ".plan"
	if err := a.WriteFile(planFile, []byte(res.Plan.String())); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.Stdout, shrunk{res.Before, res.After, res.Runs, int64(a.Now().Sub(begun)), res.Minimal, small.Plan, file})
	}
	c.print(a, res, file, planFile, a.Now().Sub(begun))
	return nil
}

// failing is the case of the file.
func (c *shrinkCmd) failing(a *App) (*shrink.Case, *failure, error) {
	if isPlan(c.File) {
		s, err := a.find(c.File)
		if err != nil {
			return nil, nil, err
		}
		p, err := s.Draw(c.Seed, nil)
		return &shrink.Case{Plan: p, Seed: c.Seed, Strategy: "random"}, &failure{Strategy: "random"}, err
	}
	f, s, err := a.load(c.File)
	if err != nil {
		return nil, nil, err
	}
	if s.Plan == nil {
		return nil, nil, fmt.Errorf("%s: the scenario %s is told in Go, not in a plan: there are no lines to take out", c.File, s.Name)
	}
	p, err := s.Draw(f.Seed, f.Params)
	if err != nil {
		return nil, nil, err
	}
	in := &shrink.Case{Plan: p, Seed: f.Seed, Strategy: f.Strategy}
	if r, err := scenario.Play(s, scenario.Options{Seed: f.Seed, Strategy: f.Strategy, Set: f.Params}); f.Small || err == nil && r.Held() {
		// Only the recorded decisions lead there, if anything does.
		in.Schedule, err = f.schedule()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return in, f, nil
}

func (c *shrinkCmd) print(a *App, res *shrink.Result, file, planFile string, took time.Duration) {
	fmt.Fprintf(a.Stdout, "before: %v\nafter:  %v\n%d runs in %v", res.Before, res.After, res.Runs, took.Round(time.Millisecond))
	if res.Minimal {
		fmt.Fprintf(a.Stdout, "; without any one of its lines it holds in %d seeds\n", c.Seeds)
	} else {
		fmt.Fprint(a.Stdout, "; the time was up, so it may not be the smallest\n")
	}
	fmt.Fprintf(a.Stdout, "\n%s\n%v\n\nwritten: %s and %s\nagain:   %s replay %s\n", indent(res.Plan), res.Run.Failure, file, planFile, a.Name, file)
}

func indent(p *plan.Plan) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(p.String(), "\n"), "\n", "\n  ") + "\n"
}
