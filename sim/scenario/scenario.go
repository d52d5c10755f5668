// Package scenario plays named stories in a simulated world and judges them.
//
// A Scenario is ordinary blocking code: it places machines on a simulated
// network, starts on them what is under test, makes things happen and waits.
// Around it stand properties that are checked after every event, recounted at
// a stride and demanded at the end; gauges that remember their peak; and marks
// that say which rare thing was met. Play returns a Result whose Hash is that
// of the whole run.
//
// The package knows nothing of what is simulated: any protocol that is
// written against rt and transport can be played.
package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
)

// Scenario is one story.
type Scenario struct {
	Name   string
	Group  string        // of scenarios that are chosen by one name; may be empty
	Shows  string        // what it shows, in one line
	Params []Param       // what can be set
	Limit  time.Duration // virtual time after which a story that goes on has failed, of a plan counted from calm on; 0 is one hour
	// Valid says what of the parameters together makes no sense; may be nil.
	Valid func(number func(name string) int) error
	// Sometimes names the marks that have to be met in some seed of a sweep: a
	// story that never meets them shows less than it says.
	Sometimes []string
	// Of a scenario that replays what happened elsewhere: what set it off, what
	// catches it, and where it can be read.
	Trigger, Invariant string
	Sources            []string
	// Live is what is set when the scenario is played live, and the command line
	// does not say otherwise: what takes a moment in simulation can be hours.
	Live map[string]string
	// Play tells the story in Go. A scenario that was made from a plan has
	// Plan and System instead.
	Play   func(s *Stage)
	Plan   *plan.Plan
	System *System
}

// Param is a setting of a scenario: a whole number or a duration, whichever
// its default is.
type Param struct {
	Name    string
	Default string
	Least   string // the smallest value that makes sense; empty is 0
	Doc     string
}

// Options choose one run of a scenario.
type Options struct {
	Seed     uint64
	Strategy string            // "random", "fifo", "urw" or "pct:DEPTH:STEPS"; empty is random
	Schedule *Schedule         // decisions to repeat instead; may be nil
	Record   int               // keep at most so many decisions for Result.Schedule; 0 is none
	Set      map[string]string // values of parameters; for lookup only
	Trace    func(sim.Record)  // told every decision; may be nil
	// Sample is told the gauges whenever they may have changed; may be nil.
	Sample func(at time.Duration, event uint64, name string, value, limit int)
	Watch  func(*sim.World) (stop func()) // puts a watchdog beside the world; may be nil
	Stop   func() bool                    // asked now and then; true ends the run as interrupted; may be nil
	Stride int                            // events between two recounts; 0 is 1,000, and more in a large world

	using sim.Strategy // in place of all that
}

// Result is what one run showed.
type Result struct {
	Scenario  string
	Plan      *plan.Plan // what was played, with everything drawn; nil for a story in Go
	Nodes     int        // machines that are places
	Faults    []string   // the verbs of the faults in the plan, each once
	Seed      uint64
	Strategy  string
	Params    []Setting
	Hash      uint64
	Events    int
	Simulated time.Duration // what has passed, live as real time
	Live      bool          // it was not simulated: Hash and Points say nothing
	Checks    []Count       // how often each property was evaluated
	Gauges    []Gauge
	Marks     []Count
	Facts     []string // what the story itself has to say
	Failure   *Failure // nil: everything held
	Points    []sim.Checkpoint
	Schedule  *Schedule // with Options.Record: how to repeat the run, nil when it took more decisions
	Matched   int       // with Options.Schedule: how many of its decisions were met again
}

// Held reports whether every property held.
func (r *Result) Held() bool { return r.Failure == nil }

// Setting is a parameter with its value.
type Setting struct{ Name, Value string }

// Count is something that was counted.
type Count struct {
	Name string
	N    uint64
}

// Gauge is a number with a limit that was watched after every event.
type Gauge struct {
	Name  string
	Limit int // -1 when there is none
	Peak  int
	Last  int
}

// Failure says what did not hold.
type Failure struct {
	Property string        // its name; "stuck", "leak", "panic" and "deadline" are the framework's own
	Event    uint64        // after which event it was seen
	At       time.Duration // and at which virtual time
	Err      error
	Active   []string // the faults of the plan that had begun and not ended
	Places   []PlaceState
	Waiting  []string // for a story that did not end, or a property that did not come to hold: who waits on what
	Leaks    []string // what is left
	Stack    string   // of a panic, one line for each frame
}

// Error describes the failure in one line.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s violated at event %d, %v: %v", f.Property, f.Event, f.At, f.Err)
}

