// Package shrink makes a failing plan small: it takes out lines, nodes and
// values, shortens times, and then takes out changes of the schedule, as long
// as the run still fails in the same way.
//
// The idea is that of delta debugging (Zeller and Hildebrandt, "Simplifying and
// Isolating Failure-Inducing Input", IEEE TSE 2002), over the lines of a plan
// instead of the characters of an input. A line that is taken out shifts the
// schedule of the others, so each smaller plan is tried with a few seeds.
package shrink

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// Config says how to shrink; zero fields take the default beside them.
type Config struct {
	Systems   []*scenario.System
	Seeds     int         // how many seeds each smaller plan is tried with; 6
	Jobs      int         // runs at a time; one for each processor
	Stop      func() bool // asked before every run; true ends the shrinking with what it has; may be nil
	Progress  func(Size)  // told of every smaller plan; may be nil
	Decisions int         // the longest schedule that is made smaller; 20,000
}

// Size is how large a failing run is.
type Size struct {
	Lines, Nodes, Faults, Requests int
	Time                           time.Duration // virtual, until the failure
	Events                         uint64        // until the failure
	Switches                       int           // deviations from fifo; -1 when they were not counted
}

// String is the size in a few words.
func (s Size) String() string {
	t := fmt.Sprintf("%d lines, %d nodes, %d faults, %d requests, %v, %d events", s.Lines, s.Nodes, s.Faults, s.Requests, s.Time.Round(time.Millisecond), s.Events)
	if s.Switches >= 0 {
		t += fmt.Sprintf(", %d deviations from fifo", s.Switches)
	}
	return t
}

// Case is a run that fails.
type Case struct {
	Plan     *plan.Plan // concrete: nothing in it is drawn
	Seed     uint64
	Strategy string
	Schedule *scenario.Schedule // to be used instead of the strategy; may be nil
}

// Result is the small case.
type Result struct {
	Case
	Run           *scenario.Result // what it shows; of a first run that was stopped: that
	Before, After Size
	Runs          int // how many runs that took
	// Minimal says that the plan holds without any one of its lines, or is none,
	// with each of the seeds that were tried; false also when the time was up
	// before.
	Minimal bool
	// Otherwise are the lines without which it fails in another way. They stay,
	// and it is not minimal: it may be that the smaller plan asks for too much,
	// as when nothing is left that gives the nodes time to recover.
	Otherwise []Otherwise
}

// Otherwise is a line without which a plan fails in another way.
type Otherwise struct {
	Line      string
	Signature string // of that failure
}

// Run shrinks a case. The error says that the case is not one: that it does
// not fail, or is no plan for any of the systems. It blocks for as long as it
// takes; see Config.Stop.
func Run(c Case, cfg Config) (*Result, error) {
	if cfg.Seeds == 0 {
		cfg.Seeds = 6
	}
	if cfg.Decisions == 0 {
		cfg.Decisions = 20_000
	}
	x := &shrinker{cfg: cfg, best: c, seeds: 1, stride: coarse}
	r, err := x.play(c)
	if err != nil {
		return nil, err
	}
	if r.Held() {
		return nil, fmt.Errorf("the run holds: there is nothing to shrink")
	}
	x.signature, x.result = r.Failure.Signature(), r
	out := &Result{Before: x.size(c, r)}
	if r.Failure.Property != scenario.Interrupted {
		x.calmer()
		x.after()
		for x.pass() {
		}
		x.closer()
		for more := true; more; more = x.switches() {
			for x.pass() {
			}
		}
		out.Minimal, out.Otherwise = x.minimal()
	}
	out.Case, out.Run, out.Runs = x.best, x.result, x.runs
	out.After = x.size(x.best, x.result)
	return out, nil
}

type shrinker struct {
	cfg       Config
	signature string
	best      Case
	result    *scenario.Result // of best
	runs      int
	seeds     int // that each smaller plan is tried with now
	stride    int // events between two recounts
}

func (x *shrinker) over() bool { return x.cfg.Stop != nil && x.cfg.Stop() }

