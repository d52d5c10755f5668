package rt

import (
	"context"
	"errors"
	"sync"
)

// ErrFull is TryPut's answer when the queue is at its capacity.
var ErrFull = errors.New("rt: queue is full")

// ErrClosed is the error of a queue that was closed without one.
var ErrClosed = errors.New("rt: queue is closed")

// Queue is a bounded first-in first-out queue with an end. Items leave in the
// order in which their Puts began, and waiting tasks are served in the order
// in which they came. All methods are safe for concurrent use.
type Queue[T any] struct {
	mu       sync.Mutex //simvet:allow sync TryPut is called under an rt.Mutex; never held across a park
	capacity int
	ring     []T // grows up to capacity and stays
	head, n  int
	closed   error
	getters  waiters[T] // empty unless n == 0
	putters  waiters[T] // empty unless n == capacity
}

// NewQueue returns an empty queue for at most capacity items; a capacity below
// one is a bug and panics. Memory grows with the items, up to the capacity.
func NewQueue[T any](r Runtime, capacity int) *Queue[T] {
	if capacity < 1 {
		panic("rt.NewQueue: capacity below one")
	}
	q := &Queue[T]{capacity: capacity}
	q.getters = newWaiters[T](r, &q.mu)
	q.putters = newWaiters[T](r, &q.mu)
	return q
}

// Put appends v, waiting for room until ctx ends. It returns nil when v is in
// the queue, also if ctx has ended too, the error of Close when the queue is
// closed, and otherwise context.Cause(ctx).
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	q.putters.mayPark("Queue.Put")
	q.mu.Lock()
	if err := q.put(v); err == nil || q.closed != nil {
		q.mu.Unlock()
		return err
	}
	w := q.putters.add()
	w.val = v
	q.mu.Unlock()
	_, err := q.putters.wait(ctx, w)
	return err
}

// TryPut appends v if there is room. It returns nil, ErrFull, or the error of
// Close. It never blocks and may be called with an rt.Mutex held.
func (q *Queue[T]) TryPut(v T) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put(v)
}

// Get takes the oldest item, waiting for one until ctx ends. It returns an
// item also if ctx has ended too, the error of Close when the queue is closed
// and empty, and otherwise context.Cause(ctx). An item that was handed to a
// waiting task counts as taken, even if the task dies before it returns.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	q.getters.mayPark("Queue.Get")
	q.mu.Lock()
	if v, ok := q.take(); ok || q.closed != nil {
		err := q.closed
		if ok {
			err = nil
		}
		q.mu.Unlock()
		return v, err
	}
	w := q.getters.add()
	q.mu.Unlock()
	return q.getters.wait(ctx, w)
}

// TryGet takes the oldest item if there is one and reports whether it did. It
// never blocks and may be called with an rt.Mutex held.
func (q *Queue[T]) TryGet() (T, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take()
}

// Close ends the queue: every Put from now on and every waiting one fails with
// err, Get returns what is queued and then err. A nil err means ErrClosed. It
// never blocks, and does nothing after the first call.
func (q *Queue[T]) Close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return
	}
	if err == nil {
		err = ErrClosed
	}
	q.closed = err
	q.getters.failAll(err)
	q.putters.failAll(err)
}

// Len returns the number of queued items. It never blocks.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// Cap returns the capacity.
func (q *Queue[T]) Cap() int { return q.capacity }

// put hands v to the first waiting Get or appends it. Called with mu held.
func (q *Queue[T]) put(v T) error {
	if q.closed != nil {
		return q.closed
	}
	if w := q.getters.head; w != nil {
		w.val = v
		q.getters.wake(w)
		return nil
	}
	if q.n == q.capacity {
		return ErrFull
	}
	q.push(v)
	return nil
}

// take removes the oldest item and lets the first waiting Put have its place.
// Called with mu held.
func (q *Queue[T]) take() (T, bool) {
	var zero T
	if q.n == 0 {
		return zero, false
	}
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	if w := q.putters.head; w != nil {
		q.push(w.val)
		q.putters.wake(w)
	}
	return v, true
}

// push appends v, growing the ring if it must. Called with mu held.
func (q *Queue[T]) push(v T) {
	if q.n == len(q.ring) {
		ring := make([]T, min(q.capacity, max(4, 2*q.n)))
		k := copy(ring, q.ring[q.head:])
		copy(ring[k:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = v
	q.n++
}