// Unwrap returns what was seen.
func (f *Failure) Unwrap() error { return f.Err }

// Signature is what two failures have in common that are the same bug, as far
// as words can tell: the property and what it saw, numbers, durations and ids
// aside.
func (f *Failure) Signature() string {
	text := word.ReplaceAllStringFunc(f.Property+": "+f.Err.Error(), func(w string) string {
		if len(w) >= shortestID && strings.ContainsAny(w, "0123456789") {
			return "#"
		}
		return w
	})
	return number.ReplaceAllString(text, "#")
}

var (
	word   = regexp.MustCompile(`[0-9a-z]+`)
	number = regexp.MustCompile(`([0-9][0-9.]*(ns|µs|ms|s|m|h)?)+`)
)

// shortestID is how long a word with a digit in it is at least to be the id of
// somebody, and not a name of a plan.
const shortestID = 8

// Interrupted is the property of a run that Options.Stop has ended.
const Interrupted = "interrupted"

// Internal reports whether the run itself went wrong (a panic, a stuck task, an
// interruption) rather than a property.
func (f *Failure) Internal() bool {
	return f.Property == "panic" || f.Property == "stuck" || f.Property == Interrupted
}

// Settings returns the parameters of s under set, in the order of s.Params.
// An unknown name or a value of the wrong form is an error that names the
// parameters there are.
func (s *Scenario) Settings(set map[string]string) ([]Setting, error) {
	var out []Setting
	known, drawn := 0, false
	for _, p := range s.Params {
		v, ok := set[p.Name]
		if ok {
			known++
		} else {
			v = p.Default
		}
		if err := p.check(v); err != nil && (s.Plan == nil || p.checkRange(v) != nil) {
			return nil, fmt.Errorf("scenario %s: %s=%s: %w", s.Name, p.Name, shown(v), err)
		}
		drawn = drawn || strings.Contains(v, "..")
		out = append(out, Setting{p.Name, v})
	}
	if known == len(set) && drawn {
		return out, nil
	}
	if known == len(set) {
		return out, s.valid(out)
	}
	for _, name := range sortedKeys(set) {
		if s.param(name) == nil {
			return nil, fmt.Errorf("scenario %s has no parameter %.100q; it has %s", s.Name, name, s.paramNames())
		}
	}
	return out, nil
}

