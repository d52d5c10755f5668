package rt

import (
	"context"
	"sync"
)

// Semaphore hands out up to n permits, to waiting tasks in the order in which
// they came. All methods are safe for concurrent use.
type Semaphore struct {
	mu      sync.Mutex //simvet:allow sync Release is called under an rt.Mutex; never held across a park
	n       int
	inUse   int // waiting is empty unless inUse == n
	waiting waiters[struct{}]
}

// NewSemaphore returns a semaphore of n free permits. With n = 0 nobody ever
// gets one; a negative n is a bug and panics.
func NewSemaphore(r Runtime, n int) *Semaphore {
	if n < 0 {
		panic("rt.NewSemaphore: negative number of permits")
	}
	s := &Semaphore{n: n}
	s.waiting = newWaiters[struct{}](r, &s.mu)
	s.waiting.lost = s.release
	return s
}

// Acquire takes a permit, waiting until there is one or ctx ends. It returns
// nil with a permit, also if ctx has ended too, and context.Cause(ctx) without
// one. A permit whose Release meets the end of a waiter's ctx goes to that
// waiter or to the next, and is never lost.
func (s *Semaphore) Acquire(ctx context.Context) error {
	s.waiting.mayPark("Semaphore.Acquire")
	s.mu.Lock()
	if s.inUse < s.n {
		s.inUse++
		s.mu.Unlock()
		return nil
	}
	w := s.waiting.add()
	s.mu.Unlock()
	_, err := s.waiting.wait(ctx, w)
	return err
}

// TryAcquire takes a permit if one is free and reports whether it did. It
// never blocks and never overtakes a waiting task.
func (s *Semaphore) TryAcquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUse == s.n {
		return false
	}
	s.inUse++
	return true
}

// Release gives a permit back. It never blocks and may be called with an
// rt.Mutex held. A release without a permit is a bug and panics.
func (s *Semaphore) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUse == 0 {
		panic("rt.Semaphore: Release without Acquire")
	}
	s.release()
}

// InUse returns the number of permits that are out. It never blocks.
func (s *Semaphore) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inUse
}

// release hands one permit to the first waiter. Called with mu held.
func (s *Semaphore) release() {
	if w := s.waiting.head; w != nil {
		s.waiting.wake(w)
		return
	}
	s.inUse--
}
