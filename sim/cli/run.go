package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/scenario"
)

// choice is what run and verify have in common.
type choice struct {
	Scenario string            `arg:"" help:"Name of a scenario or of a group, a file with a plan, or all."`
	Set      map[string]string `help:"Set a parameter of the scenario: --set cap=100." placeholder:"KEY=VALUE"`
	Strategy string            `help:"The scheduler: random, fifo, urw (every order alike), pct:DEPTH:STEPS (few changes in the right places), and exhaustive:DEVIATIONS of a sweep." default:"random" placeholder:"NAME"`
	JSON     bool              `help:"Print JSON, a line for each run." name:"json"`
}

// scenarios returns what is chosen, with the options checked.
func (c *choice) scenarios(a *App) ([]*scenario.Scenario, error) {
	list, err := a.chosen(c.Scenario)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if _, err := s.Settings(c.Set); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *choice) options(ctx context.Context, a *App, s *scenario.Scenario, seed uint64) scenario.Options {
	return scenario.Options{
		Seed: seed, Strategy: c.Strategy, Set: c.Set, Watch: a.watched(s, seed, nil),
		Stop: func() bool { return ctx.Err() != nil },
	}
}

// watched is Options.Watch for a run. Of a task that does not yield it says
// whose it is, and calls keep with what it is, before the program ends; keep may
// be nil.
func (a *App) watched(s *scenario.Scenario, seed uint64, keep func(who string)) func(*sim.World) (stop func()) {
	if a.Watch == nil {
		return nil
	}
	return func(w *sim.World) (stop func()) {
		return a.Watch(w, func(x host.Stuck) {
			who := "a function on the scheduler"
			if x.TaskID != 0 {
				who = fmt.Sprintf("task %s of machine %s", x.Task, x.Machine)
			}
			fmt.Fprintf(a.Stderr, "%s: %s, seed %d is stuck: %s does not yield\n", a.Name, s.Name, seed, who)
			if keep != nil {
				keep(who)
			}
		})
	}
}

type runCmd struct {
	choice
	Seed  uint64   `help:"The seed." default:"1"`
	Trace string   `help:"Write every decision to FILE, a line of JSON each, the last 3.9 million of them; - prints them to standard error." placeholder:"FILE"`
	Kinds []string `help:"With --trace=-: only decisions of these kinds (log, fault, note, crash, ...)." placeholder:"KIND"`
}

