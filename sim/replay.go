package sim

import "fmt"

// Replay is a strategy that chooses as FIFO does except where a recorded
// decision says otherwise.
type Replay struct {
	ties
	decisions []Decision
	done      []bool
	matched   int
	name      string
	follow    follower
	byStep    map[taskStep]int   // those over a timer, by whose step it is
	byOver    map[taskStep][]int // all, by whose step would have been next, in order
	byKey     map[TaskKey]*known // bound: the tasks of the decisions
}

type taskStep struct {
	task TaskKey
	step uint64
}

// Replaying returns a strategy that repeats decisions, with the ties of
// tieSeed, which Recorder.TieSeed tells. All decisions of a run, in a world of
// the same program and seed, give the same run and hash again.
//
// With some of them removed, or when the program has changed, those count that
// still make sense: the task is ready for its step, and either a timer is due
// after as many as there were, or there is none and it is the turn of the task
// that it ran before.
func Replaying(decisions []Decision, tieSeed uint64) *Replay {
	sum := mix(tieSeed)
	for _, d := range decisions {
		sum = mix(sum ^ hashString(d.String()))
	}
	return &Replay{decisions: decisions, ties: tiesFrom(tieSeed), name: fmt.Sprintf("replay:%d:%08x", len(decisions), uint32(sum>>32))}
}

// Name implements Strategy.
func (r *Replay) Name() string { return r.name }

// Reset implements Strategy.
func (r *Replay) Reset(uint64) {
	r.ties = tiesFrom(r.ties.seed)
	r.done, r.matched = make([]bool, len(r.decisions)), 0
	r.byStep, r.byOver, r.byKey = map[taskStep]int{}, map[taskStep][]int{}, map[TaskKey]*known{}
	for n, d := range r.decisions {
		r.byKey[d.Task] = nil
		if d.Timer {
			r.byStep[taskStep{d.Task, d.Step}] = n
		}
		over := taskStep{d.Over, d.OverStep}
		r.byOver[over] = append(r.byOver[over], n)
	}
	r.follow = newFollower()
	r.follow.added = func(k *known) {
		if _, ok := r.byKey[k.key]; ok {
			r.byKey[k.key] = k
		}
	}
}

// Pick implements Strategy.
func (r *Replay) Pick(ready []*Task, due bool) int {
	r.follow.look(ready)
	i := 0
	if due {
		i = r.overTimer(ready)
	} else {
		i = r.overTask(ready)
	}
	r.follow.took(ready, i)
	return i
}

// overTimer returns the task whose decision comes first among those that say
// that it runs before a timer, or -1.
func (r *Replay) overTimer(ready []*Task) int {
	best, first := -1, len(r.decisions)
	for i, t := range ready {
		k := r.follow.of(t)
		n, ok := r.byStep[taskStep{k.key, k.next()}]
		if ok && n < first && r.decisions[n].Passed <= k.passed {
			best, first = i, n
		}
	}
	if best >= 0 {
		r.match(first)
	}
	return best
}

// overTask returns the task that a decision has run before the one that has
// waited longest, or that one.
func (r *Replay) overTask(ready []*Task) int {
	over := r.follow.of(ready[0])
	for _, n := range r.byOver[taskStep{over.key, over.next()}] {
		k := r.byKey[r.decisions[n].Task]
		if r.done[n] || k == nil || k.next() != r.decisions[n].Step {
			continue
		}
		for i, t := range ready {
			if t == k.task {
				r.match(n)
				return i
			}
		}
	}
	return 0
}

func (r *Replay) match(n int) {
	r.done[n] = true
	r.matched++
}

// Matched is how many of the decisions the run has repeated so far.
func (r *Replay) Matched() int { return r.matched }

// Missed returns the decisions that the run has not repeated so far, in order.
func (r *Replay) Missed() []Decision {
	var missed []Decision
	for n, d := range r.decisions {
		if !r.done[n] {
			missed = append(missed, d)
		}
	}
	return missed
}
