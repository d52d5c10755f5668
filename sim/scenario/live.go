package scenario

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
)

// LiveWorld is a World that is not simulated.
type LiveWorld interface {
	World
	// Refuses says why a line of a plan is not possible there, or nothing.
	Refuses(st *plan.Statement) string
	// SetBuggify says how often code does something rare, and Buggified where
	// it did.
	SetBuggify(b sim.Buggify)
	Buggified() []sim.BuggifyPoint
}

// PlayIn runs the scenario once in a world that is not simulated, which it
// does not close. The parameters are those of Scenario.Live where opt.Set does
// not say otherwise; of the other options Seed, Stop and Stride count. A line
// of the plan that the world refuses is a *plan.Error, and nothing happens.
func PlayIn(w LiveWorld, sc *Scenario, opt Options) (*Result, error) {
	opt.Set = sc.liveSet(opt.Set)
	settings, script, err := sc.prepare(opt)
	if err != nil {
		return nil, err
	}
	if sc.System != nil && sc.System.Disks {
		return nil, fmt.Errorf("scenario %s: the disks of the system %s are simulated, so it cannot be played live", sc.Name, sc.System.Name)
	}
	if script != nil {
		if err := refused(w, script); err != nil {
			return nil, err
		}
	}
	s := newStage(w, opt.Seed, settings, opt.Stride)
	s.live = true
	w.SetBuggify(buggify(script))
	res := s.run(sc, script, opt)
	res.Live = true
	res.Marks = append(res.Marks, rare(w.Buggified())...)
	return res, nil
}

// liveSet is set with what Scenario.Live says besides.
func (s *Scenario) liveSet(set map[string]string) map[string]string {
	out := map[string]string{}
	for _, name := range sortedKeys(s.Live) {
		out[name] = s.Live[name]
	}
	for _, name := range sortedKeys(set) {
		out[name] = set[name]
	}
	return out
}

// refused is the first line that a world refuses.
func refused(w LiveWorld, sc *plan.Script) error {
	for _, lines := range [][]*plan.Statement{sc.Heads, sc.Timed, sc.Then} {
		for _, st := range lines {
			if why := w.Refuses(st); why != "" {
				return &plan.Error{File: sc.Plan.File, Pos: st.Line.Pos(), Msg: "not possible live: " + st.Verb.Name + ": " + why}
			}
		}
	}
	return nil
}

// Live reports whether the story is played on the system clock and over real
// connections.
func (s *Stage) Live() bool { return s.live }

// liveSlack is by how much what is measured live may be off: the goroutines of
// a connection wait for a processor, and there may be few of them.
const liveSlack = 250 * time.Millisecond

// Slack is by how much a time that the story has measured may be off. It is
// zero in simulation.
func (s *Stage) Slack() time.Duration {
	if s.live {
		return liveSlack
	}
	return 0
}
