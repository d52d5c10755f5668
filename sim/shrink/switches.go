package shrink

import (
	"slices"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/scenario"
)

// calmer looks for a seed with which the plan fails under fifo: its schedule
// does not shift when a line is taken out, and there is nothing in it to take
// out later.
func (x *shrinker) calmer() {
	if x.best.Strategy == "fifo" && x.best.Schedule == nil {
		return
	}
	for i := range 2 * x.cfg.Seeds {
		if x.over() {
			return
		}
		c := Case{Plan: x.best.Plan, Seed: x.seed(i), Strategy: "fifo"}
		x.runs++
		if r := x.fails(c); r != nil {
			x.take(c, r)
			return
		}
	}
}

// switches makes the schedule calmer: fifo, if the run fails under it by now,
// else the recorded one with as few of its deviations as possible.
func (x *shrinker) switches() {
	x.calmer()
	if x.best.Strategy == "fifo" || x.over() {
		return
	}
	schedule := x.best.Schedule
	if schedule == nil {
		s, err := scenario.FromPlan(x.best.Plan, x.cfg.Systems...)
		if err != nil {
			return
		}
		r, err := scenario.Play(s, scenario.Options{Seed: x.best.Seed, Strategy: x.best.Strategy, Record: x.cfg.Decisions, Stop: x.cfg.Stop})
		x.runs++
		if err != nil || r.Schedule == nil {
			return
		}
		schedule = r.Schedule
	}
	c := Case{Plan: x.best.Plan, Seed: x.best.Seed, Strategy: x.best.Strategy, Schedule: schedule}
	r := x.fails(c)
	if r == nil {
		return
	}
	x.take(c, r)
	for size := (len(schedule.Decisions) + 1) / 2; size >= 1; size /= 2 {
		for at := 0; at < len(x.best.Schedule.Decisions) && !x.over(); {
			if n := x.firstSchedule(at, size); n < 0 {
				at += 4 * size
			} else {
				at += n * size
			}
		}
	}
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
