// Package rt is the world that node code takes as an argument: time, tasks,
// waiting and randomness.
//
// Two runtimes implement it. realrt runs tasks as goroutines on the system
// clock; sim runs them as coroutines, one at a time, in virtual time under a
// seeded scheduler. Code written against rt cannot tell which one it is in,
// as long as it blocks through rt and through nothing else: no channels, no
// select, no sync, no package time beyond durations (simvet enforces this).
//
// Everything blocking in this package is built on Parker.
package rt

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/mono"
)

// Clock tells the time in two ways that never mix. Both methods are safe for
// concurrent use and never block.
type Clock interface {
	// Now is the monotonic instant. TTLs, deadlines, LRU order and everything
	// else that decides uses it. It is never zero and never goes back.
	Now() mono.Time
	// Wall is the calendar time, for certificates, grants and logs. It may
	// jump in either direction.
	Wall() time.Time
	// AfterFunc runs f in a task of its own once d has passed; d <= 0 means as
	// soon as possible, but never before AfterFunc has returned.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc. Its methods never block.
type Timer interface {
	// Stop prevents the timer from firing and reports whether it did: false
	// means that it has fired, or was stopped before. A stopped timer holds no
	// memory in the runtime.
	Stop() bool
	// Reset makes the timer fire d from now, whatever it did before, and
	// reports whether it had still been pending.
	Reset(d time.Duration) bool
}

// Parker is a semaphore with a single permit: the only primitive that blocks.
// One task at a time may wait in Park; a second one is a bug and panics.
type Parker interface {
	// Park takes the permit, waiting until there is one or ctx ends. A permit
	// wins over an ended ctx. It returns nil with the permit, and
	// context.Cause(ctx) without it. ctx must come from the same runtime, or
	// be context.Background.
	Park(ctx context.Context) error
	// Unpark makes the permit available; with a permit already there it does
	// nothing. It never blocks and is safe for concurrent use.
	Unpark()
}

// Runtime is the whole world of a component. All methods are safe for
// concurrent use; only Yield can give up the processor.
type Runtime interface {
	Clock
	// Go starts f as a task. The name shows in traces, leak reports and
	// profiles. Whoever calls Go owns the task and must wait for its end;
	// Group does that.
	Go(name string, f func())
	// Yield lets other tasks run: runtime.Gosched in production, a point at
	// which the scheduler may switch in simulation.
	Yield()
	// NewParker returns a parker without a permit.
	NewParker() Parker
	// Rand returns the random stream of that purpose, the same one at every
	// call: seeded from the run's seed in simulation, from the system in
	// production. Never use it for keys.
	Rand(purpose string) *rand.Rand
	// WithCancelCause is context.WithCancelCause for this runtime.
	WithCancelCause(parent context.Context) (context.Context, context.CancelCauseFunc)
	// WithTimeout is context.WithTimeout on this runtime's clock. The cause of
	// an elapsed timeout is context.DeadlineExceeded.
	WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// AfterDone runs f in a task of its own once ctx ends, until stop is
	// called; stop reports whether it prevented f.
	AfterDone(ctx context.Context, f func()) (stop func() bool)
}

// LockObserver is what a runtime implements to hear of every Mutex that was
// made for it, and of every call that may park, whether it has to this time or
// not. The simulator counts the locks that a task holds, and panics when it
// calls such a method with one, or takes a second.
type LockObserver interface {
	Locked(m *Mutex)
	Unlocked(m *Mutex)
	// MayPark is called at the beginning of the method of that name.
	MayPark(method string)
}

// InlineTimer is what a runtime may implement for callers whose function is
// short and never parks: f runs without a task, on the scheduler itself.
// The simulator has it so that a delivered packet does not cost a task.
type InlineTimer interface {
	AfterInline(d time.Duration, f func()) Timer
}

// Remaining returns the time until ctx's deadline, and false when it has none.
// It may be negative.
func Remaining(c Clock, ctx context.Context) (time.Duration, bool) {
	if t, ok := ctx.(*LazyTimeout); ok {
		return t.until.Sub(c.Now()), true
	}
	d, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	// Both sides are wall times of the same runtime. In production both carry
	// a monotonic reading, so Sub does not see clock steps; the simulator
	// computes Deadline from its wall clock at the moment of the call.
	return d.Sub(c.Wall()), true
}

// Deadline is the calendar time of an instant as a context reports it:
// Remaining of a context with that deadline is the time until at.
func Deadline(c Clock, at mono.Time) time.Time { return c.Wall().Add(at.Sub(c.Now())) }

// Sleep waits for d or until ctx ends, and returns context.Cause(ctx) in the
// second case.
func Sleep(ctx context.Context, r Runtime, d time.Duration) error {
	p := r.NewParker()
	after := r.AfterFunc
	if in, ok := r.(InlineTimer); ok {
		after = in.AfterInline // no task for a call of Unpark
	}
	t := after(d, p.Unpark)
	defer t.Stop()
	return p.Park(ctx)
}
