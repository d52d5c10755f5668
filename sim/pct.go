package sim

import (
	"fmt"
	"slices"
)

// PCT returns the strategy of Burckhardt, Kothari, Musuvathi and Nagarakatte,
// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
// ASPLOS 2010: every task has a random priority, the highest one that can run
// does, and at depth-1 random points the task that was about to run falls
// below all others. It finds orders that need few changes in the right places
// far more often than picking at random does.
//
// depth is the number of ordering constraints of the bugs to look for, at
// least 1. steps is how many choices a run has, as far as that is known: the
// points fall among the first so many; zero is 20,000.
//
// A task that has yielded ranks last with a chance of one half, so that a loop
// that waits for others cannot keep them from running. Timers that are due
// mostly come first: what wakes a task must not cost it its turn.
func PCT(depth, steps int) Strategy {
	if steps <= 0 {
		steps = 20_000
	}
	return &pct{depth: max(depth, 1), steps: steps}
}

type pct struct {
	ties
	depth, steps int
	rng          splitmix
	salt         uint64
	picks        uint64
	points       []uint64          // ascending
	low          map[uint64]uint64 // task to priority, of those that have fallen; bound: depth
}

// Name implements Strategy.
func (p *pct) Name() string { return fmt.Sprintf("pct:%d:%d", p.depth, p.steps) }

// Reset implements Strategy.
func (p *pct) Reset(seed uint64) {
	p.ties = tiesFrom(derive(seed, "ties"))
	p.rng = splitmix(derive(seed, "picks"))
	p.salt = p.rng.next()
	p.picks, p.points, p.low = 0, nil, map[uint64]uint64{}
	for range p.depth - 1 {
		p.points = append(p.points, 1+uint64(p.rng.below(p.steps)))
	}
	slices.Sort(p.points)
}

// Pick implements Strategy.
func (p *pct) Pick(ready []*Task, due bool) int {
	if due && p.rng.below(8) > 0 {
		return -1
	}
	p.picks++
	best := p.highest(ready)
	for len(p.points) > 0 && p.picks >= p.points[0] {
		p.points = p.points[1:]
		p.low[ready[best].id] = 1 + uint64(len(p.points))
		best = p.highest(ready)
	}
	return best
}

func (p *pct) highest(ready []*Task) int {
	best, most := 0, uint64(0)
	for i, t := range ready {
		if v := p.priority(t); i == 0 || v > most {
			best, most = i, v
		}
	}
	return best
}

// fresh is in the priority of every task that has not fallen.
const fresh = 1 << 63

func (p *pct) priority(t *Task) uint64 {
	if t.cause.Kind() == KindNote && p.rng.below(2) == 0 {
		return 0
	}
	if v, ok := p.low[t.id]; ok {
		return v
	}
	return mix(p.salt^t.id) | fresh
}
