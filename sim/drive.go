package sim

import "fmt"

// ending says why drive returned.
type ending uint8

const (
	endFailed ending = iota
	endCond          // the condition holds
	endQuiet         // nothing is left that could happen
	endLimit         // the time is up
)

// drive lets things happen until cond holds, nothing is left, or virtual time
// would pass limit. When it returns endLimit, the time is limit.
func (w *World) drive(limit int64, cond func() bool) (end ending) {
	if w.driving || w.running != nil || w.firing != nil {
		panic("sim: the world is driven from inside of it")
	}
	if w.closed {
		return endQuiet
	}
	w.driving = true
	defer w.drove(&end)
	w.watchDriving(true)
	for w.failure == nil {
		if cond != nil && cond() {
			return endCond
		}
		next := w.nextTimer()
		if w.ready.len() == 0 && next > w.now {
			switch {
			case next >= forever:
				w.checkQuiet()
				return endQuiet
			case next > limit:
				w.now = max(w.now, limit)
				return endLimit
			case w.cfg.MaxTime > 0 && next >= int64(w.cfg.MaxTime):
				w.now = max(w.now, int64(w.cfg.MaxTime))
				w.fail(FailLimit, ErrMaxTime, "")
				return endFailed
			}
			w.now = next
		}
		if w.events >= w.cfg.MaxEvents {
			w.fail(FailLimit, ErrMaxEvents, "")
			return endFailed
		}
		w.events++
		w.step(next <= w.now)
		w.check()
		if w.events >= w.nextPoint {
			w.checkpoint()
		}
	}
	return endFailed
}

// drove ends drive, also when that panics, or when it exits because a check
// called testing.T's FailNow.
func (w *World) drove(end *ending) {
	if r := recover(); r != nil {
		w.panicked(r)
		*end = endFailed
	}
	w.driving, w.running, w.firing = false, nil, nil
	w.watchDriving(false)
}

// nextTimer is the time of the first timer that can fire. Those of machines
// that stand still are put aside.
func (w *World) nextTimer() int64 {
	for len(w.heap.items) > 0 {
		if m := w.heap.items[0].t.m; m == nil || !m.paused {
			break
		}
		if w.heap.items[0].at > w.now && w.ready.len() > 0 {
			break
		}
		t := w.heap.remove(0)
		t.m.hold(t)
	}
	return w.heap.next()
}

// step lets one event happen.
func (w *World) step(due bool) {
	if w.ready.len() == 0 {
		w.fire()
		return
	}
	i := w.strategy.Pick(w.ready.tasks(), due)
	switch {
	case i >= 0:
		w.run(w.ready.take(i))
	case due:
		w.fire()
	default:
		panic(fmt.Sprintf("sim: strategy %s fires a timer, but none is due", w.strategy.Name()))
	}
}

// check runs the checks that are due after an event.
func (w *World) check() {
	for _, f := range w.after {
		w.judge(f())
	}
	for i := range w.every {
		if w.events%w.every[i].stride == 0 {
			w.judge(w.every[i].check())
		}
	}
}

// checkQuiet runs the recounts at quiescence.
func (w *World) checkQuiet() {
	for i := range w.every {
		w.judge(w.every[i].check())
	}
}

func (w *World) judge(err error) {
	if err != nil {
		w.fail(FailCheck, err, "")
	}
}
