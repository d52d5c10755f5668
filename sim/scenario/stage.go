package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// Stage is the world of one run as its story sees it.
type Stage struct {
	w        World
	seed     uint64
	net      Network
	director Machine
	live     bool
	settings []Setting
	places   []*Place
	core     []string           // the nodes of the plan that must live in its second phase; empty is all
	byName   map[string]*Place  // for lookup only
	at       map[Machine]*Place // for lookup only

	stop     func() bool // Options.Stop
	stopped  bool
	asks     int
	stride   int
	next     int // the event of the next recount
	always   []*property
	recounts []*property
	atEnd    []*property
	all      []*property
	gauges   []*gauge
	marks    map[string]uint64
	looked   map[string]uint64
	facts    []string
	sample   func(at time.Duration, event uint64, name string, value, limit int) // Options.Sample
	defers   []func()
	active   func() []string          // the faults of a plan that have not ended
	says     func(name string) string // what the system says of a node
}

type property struct {
	name  string
	check func() error
	n     uint64
}

type gauge struct {
	Gauge
	read func() int
}

// violation is a property that did not hold.
type violation struct {
	property string
	err      error
	waiting  []string
}

func (v *violation) Error() string { return v.property + ": " + v.err.Error() }
func (v *violation) Unwrap() error { return v.err }

func newStage(w World, seed uint64, settings []Setting, stride int) *Stage {
	s := &Stage{
		w: w, seed: seed, settings: settings, stride: stride,
		director: w.Machine(directorName),
		byName:   map[string]*Place{},
		at:       map[Machine]*Place{},
		marks:    map[string]uint64{},
		looked:   map[string]uint64{},
	}
	s.net = w.Network()
	w.AfterEach(s.afterEvent)
	s.Recount("the network's books agree", s.net.Audit)
	s.Always("the network is sound", s.net.Check)
	w.Every(math.MaxInt, s.recount) // when nothing is left to happen
	return s
}

// interrupted asks Options.Stop, not after every event.
func (s *Stage) interrupted() bool {
	if s.asks++; s.stop != nil && (s.live || s.asks%1024 == 0) && s.stop() {
		s.stopped = true
	}
	return s.stopped
}

// afterEvent checks what the last event can have changed.
func (s *Stage) afterEvent() error {
	for _, p := range s.always {
		if err := p.eval(); err != nil {
			return err
		}
	}
	if p := s.at[s.w.Ran()]; p != nil {
		if err := p.afterEvent(); err != nil {
			return err
		}
	}
	if s.w.Events() < s.next {
		return nil
	}
	s.next = s.w.Events() + s.stride
	if s.stride <= 0 {
		// The larger the world, the rarer: a recount costs a constant share.
		s.next = s.w.Events() + max(1000, 2*s.w.Tasks())
	}
	return s.recount()
}

func (p *property) eval() error {
	p.n++
	if err := p.check(); err != nil {
		return &violation{property: p.name, err: err}
	}
	return nil
}

func (g *gauge) sample() error {
	v := g.read()
	g.Last, g.Peak = v, max(g.Peak, v)
	if g.Limit >= 0 && v > g.Limit {
		return &violation{property: g.Name, err: fmt.Errorf("%d, the limit is %d", v, g.Limit)}
	}
	return nil
}

