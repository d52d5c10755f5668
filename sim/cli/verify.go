package cli

import (
	"context"
	"fmt"

	"github.com/maculamesh/macula/sim/scenario"
)

type verifyCmd struct {
	choice
	Seeds int    `help:"How many seeds." default:"5"`
	From  uint64 `help:"The first seed." default:"1"`
}

// Run plays every seed again: at once, after another seed, and at another
// GOMAXPROCS. All of them must take the same path.
func (c *verifyCmd) Run(ctx context.Context, a *App) error {
	list, err := c.scenarios(a)
	if err != nil {
		return err
	}
	if c.Seeds < 1 {
		return fmt.Errorf("--seeds=%d: want at least one", c.Seeds)
	}
	for _, s := range list {
		for i := range c.Seeds {
			if ctx.Err() != nil {
				fmt.Fprintf(a.Stderr, "%s: interrupted after %d seeds of %s\n", a.Name, i, s.Name)
				return outcome(Internal)
			}
			if err := c.verify(ctx, a, s, c.From+uint64(i)); err != nil {
				return err
			}
		}
		if !c.JSON {
			fmt.Fprintf(a.Stdout, "%-16s %d seeds, each the same again, after another seed, and at another GOMAXPROCS\n", s.Name, c.Seeds)
		}
	}
	return nil
}

// verify plays one seed in every way.
func (c *verifyCmd) verify(ctx context.Context, a *App, s *scenario.Scenario, seed uint64) error {
	opt := c.options(ctx, a, seed)
	want, err := scenario.Play(s, opt)
	if err != nil {
		return err
	}
	other := opt
	other.Seed = seed + 1_000_003
	for _, way := range []struct {
		name string
		play func() (*scenario.Result, error)
	}{
		{"played again", func() (*scenario.Result, error) { return scenario.Play(s, opt) }},
		{"after another seed", func() (*scenario.Result, error) {
			if _, err := scenario.Play(s, other); err != nil {
				return nil, err
			}
			return scenario.Play(s, opt)
		}},
		{"at GOMAXPROCS=1", func() (r *scenario.Result, err error) {
			if a.Procs == nil {
				return want, nil
			}
			a.Procs(1, func() { r, err = scenario.Play(s, opt) })
			return r, err
		}},
	} {
		got, err := way.play()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return outcome(Internal) // cut short, so the hashes say nothing
		}
		if got.Hash != want.Hash {
			return c.differs(a, s, opt, want, got, way.name)
		}
	}
	if c.JSON {
		return writeJSON(a.Stdout, verified{s.Name, seed, fmt.Sprintf("%016x", want.Hash), true})
	}
	return nil
}

type verified struct {
	Scenario      string `json:"scenario"`
	Seed          uint64 `json:"seed"`
	Hash          string `json:"hash"`
	Deterministic bool   `json:"deterministic"`
}

// differs looks for the first event in which two runs part.
func (c *verifyCmd) differs(a *App, s *scenario.Scenario, opt scenario.Options, want, got *scenario.Result, way string) error {
	fmt.Fprintf(a.Stdout, "%s  seed %d  NOT DETERMINISTIC: hash %016x, and %016x when %s\n", s.Name, opt.Seed, want.Hash, got.Hash, way)
	diff, err := scenario.Compare(s, opt)
	switch {
	case err != nil:
		return err
	case diff == nil:
		fmt.Fprintln(a.Stdout, "  two further runs were alike; it does not show every time")
	default:
		fmt.Fprintf(a.Stdout, "  two further runs part %v\n", diff)
	}
	return outcome(NotDeterministic)
}
