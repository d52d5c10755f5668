package cli

import (
	"context"
	"fmt"

	"github.com/maculamesh/macula/sim/scenario"
)

type replayCmd struct {
	File  string   `arg:"" help:"A failure file that sweep --out or shrink wrote."`
	Trace bool     `help:"Print every decision to standard error."`
	Kinds []string `help:"With --trace: only decisions of these kinds (log, fault, note, crash, ...)." placeholder:"KIND"`
	JSON  bool     `help:"Print JSON." name:"json"`
}

// Run plays the run of the file again and says whether it is the same.
func (c *replayCmd) Run(ctx context.Context, a *App) error {
	f, s, err := a.load(c.File)
	if err != nil {
		return err
	}
	opt, err := f.options(a, s)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if !c.Trace && len(c.Kinds) > 0 {
		return fmt.Errorf("--kinds: only --trace has kinds")
	}
	if opt.Trace, err = tracer(a.Stderr, c.Trace, c.Kinds); err != nil {
		return err
	}
	opt.Stop = func() bool { return ctx.Err() != nil }
	begun := a.Now()
	r, err := scenario.Play(s, opt)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	verdictOf := f.compare(r)
	if ctx.Err() != nil {
		verdictOf = "interrupted"
	} else if r.Held() || r.Failure.Signature() != f.Signature {
		// Another path: the code has changed. The decisions that still make
		// sense may lead there.
		if again := f.bySchedule(s, opt); again != nil {
			r = again
			verdictOf = fmt.Sprintf("the same failure, by %d of its %d decisions: the code has changed since version %s", r.Matched, len(f.Decisions), f.Version)
		}
	}
	if c.JSON {
		err = writeJSON(a.Stdout, resultJSON(r, a.Now().Sub(begun)))
	} else {
		err = a.printResult(s, r, a.Now().Sub(begun), opt)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stderr, verdictOf)
	if r.Held() {
		return nil
	}
	return outcome(verdict(r))
}

// compare says how a run relates to the one of the file.
func (f *failure) compare(r *scenario.Result) string {
	hash := fmt.Sprintf("%016x", r.Hash)
	switch {
	case !r.Held() && r.Failure.Signature() == f.Signature && hash == f.Hash:
		return "the same failure, decision by decision"
	case !r.Held() && r.Failure.Signature() == f.Signature:
		return "the same failure by another path: " + f.diverged(r)
	case r.Held():
		return fmt.Sprintf("it holds now; with version %s it was: %s\n%s", f.Version, f.Signature, f.diverged(r))
	}
	return fmt.Sprintf("another failure; with version %s it was: %s\n%s", f.Version, f.Signature, f.diverged(r))
}

// diverged says up to where the runs were the same, by the checkpoints.
func (f *failure) diverged(r *scenario.Result) string {
	have := map[uint64]uint64{} // for lookup only
	for _, p := range r.Points {
		have[p.Event] = p.Hash
	}
	same := uint64(0)
	for _, p := range f.Points {
		if fmt.Sprintf("%016x", have[p.Event]) != p.Hash {
			return fmt.Sprintf("it diverged between events %d and %d; the code has changed since version %s", same, p.Event, f.Version)
		}
		same = p.Event
	}
	if same == 0 {
		return fmt.Sprintf("it diverged, and is too short for a checkpoint that would say where; the code has changed since version %s", f.Version)
	}
	return fmt.Sprintf("it diverged after event %d; the code has changed since version %s", same, f.Version)
}

// bySchedule plays the recorded decisions, as far as they can be met, and
// returns the run if it fails as the file says.
func (f *failure) bySchedule(s *scenario.Scenario, opt scenario.Options) *scenario.Result {
	schedule, err := f.schedule()
	if err != nil || schedule == nil {
		return nil
	}
	opt.Schedule = schedule
	r, err := scenario.Play(s, opt)
	if err != nil || r.Held() || r.Failure.Signature() != f.Signature {
		return nil
	}
	return r
}
