package sim

import "fmt"

// Exhaust is the strategy that Exhaustive returns.
type Exhaust struct {
	most  int
	trail []fork // the choices of the run, as far as there was one
	at    int    // how many of them this run has taken
	spent int    // deviations up to there
	runs  int
	err   error
}

// fork is a choice between several.
type fork struct{ took, of int }

// Exhaustive returns the strategy that goes through all schedules of a small
// program, one a run, with at most so many deviations from FIFO in each, as
// Musuvathi and Qadeer do in "Iterative Context Bounding for Systematic Testing
// of Multithreaded Programs", PLDI 2007: most bugs need very few. It keeps no
// states, only the choices of the present run.
//
//	for s, more := sim.Exhaustive(2), true; more; more = s.Next() {
//		w := sim.New(sim.Config{Strategy: s}) // the same seed each time
//		...
//		w.Close()
//	}
//
// A choice is which task runs, whether a timer that is due comes first, and
// which one of those that are due. Choosing what FIFO would not is one
// deviation. The number of schedules grows with the length of the run to the
// power of deviations, so this is for tens of choices, or for one or two
// deviations among hundreds.
//
// It is used by one world after another. Wrapped in Counting or Recording it
// does not see the choice between timers.
func Exhaustive(deviations int) *Exhaust { return &Exhaust{most: max(deviations, 0)} }

// Name implements Strategy: "exhaustive:2:17" is the seventeenth schedule.
func (e *Exhaust) Name() string { return fmt.Sprintf("exhaustive:%d:%d", e.most, e.runs+1) }

// Reset implements Strategy.
func (e *Exhaust) Reset(uint64) { e.at, e.spent = 0, 0 }

// Tie implements Strategy: the order of timers is chosen when they are due.
func (e *Exhaust) Tie() uint32 { return 0 }

// Pick implements Strategy.
func (e *Exhaust) Pick(ready []*Task, due bool) int {
	if due {
		return e.choose(len(ready)+1) - 1
	}
	return e.choose(len(ready))
}

// pickTimer chooses between n timers that are due, in their order.
func (e *Exhaust) pickTimer(n int) int { return e.choose(n) }

// choose returns a number in [0, n). Zero is what FIFO does.
func (e *Exhaust) choose(n int) int {
	if n == 1 {
		return 0
	}
	if e.at == len(e.trail) {
		e.trail = append(e.trail, fork{0, n})
	}
	f := e.trail[e.at]
	if f.of != n {
		if e.err == nil {
			e.err = fmt.Errorf("sim: choice %d of schedule %d was between %d before and is between %d now: the program is not deterministic, or another seed was used", e.at+1, e.runs+1, f.of, n)
		}
		return 0
	}
	e.at++
	if f.took > 0 {
		e.spent++
	}
	return f.took
}

// Next goes on to the next schedule once a run is over, and reports whether
// there is one. It is false too when a run did not repeat the choices that
// led up to its schedule; Err says so then.
func (e *Exhaust) Next() bool {
	if e.err == nil && e.at < len(e.trail) {
		e.err = fmt.Errorf("sim: schedule %d ended after %d choices of %d that had been there before: the program is not deterministic, or another seed was used", e.runs+1, e.at, len(e.trail))
	}
	e.runs++
	for e.err == nil && len(e.trail) > 0 {
		last := &e.trail[len(e.trail)-1]
		if last.took > 0 {
			e.spent--
		}
		if last.took+1 < last.of && e.spent < e.most {
			last.took++
			return true
		}
		e.trail = e.trail[:len(e.trail)-1]
	}
	return false
}

// Schedules is the number of schedules that were completed by Next.
func (e *Exhaust) Schedules() int { return e.runs }

// Err says why not all schedules could be visited, or is nil.
func (e *Exhaust) Err() error { return e.err }
