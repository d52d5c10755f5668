package realrt

import (
	"context"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

// WithCancelCause is context.WithCancelCause.
func (r *Runtime) WithCancelCause(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if r.system {
		return ctx, cancel
	}
	return &clockCtx{Context: ctx}, cancel
}

// WithTimeout is context.WithTimeout on the runtime's clock. It counts in
// Timers until cancel is called, also when it has elapsed before: every
// caller owes that call.
func (r *Runtime) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := r.withTimeout(parent, d)
	r.timers.Add(1)
	var called atomic.Bool
	return ctx, func() {
		if called.CompareAndSwap(false, true) {
			r.timers.Add(-1)
			cancel()
		}
	}
}

// AfterDone runs f on a goroutine of its own, a task named rt.AfterDone, once
// ctx has ended.
func (r *Runtime) AfterDone(ctx context.Context, f func()) (stop func() bool) {
	r.hooks.Add(1)
	unhook := context.AfterFunc(ctx, func() {
		e := r.tasks.begin("rt.AfterDone")
		defer r.tasks.end(e)
		r.hooks.Add(-1)
		pprof.SetGoroutineLabels(e.labels)
		f()
	})
	return func() bool {
		stopped := unhook()
		if stopped {
			r.hooks.Add(-1)
		}
		return stopped
	}
}

func (r *Runtime) withTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if r.system {
		return context.WithTimeout(parent, d)
	}
	base, cancel := context.WithCancelCause(parent)
	ctx := &clockCtx{Context: base, deadline: r.clk.Now().Add(d)}
	if earlier, ok := parent.Deadline(); ok && earlier.Before(ctx.deadline) {
		ctx.deadline = earlier
		return ctx, func() { cancel(nil) }
	}
	if d <= 0 {
		cancel(context.DeadlineExceeded)
		return ctx, func() {}
	}
	t := r.clk.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		t.Stop()
		cancel(nil)
	}
}

// clockCtx is a context on a clock that is not the system's. The Mock has one
// too, which this does not use: its Err reads without the lock under which it
// is written, and it runs a goroutine for every child.
type clockCtx struct {
	context.Context
	deadline time.Time
}

// Deadline returns the instant on the runtime's clock.
func (c *clockCtx) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.Context.Deadline()
	}
	return c.deadline, true
}

// Err tells an elapsed timeout from a cancellation, which the context below
// cannot: the standard library does not let others end one with
// DeadlineExceeded.
func (c *clockCtx) Err() error {
	err := c.Context.Err()
	if err == context.Canceled && context.Cause(c.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}
