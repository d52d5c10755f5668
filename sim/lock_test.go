package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// wantLockFailure runs f as a task and demands a failure that names it, says
// why, and where.
func wantLockFailure(t *testing.T, why string, f func(m *sim.Machine, a, b *rt.Mutex)) {
	t.Helper()
	w := newWorld(t, sim.Config{LockSites: true})
	m := w.Machine("m")
	a, b := rt.NewMutex(m), rt.NewMutex(m)
	m.Go("user", func() { f(m, &a, &b) })
	err := w.Run()
	var failure *sim.Failure
	if !errors.As(err, &failure) || failure.Kind != sim.FailLock || failure.Task != "user" || !strings.Contains(err.Error(), why) {
		t.Fatalf("Run: %v", err)
	}
	if why == "left locked" {
		return
	}
	if n := strings.Count(err.Error(), "sim/lock_test.go:"); n < 1 || (strings.Contains(err.Error(), "locked at") && n < 2) {
		t.Errorf("the places are missing: %v", err)
	}
	if !strings.Contains(failure.Stack, "lock_test.go") {
		t.Errorf("the stack is %q", failure.Stack)
	}
}

// mayPark are the methods that may park, at a moment at which they need not.
var mayPark = map[string]func(m *sim.Machine){
	"Park with a permit": func(m *sim.Machine) {
		p := m.NewParker()
		p.Unpark()
		p.Park(context.Background())
	},
	"Sleep":     func(m *sim.Machine) { rt.Sleep(context.Background(), m, 0) },
	"Queue.Put": func(m *sim.Machine) { rt.NewQueue[int](m, 1).Put(context.Background(), 1) },
	"Queue.Get": func(m *sim.Machine) {
		q := rt.NewQueue[int](m, 1)
		q.TryPut(1)
		q.Get(context.Background())
	},
	"Queue.Put to a closed one": func(m *sim.Machine) {
		q := rt.NewQueue[int](m, 1)
		q.Close(nil)
		q.Put(context.Background(), 1)
	},
	"Semaphore.Acquire": func(m *sim.Machine) { rt.NewSemaphore(m, 1).Acquire(context.Background()) },
	"Gate.Pass":         func(m *sim.Machine) { rt.NewGate(m, true).Pass(context.Background()) },
	"Event.Wait": func(m *sim.Machine) {
		e := rt.NewEvent(m)
		e.Fire()
		e.Wait(context.Background())
	},
	"Group.Wait": func(m *sim.Machine) { rt.NewGroup(m).Wait(context.Background()) },
}

func TestAMutexHeldAcrossAParkFailsTheRun(t *testing.T) {
	cases := map[string]func(m *sim.Machine){
		"Park":  wait,
		"Yield": (*sim.Machine).Yield,
		"Sleep": func(m *sim.Machine) { rt.Sleep(context.Background(), m, time.Second) },
		"Get":   func(m *sim.Machine) { rt.NewQueue[int](m, 1).Get(context.Background()) },
		"Crash": (*sim.Machine).Crash,
	}
	for name, f := range mayPark {
		cases["needless "+name] = f
	}
	for name, park := range cases {
		t.Run(name, func(t *testing.T) {
			wantLockFailure(t, "held across", func(m *sim.Machine, a, _ *rt.Mutex) {
				a.Lock()
				defer a.Unlock()
				park(m)
			})
		})
	}
}

func TestWhatNeverParksIsFineWithAMutexHeld(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	mu := rt.NewMutex(m)
	m.Go("user", func() {
		mu.Lock()
		defer mu.Unlock()
		q := rt.NewQueue[int](m, 1)
		q.TryPut(1)
		q.TryGet()
		q.Close(nil)
		s := rt.NewSemaphore(m, 1)
		s.TryAcquire()
		s.Release()
		g := rt.NewGate(m, false)
		g.Open()
		g.Shut()
		rt.NewEvent(m).Fire()
		tasks := rt.NewGroup(m)
		tasks.Go("other", m.Yield)
		tasks.Close()
		m.NewParker().Unpark()
	})
	run(t, w)
}

func TestASecondMutexFailsTheRun(t *testing.T) {
	wantLockFailure(t, "second rt.Mutex", func(_ *sim.Machine, a, b *rt.Mutex) {
		a.Lock()
		defer a.Unlock()
		b.Lock()
		defer b.Unlock()
	})
}

func TestLockingAMutexTwiceFailsTheRun(t *testing.T) {
	wantLockFailure(t, "locked twice", func(_ *sim.Machine, a, _ *rt.Mutex) {
		a.Lock()
		defer a.Unlock()
		a.Lock()
	})
}

func TestAMutexLeftLockedFailsTheRun(t *testing.T) {
	wantLockFailure(t, "left locked", func(_ *sim.Machine, a, _ *rt.Mutex) { a.Lock() })
}

func TestAFailureOfAMutexCannotBeRecoveredFrom(t *testing.T) {
	wantLockFailure(t, "held across", func(m *sim.Machine, a, _ *rt.Mutex) {
		defer func() { recover() }()
		a.Lock()
		defer a.Unlock()
		m.Yield()
	})
}

func TestAMutexLeftLockedOnTheSchedulerFailsTheRun(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	a := rt.NewMutex(m)
	m.AfterInline(0, a.Lock)
	if err := w.Run(); err == nil || !strings.Contains(err.Error(), "left locked") {
		t.Errorf("Run: %v", err)
	}
}

func TestAMutexThatADeadTaskLeftLockedHangsNobody(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	a := rt.NewMutex(m)
	reached := 0
	for range 3 {
		m.Go("victim", func() {
			defer func() {
				a.Lock()
				reached++
				wait(m)
			}()
			wait(m)
		})
	}
	run(t, w)
	m.Crash()
	if reached != 1 {
		t.Errorf("%d tasks got the mutex", reached)
	}
	if !panics(a.Lock) {
		t.Error("locking it does not panic")
	}
}

func TestOneMutexAfterAnotherIsFine(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	a, b := rt.NewMutex(m), rt.NewMutex(m)
	use := func() {
		a.Lock()
		a.Unlock()
		b.Lock()
		b.Unlock()
	}
	m.Go("user", func() { use(); m.Yield(); use() })
	m.AfterInline(0, use)
	w.AfterEach(func() error { use(); return nil })
	run(t, w)
	use()
}
