package shrink

import (
	"slices"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/scenario"
)

// isFIFO reports whether the case has no deviation from fifo.
func (x *shrinker) isFIFO() bool { return x.best.Strategy == "fifo" && x.best.Schedule == nil }

// calmer looks for a seed with which the plan fails under fifo: its schedule
// does not shift when a line is taken out, and there is nothing in it to take
// out later. It reports whether it has found one.
func (x *shrinker) calmer() bool {
	for i := range 2 * x.cfg.Seeds {
		if x.isFIFO() || x.over() {
			return false
		}
		c := Case{Plan: x.best.Plan, Seed: x.seed(i), Strategy: "fifo"}
		x.runs++
		if r := x.fails(c); r != nil {
			x.take(c, r)
			return true
		}
	}
	return false
}

// switches makes the schedule calmer: fifo, if the run fails under it by now,
// else the recorded one with as few of its deviations as possible. It reports
// whether it has, because lines that were there for the schedule can go then.
func (x *shrinker) switches() bool {
	if x.isFIFO() || x.over() {
		return false
	}
	if x.calmer() {
		return true
	}
	if x.best.Schedule == nil && !x.record() {
		return false
	}
	before := len(x.best.Schedule.Decisions)
	for size := (before + 1) / 2; size >= 1; size /= 2 {
		for at := 0; at < len(x.best.Schedule.Decisions) && !x.over(); {
			if n := x.firstSchedule(at, size); n < 0 {
				at += 4 * size
			} else {
				at += n * size
			}
		}
	}
	return len(x.best.Schedule.Decisions) < before
}

// record takes the schedule of the run in place of its strategy.
func (x *shrinker) record() bool {
	s, err := scenario.FromPlan(x.best.Plan, x.cfg.Systems...)
	if err != nil {
		return false
	}
	r, err := scenario.Play(s, scenario.Options{
		Seed: x.best.Seed, Strategy: x.best.Strategy, Record: x.cfg.Decisions, Stride: x.stride, Stop: x.cfg.Stop,
	})
	x.runs++
	if err != nil || r.Schedule == nil {
		return false
	}
	c := x.best
	c.Schedule = r.Schedule
	if r = x.fails(c); r == nil {
		return false
	}
	x.take(c, r)
	return true
}

// firstSchedule takes out decisions, size of them from at on or from one of
// the next three places, and reports which it was, or -1.
func (x *shrinker) firstSchedule(at, size int) int {
	all := x.best.Schedule.Decisions
	found := make([]*scenario.Result, 4)
	cases := make([]Case, 4)
	n := min(4, (len(all)-at+size-1)/size)
	host.Each(x.cfg.Jobs, n, func(i int) bool {
		from := at + i*size
		rest := slices.Delete(slices.Clone(all), from, min(len(all), from+size))
		cases[i] = Case{x.best.Plan, x.best.Seed, x.best.Strategy, &scenario.Schedule{Decisions: rest, TieSeed: x.best.Schedule.TieSeed}}
		found[i] = x.fails(cases[i])
		return found[i] == nil
	})
	x.runs += n
	for i, r := range found {
		if r != nil {
			x.take(cases[i], r)
			return i
		}
	}
	return -1
}
