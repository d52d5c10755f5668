package sim

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/maculamesh/macula/rt"
)

// lockPanic is what a task panics with after its failure was recorded.
type lockPanic struct {
	error
	recorded bool
}

// Locked implements rt.LockObserver. It is called before the lock is taken:
// nobody else can have it, since a task that has one cannot stop running,
// unless it ended without giving it back.
func (m *Machine) Locked(mu *rt.Mutex) {
	w := m.w
	holds := w.holds()
	if *holds != nil {
		if *holds == mu {
			w.refuseLock("an rt.Mutex is locked twice" + w.lockedAt())
		}
		w.refuseLock("a second rt.Mutex is locked while holding one" + w.lockedAt())
	}
	if len(w.abandoned) > 0 && slices.Contains(w.abandoned, mu) {
		w.refuseLock("an rt.Mutex is locked that a task left locked when it ended")
	}
	*holds = mu
	if t := w.running; t != nil && w.cfg.LockSites {
		t.locked = w.site()
	}
}

// Unlocked implements rt.LockObserver.
func (m *Machine) Unlocked(mu *rt.Mutex) {
	w := m.w
	holds := w.holds()
	if *holds == mu {
		*holds = nil
		return
	}
	if i := slices.Index(w.abandoned, mu); i >= 0 {
		w.abandoned = slices.Delete(w.abandoned, i, i+1)
	}
	w.refuseLock("an rt.Mutex is unlocked by who did not lock it")
}

// MayPark implements rt.LockObserver.
func (m *Machine) MayPark(method string) { m.w.unlocked(method) }

// holds is where the lock is noted that the running code has.
func (w *World) holds() **rt.Mutex {
	if w.running != nil {
		return &w.running.lock
	}
	return &w.inlineLock
}

// unlocked refuses what must not be called with a lock: another task that it
// waits for, or that it unwinds, may want it.
func (w *World) unlocked(what string) {
	if *w.holds() != nil {
		w.refuseLock(fmt.Sprintf("an rt.Mutex is held across %s%s", what, w.lockedAt()))
	}
}

// lockedAt says where the running task took its lock, as far as it is known.
func (w *World) lockedAt() string {
	if t := w.running; t != nil && t.locked != (site{}) {
		return ", locked at " + t.locked.String()
	}
	return "; Config.LockSites tells where it was locked"
}

// refuseLock records the failure and panics, so that the caller's deferred
// unlocks run. A dying task ends instead.
func (w *World) refuseLock(why string) {
	err := fmt.Errorf("%s, at %s", why, places(4))
	recorded := w.driving || w.running != nil
	if recorded {
		w.fail(FailLock, err, stack(4))
	}
	if t := w.running; t != nil && t.dying {
		runtime.Goexit()
	}
	panic(lockPanic{err, recorded})
}
