package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/maculamesh/macula/sim"
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
			var err error
			if ctx.Err() == nil {
				err = c.verify(ctx, a, s, c.From+uint64(i))
			}
			if ctx.Err() != nil {
				fmt.Fprintf(a.Stderr, "%s: interrupted after %d seeds of %s\n", a.Name, i, s.Name)
				return outcome(Internal)
			}
			if err != nil {
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
	opt := c.options(ctx, a, s, seed)
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
		return writeJSON(a.Stdout, verified{Scenario: s.Name, Seed: seed, Hash: fmt.Sprintf("%016x", want.Hash), Deterministic: true})
	}
	return nil
}

type verified struct {
	Scenario      string          `json:"scenario"`
	Seed          uint64          `json:"seed"`
	Hash          string          `json:"hash"`
	Deterministic bool            `json:"deterministic"`
	Difference    *differenceJSON `json:"difference,omitempty"`
}

// differenceJSON is where two runs part; a run that was over then is null.
type differenceJSON struct {
	Same   uint64      `json:"same"` // decisions before
	First  *recordJSON `json:"first"`
	Second *recordJSON `json:"second"`
}

type recordJSON struct {
	Event   uint64 `json:"event"`
	At      int64  `json:"at_ns"`
	Kind    string `json:"kind"`
	Machine string `json:"machine"`
	Task    string `json:"task"`
	Text    string `json:"text"` // the whole of it in a line
}

func recorded(r *sim.Record) *recordJSON {
	if r == nil {
		return nil
	}
	return &recordJSON{r.Event, int64(r.At), r.Kind.String(), r.Machine, r.Task, strings.TrimSpace(r.String())}
}

// differs looks for the first event in which two runs part.
func (c *verifyCmd) differs(a *App, s *scenario.Scenario, opt scenario.Options, want, got *scenario.Result, way string) error {
	diff, err := scenario.Compare(s, opt)
	if err != nil {
		return err
	}
	out := a.Stdout
	if c.JSON {
		v := verified{Scenario: s.Name, Seed: opt.Seed, Hash: fmt.Sprintf("%016x", want.Hash)}
		if diff != nil {
			v.Difference = &differenceJSON{diff.Same, recorded(diff.First), recorded(diff.Second)}
		}
		if err := writeJSON(a.Stdout, v); err != nil {
			return err
		}
		out = a.Stderr
	}
	fmt.Fprintf(out, "%s  seed %d  NOT DETERMINISTIC: hash %016x, and %016x when %s\n", s.Name, opt.Seed, want.Hash, got.Hash, way)
	if diff == nil {
		fmt.Fprintln(out, "  two further runs were alike; it does not show every time")
	} else {
		fmt.Fprintf(out, "  two further runs part %s\n", strings.ReplaceAll(diff.String(), "\n", "\n  "))
	}
	return outcome(NotDeterministic)
}
