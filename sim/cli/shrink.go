package cli

import (
	"context"
	"fmt"
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
	For   time.Duration `help:"Stop after this long with what there is; ten minutes." default:"10m" placeholder:"D"`
	JSON  bool          `help:"Print JSON." name:"json"`
}

type shrunk struct {
	Before  shrink.Size `json:"before"`
	After   shrink.Size `json:"after"`
	Runs    int         `json:"runs"`
	Took    int64       `json:"took_ns"`
	Minimal bool        `json:"minimal"`
	// Otherwise are lines without which it fails in another way.
	Otherwise []shrink.Otherwise `json:"otherwise,omitempty"`
	Plan      []string           `json:"plan"`
	File      string             `json:"file"`
}

// Run makes the run of the file small and writes it down.
func (c *shrinkCmd) Run(ctx context.Context, a *App) error {
	begun := a.Now()
	file, err := c.check()
	if err != nil {
		return err
	}
	in, f, err := c.failing(ctx, a)
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
	if res.Run.Failure.Property == scenario.Interrupted {
		fmt.Fprintf(a.Stderr, "%s: %s: ended before its first run was over\n", a.Name, c.File)
		return outcome(Internal)
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
	planFile := strings.TrimSuffix(file, ".json") + ".plan"
	if err := a.WriteFile(planFile, []byte(a.fails(res, planFile)+res.Plan.String())); err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(a.Stdout, shrunk{res.Before, res.After, res.Runs, int64(a.Now().Sub(begun)), res.Minimal, res.Otherwise, small.Plan, file})
	} else {
		a.progressOver()
		c.print(a, res, file, planFile, a.Now().Sub(begun))
	}
	if err == nil && ctx.Err() != nil {
		fmt.Fprintf(a.Stderr, "%s: interrupted; what was reached is above\n", a.Name)
		return outcome(Internal)
	}
	return err
}

// fails says above a small plan how it fails: the plan alone does not say with
// which seed.
func (a *App) fails(res *shrink.Result, planFile string) string {
	if res.Schedule != nil {
		return fmt.Sprintf("# Fails with seed %d in the order of tasks that its failure file has.\n", res.Seed)
	}
	return fmt.Sprintf("# Fails: %s run %s --seed %d --strategy %s\n", a.command(), planFile, res.Seed, res.Strategy)
}

// check looks at the options, and returns where the small file goes.
func (c *shrinkCmd) check() (file string, err error) {
	switch {
	case c.Seeds < 1:
		return "", fmt.Errorf("--seeds=%d: want at least one", c.Seeds)
	case c.Jobs < 0:
		return "", fmt.Errorf("--jobs=%d: want at least one, or none for one on each processor", c.Jobs)
	case c.For <= 0:
		return "", fmt.Errorf("--for=%v: want some time", c.For)
	case c.Out == "":
		return strings.TrimSuffix(strings.TrimSuffix(c.File, ".json"), ".plan") + ".small.json", nil
	case !strings.HasSuffix(c.Out, ".json"):
		return "", fmt.Errorf("--out=%s: want a name that ends in .json; the plan goes beside it", c.Out)
	}
	return c.Out, nil
}

// failing is the case of the file.
func (c *shrinkCmd) failing(ctx context.Context, a *App) (*shrink.Case, *failure, error) {
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
	opt, err := f.options(a, s)
	if err != nil {
		return nil, nil, err
	}
	opt.Stop = func() bool { return ctx.Err() != nil }
	r, err := scenario.Play(s, opt)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.File, err)
	}
	in := &shrink.Case{Plan: p, Seed: f.Seed, Strategy: f.Strategy, Schedule: opt.Schedule}
	if ctx.Err() != nil || !r.Held() && r.Failure.Signature() == f.Signature {
		return in, f, nil
	}
	// Only the recorded decisions lead there, if anything does.
	if f.bySchedule(s, opt) == nil {
		return nil, nil, fmt.Errorf("%s: the code has changed, and the run does not fail like that any more; replay %s says what it does", c.File, c.File)
	}
	in.Schedule, err = f.schedule()
	return in, f, err
}

func (c *shrinkCmd) print(a *App, res *shrink.Result, file, planFile string, took time.Duration) {
	fmt.Fprintf(a.Stdout, "before: %v\nafter:  %v\n%d runs in %v", res.Before, res.After, res.Runs, took.Round(time.Millisecond))
	switch {
	case res.Minimal:
		fmt.Fprintf(a.Stdout, "; without any one of its lines it holds in %d seeds\n", c.Seeds)
	case len(res.Otherwise) > 0:
		fmt.Fprint(a.Stdout, "; without any one of its lines it does not fail like this, but\n")
		for _, o := range res.Otherwise {
			fmt.Fprintf(a.Stdout, "  without %q it fails otherwise: %s\n", o.Line, o.Signature)
		}
	default:
		fmt.Fprint(a.Stdout, "; the time was up, so it may not be the smallest\n")
	}
	fmt.Fprintf(a.Stdout, "\n%s\n%v\n\nwritten: %s and %s\nagain:   %s replay %s\n", indent(res.Plan), res.Run.Failure, file, planFile, a.command(), file)
}

func indent(p *plan.Plan) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(p.String(), "\n"), "\n", "\n  ") + "\n"
}
