package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/maculamesh/macula/sim"
)

// Schedule is how the tasks of a run took turns: what repeats it even when the
// code has changed a little, and what can be made smaller.
type Schedule struct {
	Decisions []sim.Decision // where it deviated from fifo
	TieSeed   uint64
}

// Strategies are the names that Options.Strategy may have, for messages.
const Strategies = "random, fifo, urw, pct as pct:DEPTH or pct:DEPTH:STEPS with a depth of up to 1000, and exhaustive:DEVIATIONS:NUMBER; sweep takes exhaustive:DEVIATIONS"

// strategy returns the scheduler that the options ask for. For urw that takes
// a run: it goes by what the tasks did in another one.
func (s *Scenario) strategy(opt Options) (sim.Strategy, error) {
	if opt.Schedule != nil {
		return sim.Replaying(opt.Schedule.Decisions, opt.Schedule.TieSeed), nil
	}
	if opt.using != nil {
		return opt.using, nil
	}
	switch opt.Strategy {
	case "", "random":
		return sim.Random(), nil
	case "fifo":
		return sim.FIFO(), nil
	case "urw":
		return s.urw(opt)
	}
	if urwRun.MatchString(opt.Strategy) {
		return s.urw(opt)
	}
	if p, ok := pct(opt.Strategy); ok {
		return p, nil
	}
	if n, ok := exhaustive(opt.Strategy); ok {
		return s.exhausted(opt, n)
	}
	return nil, fmt.Errorf("there is no strategy %.100q; there are %s", opt.Strategy, Strategies)
}

// urwRun is the name that a run with urw has, so that it can be played again:
// with what was counted, which is the same for the same code.
var urwRun = regexp.MustCompile(`^urw:[0-9]+:[0-9a-f]{8}$`)

func (s *Scenario) urw(opt Options) (sim.Strategy, error) {
	counts := sim.Counting(sim.Random())
	opt.using, opt.Trace, opt.Record = counts, nil, 0
	if _, err := Play(s, opt); err != nil {
		return nil, err
	}
	return sim.URW(counts), nil
}

// maxDepth bounds the depth of pct: each costs memory before the run begins,
// and bugs of more than a few are not found by it anyway.
const maxDepth = 1000

// pct reads the name of the strategy pct with its numbers.
func pct(name string) (sim.Strategy, bool) {
	parts := strings.Split(name, ":")
	depth, steps := 3, 0
	if parts[0] != "pct" || len(parts) > 3 {
		return nil, false
	}
	for i, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || i == 0 && n > maxDepth {
			return nil, false
		}
		*[]*int{&depth, &steps}[i] = n
	}
	return sim.PCT(depth, steps), true
}

// exhaustive reads the name of one of the schedules that Explore plays: how
// many deviations they may have, and the number of this one.
func exhaustive(name string) (n [2]int, ok bool) {
	parts := strings.Split(name, ":")
	if len(parts) != 3 || parts[0] != "exhaustive" {
		return n, false
	}
	for i, p := range parts[1:] {
		var err error
		if n[i], err = strconv.Atoi(p); err != nil || n[i] < i {
			return n, false
		}
	}
	return n, true
}

// exhausted returns the strategy that Explore has after n[1]-1 runs, by
// playing those: each schedule derives from what the one before it met.
func (s *Scenario) exhausted(opt Options, n [2]int) (sim.Strategy, error) {
	x := sim.Exhaustive(n[0])
	opt.using, opt.Trace, opt.Record = x, nil, 0
	for range n[1] - 1 {
		if _, err := Play(s, opt); err != nil {
			return nil, err
		}
		if !x.Next() {
			return nil, fmt.Errorf("there are only %d schedules with at most %d deviations", x.Schedules(), n[0])
		}
	}
	return x, nil
}

// Explore plays every schedule of a scenario with at most so many deviations
// from fifo, under one seed, and calls each with every result until that says
// stop. It reports whether it came to the end of them. For tiny worlds: the
// number of schedules grows with the length of the run to the power of the
// deviations.
func Explore(s *Scenario, opt Options, deviations int, each func(*Result) (more bool)) (complete bool, err error) {
	x := sim.Exhaustive(deviations)
	opt.using = x
	for {
		r, err := Play(s, opt)
		if err != nil {
			return false, err
		}
		if !each(r) {
			return false, nil
		}
		if !x.Next() {
			return x.Err() == nil, x.Err()
		}
	}
}