// valid asks Valid.
func (s *Scenario) valid(settings []Setting) error {
	if s.Valid == nil {
		return nil
	}
	err := s.Valid(func(name string) int {
		n, _ := strconv.Atoi(settings[slices.IndexFunc(settings, func(x Setting) bool { return x.Name == name })].Value)
		return n
	})
	if err != nil {
		return fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return nil
}

// shown is a value as a message shows it: quoted if it is no plain word, and not
// all of a long one.
func shown(v string) string {
	if q := strconv.Quote(v); len(v) > 100 || len(q) > len(v)+2 {
		return fmt.Sprintf("%.100q", v)
	}
	return v
}

func (p *Param) check(v string) error {
	like, _, _ := strings.Cut(p.Default, "..")
	if _, err := strconv.Atoi(like); err == nil {
		least, _ := strconv.Atoi(p.Least)
		if n, err := strconv.Atoi(v); err != nil || n < least {
			return fmt.Errorf("want a whole number like %s, at least %d", like, least)
		}
		return nil
	}
	least, _ := time.ParseDuration(p.Least)
	if d, err := time.ParseDuration(v); err != nil || d < least {
		return fmt.Errorf("want a duration like %s, at least %v", like, least)
	}
	return nil
}

// checkRange is check for a value of a plan, which may be a range.
func (p *Param) checkRange(v string) error {
	first, second, ranged := strings.Cut(v, "..")
	if err := p.check(first); err != nil || !ranged {
		return err
	}
	return p.check(second)
}

func (s *Scenario) param(name string) *Param {
	for i := range s.Params {
		if s.Params[i].Name == name {
			return &s.Params[i]
		}
	}
	return nil
}

func (s *Scenario) paramNames() string {
	if len(s.Params) == 0 {
		return "none"
	}
	names := ""
	for i, p := range s.Params {
		if i > 0 {
			names += ", "
		}
		names += p.Name
	}
	return names
}

// Play runs the scenario once. The error says what is wrong with the options;
// what the run showed is in the Result.
//
// Which line made a task, timer or context is needed only for a run that
// fails, and to note it takes a sixth of the time: such a run is played a
// second time.
func Play(sc *Scenario, opt Options) (*Result, error) {
	sites := opt.Trace != nil || opt.Sample != nil || opt.using != nil // cannot be played twice
	r, err := sc.play(opt, sites)
	if err != nil || sites || r.Held() || r.Failure.Property == Interrupted {
		return r, err
	}
	if again, err := sc.play(opt, true); err == nil && again.Hash == r.Hash {
		return again, nil
	}
	return r, nil
}

func (sc *Scenario) play(opt Options, sites bool) (*Result, error) {
	settings, script, err := sc.prepare(opt)
	if err != nil {
		return nil, err
	}
	strat, err := sc.strategy(opt)
	if err != nil {
		return nil, err
	}
	name, inner := strat.Name(), strat
	var rec *sim.Recorder
	if opt.Record > 0 {
		rec = sim.Recording(strat, opt.Record)
		strat = rec
	}
	w := sim.New(sim.Config{Seed: opt.Seed, Strategy: strat, Trace: opt.Trace, NoSites: !sites, Buggify: buggify(script)})
	defer w.Close()
	if opt.Watch != nil {
		defer opt.Watch(w)()
	}
	s := newStage(simulate(w), opt.Seed, settings, opt.Stride)
	res := s.run(sc, script, opt)
	res.Strategy, res.Hash, res.Points = name, w.Hash(), w.Checkpoints()
	res.Marks = append(res.Marks, rare(w.Buggified())...)
	if rec != nil && rec.Dropped() == 0 {
		res.Schedule = &Schedule{rec.Decisions(), rec.TieSeed()}
	}
	if r, ok := inner.(*sim.Replay); ok {
		res.Matched = r.Matched()
	}
	return res, nil
}

// run plays a story in the stage's world and judges it.
func (s *Stage) run(sc *Scenario, script *plan.Script, opt Options) *Result {
	limit := sc.Limit
	if limit == 0 {
		limit = time.Hour
	}
	if script != nil {
		limit += script.Calm // which a plan may put as late as it likes
	}
	over := false
	s.director.Go("scenario", func() {
		if script != nil {
			s.perform(sc.System, script)
		} else {
			sc.Play(s)
		}
		s.tearDown()
		over = true
	})
	s.stop, s.sample = opt.Stop, opt.Sample
	err := s.w.RunUntil(func() bool { return over || s.interrupted() }, limit)
	if err == nil && over {
		err = s.settle()
	}
	if s.stopped {
		err = &violation{property: Interrupted, err: errors.New("the run was stopped from outside")}
	}
	res := &Result{
		Scenario: sc.Name, Nodes: len(s.places), Seed: opt.Seed, Params: s.settings,
		Events: s.w.Events(), Simulated: s.w.Elapsed(),
		Checks: s.checkCounts(), Gauges: s.gaugeValues(), Marks: s.markCounts(), Facts: s.facts,
	}
	if script != nil {
		res.Plan, res.Faults = script.Plan, script.FaultVerbs()
	}
	res.Failure = s.judge(err)
	return res
}

// prepare settles what a run plays: its parameters, and of a plan everything
// that is drawn.
func (s *Scenario) prepare(opt Options) ([]Setting, *plan.Script, error) {
	settings, err := s.Settings(opt.Set)
	if err != nil || s.Plan == nil {
		return settings, nil, err
	}
	p, err := s.Draw(opt.Seed, opt.Set)
	if err != nil {
		return nil, nil, err
	}
	script, err := plan.Check(p, s.System.Vocabulary())
	if err != nil {
		return nil, nil, err
	}
	for _, x := range script.Set {
		for i := range settings {
			if settings[i].Name == x.Name.Text {
				settings[i].Value = x.Value.Text
			}
		}
	}
	return settings, script, s.valid(settings)
}

// settleTime is what the world gets to become quiet after the story: what is
// closed on one side is noticed on the other after the idle timeout at last.
const settleTime = 5 * time.Minute

// liveSettleTime is settleTime of a world whose time is real: longer than the
// idle timeout, and waited for only when something is left.
const liveSettleTime = 45 * time.Second

// settle lets everything end that has been told to.
func (s *Stage) settle() error {
	patience := settleTime
	if s.live {
		patience = liveSettleTime
	}
	if err := s.w.RunUntil(s.interrupted, patience); err != sim.ErrQuiet && err != sim.ErrTimeout || s.stopped {
		return err
	}
	for _, c := range s.atEnd {
		c.n++
		if err := c.check(); err != nil {
			return &violation{property: c.name, err: err}
		}
	}
	return nil
}

// Runtime is the machine on which the story itself runs. It never crashes.
func (s *Stage) Runtime() rt.Runtime { return s.director }
