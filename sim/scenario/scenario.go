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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// Scenario is one story.
type Scenario struct {
	Name   string
	Shows  string        // what it shows, in one line
	Params []Param       // what can be set
	Limit  time.Duration // virtual time after which a story that goes on has failed; 0 is one hour
	// Valid says what of the parameters together makes no sense; may be nil.
	Valid func(number func(name string) int) error
	// Sometimes names the marks that have to be met in some seed of a sweep: a
	// story that never meets them shows less than it says.
	Sometimes []string
	Play      func(s *Stage)
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
	Strategy string                         // "random", "fifo" or "pct:DEPTH:STEPS"; empty is random
	Set      map[string]string              // values of parameters; for lookup only
	Trace    func(sim.Record)               // told every decision; may be nil
	Watch    func(*sim.World) (stop func()) // puts a watchdog beside the world; may be nil
	Stop     func() bool                    // asked now and then; true ends the run as interrupted; may be nil
	Stride   int                            // least events between two recounts; 0 is 1,000
}

// Result is what one run showed.
type Result struct {
	Scenario  string
	Seed      uint64
	Strategy  string
	Params    []Setting
	Hash      uint64
	Events    int
	Simulated time.Duration
	Checks    []Count // how often each property was evaluated
	Gauges    []Gauge
	Marks     []Count
	Facts     []string // what the story itself has to say
	Failure   *Failure // nil: everything held
	Points    []sim.Checkpoint
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
	Waiting  []string // for a story that did not end: who waits on what
	Leaks    []string // what is left
	Stack    string   // of a panic, one line for each frame
}

// Error describes the failure in one line.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s violated at event %d, %v: %v", f.Property, f.Event, f.At, f.Err)
}

// Unwrap returns what was seen.
func (f *Failure) Unwrap() error { return f.Err }

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
	known := 0
	for _, p := range s.Params {
		v, ok := set[p.Name]
		if ok {
			known++
		} else {
			v = p.Default
		}
		if err := p.check(v); err != nil {
			return nil, fmt.Errorf("scenario %s: %s=%s: %w", s.Name, p.Name, v, err)
		}
		out = append(out, Setting{p.Name, v})
	}
	if known == len(set) {
		return out, s.valid(out)
	}
	for _, name := range sortedKeys(set) {
		if s.param(name) == nil {
			return nil, fmt.Errorf("scenario %s has no parameter %q; it has %s", s.Name, name, s.paramNames())
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

func (p *Param) check(v string) error {
	if _, err := strconv.Atoi(p.Default); err == nil {
		least, _ := strconv.Atoi(p.Least)
		if n, err := strconv.Atoi(v); err != nil || n < least {
			return fmt.Errorf("want a whole number like %s, at least %d", p.Default, least)
		}
		return nil
	}
	least, _ := time.ParseDuration(p.Least)
	if d, err := time.ParseDuration(v); err != nil || d < least {
		return fmt.Errorf("want a duration like %s, at least %v", p.Default, least)
	}
	return nil
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

// strategies are the schedulers by name.
func strategy(name string) (sim.Strategy, error) {
	switch name {
	case "", "random":
		return sim.Random(), nil
	case "fifo":
		return sim.FIFO(), nil
	}
	if s, ok := pct(name); ok {
		return s, nil
	}
	return nil, fmt.Errorf("there is no strategy %q; there are random, fifo and pct, as pct:DEPTH or pct:DEPTH:STEPS too", name)
}

// pct reads the name of the strategy pct with its numbers.
func pct(name string) (sim.Strategy, bool) {
	parts := strings.Split(name, ":")
	depth, steps := 3, 0
	if parts[0] != "pct" || len(parts) > 3 {
		return nil, false
	}
	for i, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return nil, false
		}
		*[]*int{&depth, &steps}[i] = n
	}
	return sim.PCT(depth, steps), true
}

// Play runs the scenario once. The error says what is wrong with the options;
// what the run showed is in the Result.
func Play(sc *Scenario, opt Options) (*Result, error) {
	settings, err := sc.Settings(opt.Set)
	if err != nil {
		return nil, err
	}
	strat, err := strategy(opt.Strategy)
	if err != nil {
		return nil, err
	}
	limit := sc.Limit
	if limit == 0 {
		limit = time.Hour
	}
	w := sim.New(sim.Config{Seed: opt.Seed, Strategy: strat, Trace: opt.Trace})
	defer w.Close()
	if opt.Watch != nil {
		defer opt.Watch(w)()
	}
	s := newStage(w, opt.Seed, settings, opt.Stride)
	over := false
	s.director.Go("scenario", func() {
		sc.Play(s)
		s.tearDown()
		over = true
	})
	s.stop = opt.Stop
	err = w.RunUntil(func() bool { return over || s.interrupted() }, limit)
	if err == nil && over {
		err = s.settle(w)
	}
	if s.stopped {
		err = &violation{Interrupted, errors.New("the run was stopped from outside")}
	}
	res := &Result{
		Scenario: sc.Name, Seed: opt.Seed, Strategy: strat.Name(), Params: settings,
		Hash: w.Hash(), Events: w.Events(), Simulated: w.Elapsed(),
		Checks: s.checkCounts(), Gauges: s.gaugeValues(), Marks: s.markCounts(), Facts: s.facts,
		Points: w.Checkpoints(),
	}
	res.Failure = s.judge(w, err)
	return res, nil
}

// settleTime is what the world gets to become quiet after the story: what is
// closed on one side is noticed on the other after the idle timeout at last.
const settleTime = 5 * time.Minute

// settle lets everything end that has been told to.
func (s *Stage) settle(w *sim.World) error {
	if err := w.RunUntil(s.interrupted, settleTime); err != sim.ErrQuiet && err != sim.ErrTimeout || s.stopped {
		return err
	}
	for _, c := range s.atEnd {
		c.n++
		if err := c.check(); err != nil {
			return &violation{c.name, err}
		}
	}
	return nil
}

// Runtime is the machine on which the story itself runs. It never crashes.
func (s *Stage) Runtime() rt.Runtime { return s.director }