// Run plays the seed and prints what it showed.
func (c *runCmd) Run(ctx context.Context, a *App) error {
	list, err := c.scenarios(a)
	if err != nil {
		return err
	}
	if c.Trace != "-" && len(c.Kinds) > 0 {
		return fmt.Errorf("--kinds: only --trace=- has kinds")
	}
	trace, err := tracer(a.Stderr, c.Trace == "-", c.Kinds)
	if err != nil {
		return err
	}
	if c.Trace != "" && c.Trace != "-" && len(list) > 1 {
		return fmt.Errorf("--trace=%s: one file holds the trace of one scenario, and these are %d", c.Trace, len(list))
	}
	worst := Held
	for _, s := range list {
		if ctx.Err() != nil {
			fmt.Fprintf(a.Stderr, "%s: interrupted\n", a.Name)
			worst = Internal
			break
		}
		opt := c.options(ctx, a, s, c.Seed)
		opt.Trace = trace
		begun := a.Now()
		res, err := c.play(a, s, opt)
		if err != nil {
			return err
		}
		took := a.Now().Sub(begun)
		if c.JSON {
			err = writeJSON(a.Stdout, resultJSON(res, took))
		} else {
			err = a.printResult(s, res, took, opt)
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

// play plays one scenario, and writes its trace if that is wanted.
func (c *runCmd) play(a *App, s *scenario.Scenario, opt scenario.Options) (*scenario.Result, error) {
	if c.Trace == "" || c.Trace == "-" {
		return scenario.Play(s, opt)
	}
	run, res, err := a.recorded(s, opt, maxTrace)
	if err != nil {
		return nil, err
	}
	if run.Cut > 0 {
		fmt.Fprintf(a.Stderr, "%s: %s: the first %d decisions are left out\n", a.Name, c.Trace, run.Cut)
	}
	return res, a.draw(c.Trace, "jsonl", run)
}

// maxTrace bounds the decisions in a trace: what diff can read again, with what
// stands beside them.
const maxTrace = 3_900_000

// verdict is the exit code of one run.
func verdict(r *scenario.Result) int {
	switch {
	case r.Held():
		return Held
	case r.Failure.Internal():
		return Internal
	}
	return Violated
}

// tracer writes the chosen decisions, or is nil.
func tracer(out io.Writer, on bool, names []string) (func(sim.Record), error) {
	if !on {
		return nil, nil
	}
	var kinds []sim.Kind
	for _, name := range names {
		k, ok := sim.KindByName(name)
		if !ok {
			return nil, fmt.Errorf("there is no kind of decision %q; there are %s", name, strings.Join(sim.KindNames(), ", "))
		}
		kinds = append(kinds, k)
	}
	return sim.TraceTo(out, kinds...), nil
}

// printResult is a run on one screen. A run that failed is played once more,
// for the last events of each node.
func (a *App) printResult(s *scenario.Scenario, r *scenario.Result, took time.Duration, opt scenario.Options) error {
	var b strings.Builder
	word := "held"
	if !r.Held() {
		word = "VIOLATED"
	}
	fmt.Fprintf(&b, "%s  seed %d  %s", r.Scenario, r.Seed, word)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "  %s=%s", p.Name, p.Value)
	}
	fmt.Fprintf(&b, "\n  %v simulated, %d events, %v (%s events/s), trace hash %016x\n", r.Simulated.Round(time.Millisecond), r.Events, took.Round(time.Millisecond), perSecond(r.Events, took), r.Hash)
	showed(&b, r)
	if !r.Held() {
		a.describe(&b, r)
		a.lastEvents(&b, s, r, opt)
	}
	_, err := io.WriteString(a.Stdout, b.String())
	return err
}

// showed is what a run has to say: facts, peaks and what it met.
func showed(b *strings.Builder, r *scenario.Result) {
	for _, f := range r.Facts {
		fmt.Fprintf(b, "  %s\n", f)
	}
	if len(r.Gauges) > 0 {
		fmt.Fprintf(b, "  %-42s %10s %10s\n", "peak of", "value", "limit")
		for _, g := range r.Gauges {
			limit := "-"
			if g.Limit >= 0 {
				limit = fmt.Sprint(g.Limit)
			}
			fmt.Fprintf(b, "  %-42s %10d %10s\n", g.Name, g.Peak, limit)
		}
	}
	if len(r.Marks) > 0 {
		var marks []string
		for _, m := range r.Marks {
			marks = append(marks, fmt.Sprintf("%s (%d)", m.Name, m.N))
		}
		fmt.Fprintf(b, "  met: %s\n", strings.Join(marks, ", "))
	}
}

// describe explains a failure and how to see it again.
func (a *App) describe(b *strings.Builder, r *scenario.Result) {
	f := r.Failure
	fmt.Fprintf(b, "  property:  %s\n  it saw:    %v\n  when:      event %d, %v\n", f.Property, f.Err, f.Event, f.At)
	fmt.Fprintf(b, "  again:     %s\n", a.replay(r))
	if f.Stack != "" {
		list(b, "stack", strings.Split(strings.TrimSpace(f.Stack), "\n"))
	}
	list(b, "faults at work", f.Active)
	if len(f.Places) > 1 {
		var lines []string
		for _, p := range f.Places {
			lines = append(lines, fmt.Sprintf("%-12s %-6s %3d tasks, %2d connections, %2d streams  %s", p.Name, p.State, p.Tasks, p.Conns, p.Streams, p.Says))
		}
		list(b, "the nodes", lines)
	}
	list(b, "who waits on what", f.Waiting[:min(len(f.Waiting), 12)])
	list(b, "left behind", f.Leaks)
}

// lastEvents lists what happened last at each node.
func (a *App) lastEvents(b *strings.Builder, s *scenario.Scenario, r *scenario.Result, opt scenario.Options) {
	const each, most = 3, 12
	if len(r.Failure.Places) > most || opt.Trace != nil {
		return
	}
	last := map[string][]string{} // for lookup only
	opt.Trace = func(rec sim.Record) {
		switch rec.Kind {
		case sim.KindPick, sim.KindRand, sim.KindSpawn, sim.KindEnd, sim.KindTimer, sim.KindUnwind, sim.KindIgnored:
			return
		}
		if rec.Event > r.Failure.Event {
			return
		}
		lines := append(last[rec.Machine], strings.TrimSpace(rec.String()))
		last[rec.Machine] = lines[max(0, len(lines)-each):]
	}
	if again, err := scenario.Play(s, opt); err != nil || again.Hash != r.Hash {
		return
	}
	var lines []string
	for _, p := range r.Failure.Places {
		lines = append(lines, last[p.Name]...)
	}
	list(b, "the last events of each", lines)
}

func list(b *strings.Builder, title string, lines []string) {
	const most = 36
	for i, l := range lines {
		if i == 0 {
			fmt.Fprintf(b, "  %s:\n", title)
		}
		if i == most {
			fmt.Fprintf(b, "    and %d more\n", len(lines)-most)
			return
		}
		fmt.Fprintf(b, "    %s\n", l)
	}
}

// replay is the command that plays a run again.
func (a *App) replay(r *scenario.Result) string {
	if r.Plan != nil && strings.HasSuffix(r.Plan.File, filePlan) {
		return fmt.Sprintf("%s replay %s", a.command(), strings.TrimSuffix(r.Plan.File, filePlan))
	}
	name := r.Scenario
	if r.Plan != nil && isPlan(r.Plan.File) {
		name = r.Plan.File
	}
	verb := "run"
	if r.Live {
		verb = "live"
	}
	cmd := fmt.Sprintf("%s %s %s --seed %d", a.command(), verb, name, r.Seed)
	for _, p := range r.Params {
		cmd += fmt.Sprintf(" --set %s=%s", p.Name, p.Value)
	}
	if !r.Live && r.Strategy != "random" {
		cmd += " --strategy " + r.Strategy
	}
	return cmd
}

func perSecond(n int, took time.Duration) string {
	if took <= 0 {
		return "-"
	}
	v := int64(n) * int64(time.Second) / int64(took)
	switch {
	case v >= 10_000_000:
		return fmt.Sprintf("%d M", v/1_000_000)
	case v >= 10_000:
		return fmt.Sprintf("%d k", v/1000)
	}
	return fmt.Sprint(v)
}
