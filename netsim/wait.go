package netsim

import (
	"context"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// waiter is a task that waits to be handed something: a stream, a connection,
// or an error.
type waiter struct {
	parker     rt.Parker
	prev, next *waiter
	in         *line
	done       bool

	stream *streamEnd
	conn   *end
	err    error
	site   uintptr
}

// line is the tasks that wait for one thing, first in first out. Guarded by
// the network's mutex, like everything here.
type line struct{ head, tail *waiter }

// newWaiter returns a waiter for the calling task, which must pass it to wait.
func (p *endpoint) newWaiter() *waiter {
	w := p.spare
	if w == nil {
		return &waiter{parker: p.r.NewParker()}
	}
	p.spare = nil
	return w
}

func (l *line) add(w *waiter) {
	w.in, w.prev = l, l.tail
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
}

func (w *waiter) leave() {
	l := w.in
	if l == nil {
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
	w.in, w.prev, w.next = nil, nil, nil
}

// wake ends the wait of w, with what was put into it.
func (w *waiter) wake() {
	w.leave()
	w.done = true
	w.parker.Unpark()
}

// fail ends every wait with err.
func (l *line) fail(err error) {
	for w := l.head; w != nil; w = l.head {
		w.err = err
		w.wake()
	}
}

// wait parks until w is woken or ctx ends. When both meet, what w was woken
// with wins. It returns w's error, and otherwise context.Cause(ctx), of which
// gaveUp has to clean up with the mutex held. It is called without the mutex.
func (p *endpoint) wait(ctx context.Context, w *waiter, gaveUp func(cause error)) (*streamEnd, *end, error) {
	for {
		err := w.parker.Park(ctx)
		p.n.lock()
		if w.done || err != nil {
			stream, conn := w.stream, w.conn
			if w.done {
				err = w.err
			} else {
				w.leave()
				if gaveUp != nil {
					gaveUp(err)
				}
			}
			*w = waiter{parker: w.parker}
			p.spare = w
			p.n.unlock()
			return stream, conn, err
		}
		p.n.unlock()
	}
}

// slot is where the one task waits that reads, or that writes, a stream. It
// is woken to look again, with no promise.
type slot struct {
	parker  rt.Parker
	timer   rt.Timer // for the deadline
	waiting bool
}

func (s *slot) wake() {
	if s != nil && s.waiting {
		s.waiting = false
		s.parker.Unpark()
	}
}

// begin readies *s for a park that ends at the deadline by the machine's
// clock. The caller parks on what it returns, without the mutex, and then
// calls finish.
func (p *endpoint) begin(s **slot, deadline mono.Time) *slot {
	if *s == nil {
		*s = &slot{parker: p.r.NewParker()}
	}
	sl := *s
	sl.waiting = true
	if deadline.IsZero() {
		return sl
	}
	d := deadline.Sub(p.r.Now())
	switch {
	case sl.timer != nil:
		sl.timer.Reset(d)
	case p.in != nil:
		sl.timer = p.in.AfterInline(d, sl.parker.Unpark)
	default:
		sl.timer = p.r.AfterFunc(d, sl.parker.Unpark)
	}
	return sl
}

// park waits until somebody wakes the slot, or its deadline.
func (s *slot) park(deadline mono.Time) {
	s.parker.Park(context.Background())
	if !deadline.IsZero() {
		s.timer.Stop()
	}
}
