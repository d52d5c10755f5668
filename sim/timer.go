package sim

import "time"

// timerKind says what happens when a timer fires.
type timerKind uint8

const (
	timerTask   timerKind = iota // f runs in a task of its own
	timerInline                  // f runs on the scheduler
	timerWorld                   // the same, for World.At
	timerCtx                     // a context ends
	timerReady                   // a task of a slow machine becomes ready
)

// The places of a timer that is not in the heap.
const (
	idle = -1 // it is not pending
	held = -2 // it is due, but its machine stands still; held-i is in place i
)

// forever is where virtual time ends: timers beyond it never fire. It leaves
// room for a machine's clock to be ahead.
const forever = int64(1) << 61

// timer is a pending event.
type timer struct {
	w     *World
	m     *Machine // nil for the world's own
	at    int64    // when it fires, in virtual time
	local int64    // the same on the clock of m
	seq   uint64
	tie   uint32
	idx   int32 // its place in the heap, or idle, or held and less
	gen   uint32
	kind  timerKind
	name  string
	f     func()
	ctx   *simCtx // of timerCtx
	task  *Task   // of timerReady
	site  site
}

// arm makes t fire at the given virtual time.
func (w *World) arm(t *timer, at int64) {
	w.timerSeq++
	t.at, t.seq, t.tie = max(at, w.now), w.timerSeq, w.strategy.Tie()
	w.heap.push(t)
}

// disarm takes t out of wherever it is pending and reports whether it was.
func (w *World) disarm(t *timer) bool {
	switch {
	case t.idx >= 0:
		w.heap.remove(int(t.idx))
	case t.idx <= held:
		t.m.unhold(t)
	default:
		return false
	}
	return true
}

// Stop implements rt.Timer. A dying task stops nothing.
func (t *timer) Stop() bool {
	if t.w.deaf() {
		return false
	}
	return t.w.disarm(t)
}

// Reset implements rt.Timer. It does nothing for a timer that a machine had
// set before it crashed.
func (t *timer) Reset(d time.Duration) bool {
	if t.w.deaf() || (t.m != nil && !t.m.alive(t.gen)) {
		return false
	}
	pending := t.w.disarm(t)
	if t.m == nil {
		t.w.arm(t, saturate(t.w.now, int64(max(d, 0))))
	} else {
		t.m.set(t, d, true)
	}
	return pending
}

// fire lets the first timer of the heap happen.
func (w *World) fire() {
	t := w.takeDue()
	w.now = max(w.now, t.at)
	w.firing, w.ran = t, t.m
	w.fold(KindTimer, t.m, t.seq, uint64(w.now))
	if w.watched {
		w.publish(nil, w.actor())
	}
	switch t.kind {
	case timerTask:
		t.m.spawn(t.name, t.f, t.site)
	case timerWorld:
		w.foldText(KindWorld, nil, t.name)
		w.inline(t.f)
	case timerInline:
		w.inline(t.f)
	case timerCtx:
		t.ctx.cancel(true, nil)
	case timerReady:
		t.task.slowed = nil
		w.ready.push(t.task)
	}
	w.firing = nil
}

// inline runs a function on the scheduler.
func (w *World) inline(f func()) {
	f()
	if mu := w.inlineLock; mu != nil {
		w.inlineLock = nil
		w.abandoned = append(w.abandoned, mu)
		w.fail(FailLock, errLeftLocked, "")
	}
}
