package rt

import (
	"context"
	"sync"
)

// Event happens once, and everybody who waits for it hears of it: a broadcast
// that stays. All methods are safe for concurrent use.
type Event struct {
	mu      sync.Mutex //simvet:allow sync Fire is called under an rt.Mutex; never held across a park
	fired   bool
	waiting waiters[struct{}]
}

// NewEvent returns an event that has not fired.
func NewEvent(r Runtime) *Event {
	e := &Event{}
	e.waiting = newWaiters[struct{}](r, &e.mu)
	return e
}

// Fire lets every present and future Wait return nil. It never blocks, may be
// called with an rt.Mutex held, and does nothing after the first call.
func (e *Event) Fire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fired {
		return
	}
	e.fired = true
	e.waiting.wakeAll()
}

// Fired reports whether Fire was called. It never blocks.
func (e *Event) Fired() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fired
}

// Wait waits until the event has fired or ctx ends. It returns nil in the
// first case, also if ctx has ended too, and context.Cause(ctx) in the second.
func (e *Event) Wait(ctx context.Context) error {
	e.waiting.mayPark("Event.Wait")
	e.mu.Lock()
	if e.fired {
		e.mu.Unlock()
		return nil
	}
	w := e.waiting.add()
	e.mu.Unlock()
	_, err := e.waiting.wait(ctx, w)
	return err
}