func (s *Stage) recount() error {
	for _, p := range s.recounts {
		if err := p.eval(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) add(list *[]*property, name string, check func() error) {
	p := &property{name: name, check: check}
	*list = append(*list, p)
	s.all = append(s.all, p)
}

// Always demands that check returns nil after every event. It must be cheap
// and change nothing.
func (s *Stage) Always(name string, check func() error) { s.add(&s.always, name, check) }

// Recount demands that check returns nil every so many events and whenever
// nothing is left to happen. It may be expensive, and must change nothing.
func (s *Stage) Recount(name string, check func() error) { s.add(&s.recounts, name, check) }

// AtEnd demands that check returns nil when the story is over and everything
// has come to rest.
func (s *Stage) AtEnd(name string, check func() error) { s.add(&s.atEnd, name, check) }

// Check makes the run fail when cond does not hold now, with what the story
// says of it. It reports cond.
func (s *Stage) Check(cond bool, property, format string, args ...any) bool {
	s.evaluated(property)
	if !cond {
		s.w.Fail(&violation{property: property, err: fmt.Errorf(format, args...)})
	}
	return cond
}

// Eventually waits until cond holds, and makes the run fail when that takes
// longer than within. It looks again at every hundredth of that time.
func (s *Stage) Eventually(within time.Duration, property string, cond func() bool) bool {
	return s.eventually(within, property, func() error {
		if cond() {
			return nil
		}
		return errNotYet
	})
}

var errNotYet = errors.New("it does not hold")

// eventually is Eventually for a condition that says what is missing. The
// failure says too who waits on what.
func (s *Stage) eventually(within time.Duration, property string, missing func() error) bool {
	deadline := s.director.Now().Add(within)
	for {
		s.evaluated(property)
		err := missing()
		if err == nil {
			return true
		}
		if deadline.Reached(s.director.Now()) {
			v := &violation{property: property, err: fmt.Errorf("not within %v: %w", within, err)}
			if err == errNotYet {
				v.err = fmt.Errorf("not within %v", within)
			}
			v.waiting = s.w.Waiters()
			s.w.Fail(v)
			return false
		}
		s.Sleep(max(within/100, time.Microsecond))
	}
}

// evaluated counts that a property was looked at outside of the standing ones.
func (s *Stage) evaluated(property string) { s.looked[property]++ }

// Sleep lets d of virtual time pass.
func (s *Stage) Sleep(d time.Duration) { rt.Sleep(context.Background(), s.director, d) }

// Seed is the seed of the run.
func (s *Stage) Seed() uint64 { return s.seed }

// Rand is a random stream for the story's own choices.
func (s *Stage) Rand(purpose string) *rand.Rand { return s.w.Rand(purpose) }

// Peak notes the highest value that something reached, beside its limit; -1 is
// none.
func (s *Stage) Peak(name string, limit, peak int) {
	s.gauges = append(s.gauges, &gauge{Gauge: Gauge{Name: name, Limit: limit, Peak: peak, Last: peak}})
}

// Mark counts that something rare was met.
func (s *Stage) Mark(name string) {
	s.marks[name]++
	s.w.Note(sim.KindNote, nil, name)
}

// Sometimes counts how often it was looked at, and how often cond held. A
// scenario that names it among its Sometimes demands that it does in some seed
// of a sweep.
func (s *Stage) Sometimes(name string, cond bool) {
	s.evaluated(name)
	if cond {
		s.Mark(name)
	}
}

// Factf adds a line to what the story has to say.
func (s *Stage) Factf(format string, args ...any) {
	s.facts = append(s.facts, fmt.Sprintf(format, args...))
}

// Defer runs f when the story is over, the last one first, before anything is
// demanded at the end. It may wait.
func (s *Stage) Defer(f func()) { s.defers = append(s.defers, f) }

func (s *Stage) tearDown() {
	for len(s.defers) > 0 {
		f := s.defers[len(s.defers)-1]
		s.defers = s.defers[:len(s.defers)-1]
		f()
	}
}

// Int is the value of a parameter that is a whole number.
func (s *Stage) Int(name string) int {
	n, err := strconv.Atoi(s.setting(name))
	if err != nil {
		panic("scenario: " + name + " is no whole number")
	}
	return n
}

// Duration is the value of a parameter that is a duration.
func (s *Stage) Duration(name string) time.Duration {
	d, err := time.ParseDuration(s.setting(name))
	if err != nil {
		panic("scenario: " + name + " is no duration")
	}
	return d
}

func (s *Stage) setting(name string) string {
	for _, p := range s.settings {
		if p.Name == name {
			return p.Value
		}
	}
	panic("scenario: no parameter " + name)
}

// PlaceState is a place in the moment of a failure.
type PlaceState struct {
	Name    string
	State   string // "up", "paused" or "down"
	Tasks   int
	Conns   int
	Streams int
	Says    string // what the system says of the node; may be empty
}

// maxStates bounds the places of a failure.
const maxStates = 64

func (s *Stage) placeStates() []PlaceState {
	var out []PlaceState
	for _, p := range s.places[:min(len(s.places), maxStates)] {
		st := p.host.Stats()
		x := PlaceState{Name: p.Name(), State: "up", Tasks: p.machine.Tasks(), Conns: st.Conns, Streams: st.Streams}
		if !p.machine.Up() {
			x.State = "down"
		} else if p.machine.Paused() {
			x.State = "paused"
		}
		if s.says != nil {
			x.Says = s.says(p.Name())
		}
		out = append(out, x)
	}
	return out
}

// judge turns the end of a run into its failure, or nil.
func (s *Stage) judge(err error) *Failure {
	w := s.w
	f := &Failure{Event: uint64(w.Events()), At: w.Elapsed(), Err: err}
	if s.active != nil {
		f.Active = s.active()
	}
	f.Places = s.placeStates()
	var v *violation
	var broken *sim.Failure
	switch {
	case err == nil:
		for _, l := range w.Leaks() {
			f.Leaks = append(f.Leaks, l.Text)
		}
		f.Leaks = append(f.Leaks, s.net.Leaks()...)
		if len(f.Leaks) == 0 {
			return nil
		}
		f.Property, f.Err = "leak", fmt.Errorf("%d things are left, the first is %s", len(f.Leaks), f.Leaks[0])
	case errors.As(err, &broken) && errors.As(err, &v):
		f.Property, f.Err, f.Event, f.At, f.Waiting = v.property, v.err, broken.Event, broken.At, v.waiting
	case errors.As(err, &broken):
		f.Property, f.Event, f.At, f.Stack = "panic", broken.Event, broken.At, broken.Stack
		if broken.Kind == sim.FailLimit {
			f.Property = "stuck"
		}
	case errors.As(err, &v):
		f.Property, f.Err, f.Waiting = v.property, v.err, v.waiting
	default:
		f.Property = "deadline"
		f.Waiting = w.Waiters()
	}
	return f
}

func (s *Stage) checkCounts() []Count {
	var out []Count
	for _, p := range s.all {
		i := slices.IndexFunc(out, func(c Count) bool { return c.Name == p.name })
		if i < 0 {
			out = append(out, Count{p.name, p.n})
		} else {
			out[i].N += p.n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.looked)) {
		out = append(out, Count{name, s.looked[name]})
	}
	return out
}

// gaugeValues merges gauges of one name: the highest peak and the last of the
// one that had it.
func (s *Stage) gaugeValues() []Gauge {
	var out []Gauge
	for _, g := range s.gauges {
		i := slices.IndexFunc(out, func(o Gauge) bool { return o.Name == g.Name })
		switch {
		case i < 0:
			out = append(out, g.Gauge)
		case g.Peak > out[i].Peak:
			out[i] = g.Gauge
		}
	}
	return out
}

func (s *Stage) markCounts() []Count {
	var out []Count
	for _, name := range slices.Sorted(maps.Keys(s.marks)) {
		out = append(out, Count{name, s.marks[name]})
	}
	return out
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Go starts f as a task of the story, beside it.
func (s *Stage) Go(name string, f func()) *Job { return s.start(s.director, name, f) }

// start runs f as a task of m.
func (s *Stage) start(m Machine, name string, f func()) *Job {
	j := &Job{done: rt.NewEvent(s.director)}
	m.Go(name, func() {
		f()
		j.finished = true
		j.done.Fire()
	})
	return j
}
