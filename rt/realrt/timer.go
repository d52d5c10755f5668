package realrt

import (
	"runtime/pprof"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// timer is an rt.Timer over one of the clock's. The clock's own answers are
// not enough: it starts a goroutine and calls the timer fired, while here a
// Stop or Reset that comes before that goroutine has run still prevents it.
type timer struct {
	r *Runtime
	f func()

	mu      sync.Mutex // held by AfterFunc until it returns, so that fire comes after
	under   *clock.Timer
	pending bool
	when    mono.Time
}

// AfterFunc runs f on a goroutine of its own, a task named rt.AfterFunc, once
// d has passed. A variable that the caller assigns the Timer to and f reads
// needs a lock, as with time.AfterFunc.
func (r *Runtime) AfterFunc(d time.Duration, f func()) rt.Timer {
	t := &timer{r: r, f: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arm(d)
	return t
}

// Stop prevents the timer from firing and reports whether it did.
func (t *timer) Stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.disarm()
}

// Reset makes the timer fire d from now and reports whether it was pending.
func (t *timer) Reset(d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.disarm()
	t.arm(d)
	return was
}

// arm makes a timer pending that is not. Called with mu held.
func (t *timer) arm(d time.Duration) {
	t.pending = true
	t.r.timers.Add(1)
	t.when = t.r.Now().Add(max(d, 0))
	switch {
	case d <= 0:
		// A Mock would keep it until somebody moves the time.
		go t.fire()
	case t.under == nil:
		t.under = t.r.clk.AfterFunc(d, t.fire)
	default:
		t.under.Reset(d)
	}
}

// disarm makes a timer not pending and reports whether it was. Called with mu
// held.
func (t *timer) disarm() bool {
	if !t.pending {
		return false
	}
	t.pending = false
	t.r.timers.Add(-1)
	if t.under != nil {
		t.under.Stop()
	}
	return true
}

// fire runs on a goroutine that the clock started. It may be one that was on
// its way when the timer was stopped or reset, so the timer's state decides.
func (t *timer) fire() {
	t.mu.Lock()
	if !t.pending {
		t.mu.Unlock()
		return
	}
	if early := t.when.Sub(t.r.Now()); early > 0 {
		if t.under == nil {
			t.under = t.r.clk.AfterFunc(early, t.fire)
		} else {
			t.under.Reset(early)
		}
		t.mu.Unlock()
		return
	}
	e := t.r.tasks.begin("rt.AfterFunc")
	defer t.r.tasks.end(e)
	t.pending = false
	t.r.timers.Add(-1)
	t.mu.Unlock()
	pprof.SetGoroutineLabels(e.labels)
	t.f()
}
