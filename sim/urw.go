package sim

import (
	"fmt"
	"math/bits"
)

// Counts is a strategy that lets another one choose and counts the steps of
// every task, for URW to go by in later runs.
type Counts struct {
	inner  Strategy
	follow follower
	index  map[TaskKey]int
	tasks  []counted // in the order of first sight, so that a task stands after the one that started it
	byID   map[uint64]int
	timers uint64
}

// counted are the steps of one task.
type counted struct {
	steps  uint64
	parent int // its index, or -1
}

// maxCounted bounds Counts: of further tasks the steps count for nothing.
const maxCounted = 1 << 20

// Counting returns a strategy that chooses as inner does. When the run is over
// it is what URW needs, and may serve any number of worlds at the same time.
// It counts at most 2^20 tasks.
func Counting(inner Strategy) *Counts { return &Counts{inner: inner} }

// Name implements Strategy.
func (c *Counts) Name() string { return c.inner.Name() }

// Reset implements Strategy.
func (c *Counts) Reset(seed uint64) {
	c.inner.Reset(seed)
	c.follow = newFollower()
	c.follow.added = c.add
	c.index, c.byID = map[TaskKey]int{}, map[uint64]int{}
	c.tasks, c.timers = nil, 0
}

// Tie implements Strategy.
func (c *Counts) Tie() uint32 { return c.inner.Tie() }

// Pick implements Strategy.
func (c *Counts) Pick(ready []*Task, due bool) int {
	c.follow.look(ready)
	i := c.inner.Pick(ready, due)
	if i < 0 {
		c.timers++
	} else if n, ok := c.byID[ready[i].id]; ok {
		c.tasks[n].steps++
	}
	return i
}

func (c *Counts) add(k *known) {
	if len(c.tasks) == maxCounted {
		return
	}
	parent := -1
	if n, ok := c.byID[k.task.parent]; ok {
		parent = n
	}
	c.index[k.key], c.byID[k.task.id] = len(c.tasks), len(c.tasks)
	c.tasks = append(c.tasks, counted{parent: parent})
}

// Tasks is the number of tasks that were counted.
func (c *Counts) Tasks() int { return len(c.tasks) }

// Steps is how many steps the task made, zero if there was none of that key.
func (c *Counts) Steps(key TaskKey) uint64 {
	if n, ok := c.index[key]; ok {
		return c.tasks[n].steps
	}
	return 0
}

// totals returns how many steps every task and those that it started made.
func (c *Counts) totals() []uint64 {
	all := make([]uint64, len(c.tasks))
	for n := len(c.tasks) - 1; n >= 0; n-- {
		all[n] += c.tasks[n].steps
		if up := c.tasks[n].parent; up >= 0 {
			all[up] += all[n]
		}
	}
	return all
}

// sum tells one count from another.
func (c *Counts) sum() uint32 {
	h := mix(c.timers)
	for _, t := range c.tasks {
		h = mix(h ^ t.steps + uint64(t.parent+1)<<32)
	}
	return uint32(h >> 32)
}

// URW returns the uniform random walk of Zhao, Wolff, Mathur and Roychoudhury,
// "Selectively Uniform Concurrency Testing", ASPLOS 2025: a task is picked
// with a probability in proportion to the number of steps that it and the
// tasks that it has still to start are going to make. Where counts is right
// and nothing waits for anything, every order has the same probability, while
// picking with equal chances favours those in which short tasks come first.
//
// counts must have been the strategy of a run that is over, of the same
// program. What it does not know counts as one step. Timers that are due weigh
// what is left of those that were picked in that run.
func URW(counts *Counts) Strategy {
	return &urw{counts: counts, totals: counts.totals(), name: fmt.Sprintf("urw:%d:%08x", counts.Tasks(), counts.sum())}
}

type urw struct {
	ties
	counts *Counts
	totals []uint64
	name   string
	rng    splitmix
	follow follower
	timers uint64 // weight of those to come
}

// Name implements Strategy.
func (u *urw) Name() string { return u.name }

// Reset implements Strategy.
func (u *urw) Reset(seed uint64) {
	u.ties = tiesFrom(derive(seed, "ties"))
	u.rng = splitmix(derive(seed, "picks"))
	u.follow = newFollower()
	u.follow.added = u.add
	u.timers = u.counts.timers
}

// add gives a new task its weight, which whoever started it had until now.
func (u *urw) add(k *known) {
	n, ok := u.counts.index[k.key]
	if !ok {
		return
	}
	k.weight = u.totals[n]
	if up := u.follow.byID[k.task.parent]; up != nil {
		up.weight -= min(up.weight, k.weight)
	}
}

// Pick implements Strategy.
func (u *urw) Pick(ready []*Task, due bool) int {
	u.follow.look(ready)
	i := u.pick(ready, due)
	if i < 0 {
		u.timers -= min(u.timers, 1)
	} else if k := u.follow.of(ready[i]); k.weight > 0 {
		k.weight--
	}
	return i
}

func (u *urw) pick(ready []*Task, due bool) int {
	if len(ready) == 1 && !due {
		return 0
	}
	all := uint64(0)
	if due {
		all = max(u.timers, 1)
	}
	for _, t := range ready {
		all += max(u.follow.of(t).weight, 1)
	}
	x, _ := bits.Mul64(u.rng.next(), all)
	for i, t := range ready {
		w := max(u.follow.of(t).weight, 1)
		if x < w {
			return i
		}
		x -= w
	}
	return -1
}
