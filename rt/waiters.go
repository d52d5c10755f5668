package rt

import (
	"context"
	"sync"
)

// waiters is the first-in first-out list of the tasks that wait at one
// primitive. Everything in it is guarded by the primitive's own mutex mu, a
// raw one so that the non-blocking half of a primitive may be called under an
// rt.Mutex. Nothing parks with mu held.
type waiters[T any] struct {
	rt         Runtime
	obs        LockObserver // nil when rt is none
	mu         *sync.Mutex  //simvet:allow sync guards the list, never held across a park
	head, tail *waiter[T]
	// spare is the last waiter that left: a primitive with one waiter at a
	// time allocates its parker once.
	spare *waiter[T]
	// lost, when set, is called with mu held if a task died in its park after
	// it had been woken, so that what it was woken for goes to another.
	lost func()
}

// waiter is one task in the list, with what it brings or is handed.
type waiter[T any] struct {
	parker     Parker
	prev, next *waiter[T]
	linked     bool
	woken      bool
	val        T
	err        error
}

// newWaiters returns an empty list.
func newWaiters[T any](r Runtime, mu *sync.Mutex) waiters[T] { //simvet:allow sync it is the primitive's
	obs, _ := r.(LockObserver)
	return waiters[T]{rt: r, obs: obs, mu: mu}
}

// mayPark is how every method begins that can wait: one that is called with an
// rt.Mutex held is a bug also when it does not wait. Called without mu.
func (l *waiters[T]) mayPark(method string) {
	if l.obs != nil {
		l.obs.MayPark(method)
	}
}

// add appends a waiter for the calling task, which must pass it to wait next.
// Called with mu held.
func (l *waiters[T]) add() *waiter[T] {
	w := l.spare
	l.spare = nil
	if w == nil {
		w = &waiter[T]{parker: l.rt.NewParker()}
	}
	w.prev, w.linked = l.tail, true
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	return w
}

// remove takes w off the list, if it is still there. Called with mu held.
func (l *waiters[T]) remove(w *waiter[T]) {
	if !w.linked {
		return
	}
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.linked = nil, nil, false
}

// wake takes w off the list and ends its wait. Called with mu held: after w
// has left, nobody unparks its parker any more, and only so can it be reused.
func (l *waiters[T]) wake(w *waiter[T]) {
	l.remove(w)
	w.woken = true
	w.parker.Unpark()
}

// wakeAll ends every wait, in the order in which they began. Called with mu
// held.
func (l *waiters[T]) wakeAll() {
	for l.head != nil {
		l.wake(l.head)
	}
}

// failAll ends every wait with err. Called with mu held.
func (l *waiters[T]) failAll(err error) {
	var zero T
	for w := l.head; w != nil; w = l.head {
		w.val, w.err = zero, err
		l.wake(w)
	}
}

// wait parks until w is woken or ctx ends, and takes w off the list. When both
// meet, the wake-up wins: what w was woken for is never dropped. It returns
// w's value, and w's error or context.Cause(ctx). Called without mu.
func (l *waiters[T]) wait(ctx context.Context, w *waiter[T]) (T, error) {
	killed := true
	defer func() {
		// The simulator kills a task by never returning from Park. Its parker
		// is not used again, since the runtime may think it occupied.
		if killed {
			l.leave(w)
		}
	}()
	for {
		err := w.parker.Park(ctx)
		l.mu.Lock()
		if w.woken || err != nil {
			if w.woken {
				err = w.err
			}
			val := w.val
			l.remove(w)
			l.recycle(w)
			l.mu.Unlock()
			killed = false
			return val, err
		}
		// The permit was left over from an earlier use of this parker.
		l.mu.Unlock()
	}
}

// leave is wait's end for a task that was killed in it.
func (l *waiters[T]) leave(w *waiter[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(w)
	if w.woken && l.lost != nil {
		l.lost()
	}
}

// recycle keeps w for the next add. Called with mu held.
func (l *waiters[T]) recycle(w *waiter[T]) {
	var zero T
	w.val, w.err, w.woken = zero, nil, false
	l.spare = w
}