// play runs a case.
func (x *shrinker) play(c Case) (*scenario.Result, error) {
	s, err := scenario.FromPlan(c.Plan, x.cfg.Systems...)
	if err != nil {
		return nil, err
	}
	return scenario.Play(s, scenario.Options{Seed: c.Seed, Strategy: c.Strategy, Schedule: c.Schedule, Stop: x.cfg.Stop, Stride: x.stride})
}

// Small cases are recounted after every event, so that what a recount finds
// does not hang on how long the run is; large ones less often, because that
// takes time. Whoever plays the small case again must do as was done here.
const (
	Stride = 1
	coarse = 20
)

// closer looks closer from now on: at what is left after every event, and with
// more seeds, so that a line that was needed only for the schedule goes.
func (x *shrinker) closer() {
	x.seeds, x.stride = x.cfg.Seeds, Stride
	x.runs++
	if r, err := x.play(x.best); err == nil && !r.Held() && r.Failure.Property != scenario.Interrupted {
		// The same run; a recount may have seen it earlier, in other words.
		x.signature, x.result = r.Failure.Signature(), r
	}
}

// fails returns the result of a case that fails in the same way, or nil.
func (x *shrinker) fails(c Case) *scenario.Result {
	r, err := x.play(c)
	if err != nil || r.Held() || r.Failure.Signature() != x.signature {
		return nil
	}
	return r
}

// first tries plans, each with several seeds and several at a time, and takes
// the first one that still fails. It reports which that is, or -1.
func (x *shrinker) first(plans []*plan.Plan) int {
	now := x.best.Plan.String()
	for at := 0; at < len(plans) && !x.over(); {
		batch := plans[at:min(len(plans), at+4)]
		seeds := x.seeds
		found := make([]*scenario.Result, len(batch)*seeds)
		ran := make([]bool, len(found))
		host.Each(x.cfg.Jobs, len(found), func(i int) bool {
			if x.over() {
				return false
			}
			if batch[i/seeds].String() == now {
				return true // nothing was taken out
			}
			// The first plan first, and of each the seed that is known to fail.
			c := Case{Plan: batch[i/seeds], Seed: x.seed(i % seeds), Strategy: x.best.Strategy, Schedule: x.best.Schedule}
			found[i], ran[i] = x.fails(c), true
			return found[i] == nil
		})
		for i, r := range found {
			if ran[i] {
				x.runs++
			}
			if r != nil {
				x.take(Case{Plan: batch[i/seeds], Seed: r.Seed, Strategy: x.best.Strategy, Schedule: x.best.Schedule}, r)
				return at + i/seeds
			}
		}
		at += len(batch)
	}
	return -1
}

// seed returns the i-th seed that a plan is tried with: the one that is known
// to fail, and then others.
func (x *shrinker) seed(i int) uint64 {
	switch {
	case i == 0:
		return x.best.Seed
	case uint64(i) < x.best.Seed:
		return uint64(i)
	}
	return uint64(i) + 1
}

func (x *shrinker) take(c Case, r *scenario.Result) {
	x.best, x.result = c, r
	if x.cfg.Progress != nil {
		x.cfg.Progress(x.size(c, r))
	}
}

// size measures a case.
func (x *shrinker) size(c Case, r *scenario.Result) Size {
	z := Size{Time: r.Failure.At, Events: r.Failure.Event, Switches: -1}
	if c.Schedule != nil {
		z.Switches = len(c.Schedule.Decisions)
	} else if c.Strategy == "fifo" {
		z.Switches = 0
	}
	for _, y := range x.cfg.Systems {
		sc, err := plan.Check(c.Plan, y.Vocabulary())
		if err != nil || sc.System != y.Name {
			continue
		}
		z.Nodes = len(sc.Nodes)
		for _, list := range [][]*plan.Statement{sc.Timed, sc.Then} {
			for _, s := range list {
				if s.Verb.Use == plan.Fault {
					z.Faults++
				} else if s.Verb.Use == plan.Request {
					z.Requests++
				}
			}
		}
	}
	for i := range c.Plan.Lines {
		if c.Plan.Lines[i].Verb.Text != "" {
			z.Lines++
		}
	}
	return z
}
