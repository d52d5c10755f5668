package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/scenario"
)

// LiveWorld is a world in real time, with an end.
type LiveWorld interface {
	scenario.LiveWorld
	// Close ends what runs in it and waits for that.
	Close()
}

type liveCmd struct {
	Scenario string            `arg:"" help:"Name of a scenario, a file with a plan, or all."`
	Set      map[string]string `help:"Set a parameter of the scenario: --set cap=100." placeholder:"KEY=VALUE"`
	Seed     uint64            `help:"The seed of what the plan and the network draw." default:"1"`
	Log      bool              `help:"Write what the machines log to standard error."`
	JSON     bool              `help:"Print JSON, a line for each run." name:"json"`
}

// Run plays the story over real connections and prints what it showed.
func (c *liveCmd) Run(ctx context.Context, a *App) error {
	if a.Live == nil {
		return fmt.Errorf("%s plays nothing live: it was built without real connections", a.Name)
	}
	list, err := a.chosen(c.Scenario)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Log {
		log = slog.New(slog.NewTextHandler(a.Stderr, nil))
	}
	worst := Held
	for _, s := range list {
		if ctx.Err() != nil {
			fmt.Fprintf(a.Stderr, "%s: interrupted\n", a.Name)
			worst = Internal
			break
		}
		res, err := c.play(ctx, a, s, log)
		if err != nil {
			return err
		}
		if c.JSON {
			err = writeJSON(a.Stdout, liveJSON(res))
		} else {
			err = a.printLive(res)
		}
		if err != nil {
			return err
		}
		worst = max(worst, verdict(res))
	}
	if worst != Held {
		return outcome(worst)
	}
	return nil
}

func (c *liveCmd) play(ctx context.Context, a *App, s *scenario.Scenario, log *slog.Logger) (*scenario.Result, error) {
	w := a.Live(c.Seed, log)
	defer w.Close()
	return scenario.PlayIn(w, s, scenario.Options{
		Seed: c.Seed, Set: c.Set, Stop: func() bool { return ctx.Err() != nil },
	})
}

// liveResult is a runJSON without what a live run does not have.
type liveResult struct {
	runJSON
	Hash      *string `json:"hash,omitempty"`
	Strategy  *string `json:"strategy,omitempty"`
	Simulated *int64  `json:"simulated_ns,omitempty"`
	Live      bool    `json:"live"`
}

func liveJSON(r *scenario.Result) liveResult {
	return liveResult{runJSON: resultJSON(r, r.Simulated), Live: true}
}

// printLive is a live run on one screen.
func (a *App) printLive(r *scenario.Result) error {
	var b strings.Builder
	word := "held"
	if !r.Held() {
		word = "VIOLATED"
	}
	fmt.Fprintf(&b, "%s  live  seed %d  %s", r.Scenario, r.Seed, word)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "  %s=%s", p.Name, p.Value)
	}
	fmt.Fprintf(&b, "\n  %v over real connections, %d machines, %d events\n", r.Simulated.Round(time.Millisecond), r.Nodes, r.Events)
	showed(&b, r)
	if !r.Held() {
		a.describe(&b, r)
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}
