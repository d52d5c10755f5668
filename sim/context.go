package sim

import (
	"context"
	"time"

	"github.com/maculamesh/macula/rt"
)

// simCtx is a context of a machine: one small allocation, and a channel only
// if somebody asks for one. What it needs only until it ends is pooled apart,
// since nobody can tell for how long an ended context is kept.
type simCtx struct {
	m        *Machine
	parent   context.Context // where values come from
	live     *liveCtx        // nil once it has ended
	cause    error           // not nil once it has ended
	local    int64           // its deadline on the clock of m
	limited  bool            // whether it has one of its own, earlier than its parent's
	timedOut bool            // whether it ended by a deadline, its own or an ancestor's
	done     chan struct{}   //simvet:allow chan for code outside of the simulator; made when asked for
	std      context.Context // where context.Cause looks, made when asked for
}

// liveCtx is what a context needs until it ends.
type liveCtx struct {
	sibling  node[simCtx] // its place among the parent's children
	own      node[simCtx] // its place among the machine's, if it has a parent
	children list[simCtx]
	hooks    list[hook]
	waiting  list[Task]
	timer    timer
	site     site
}

// maxFree is how many of them a world keeps for reuse.
const maxFree = 4096

// WithCancelCause implements rt.Runtime.
func (m *Machine) WithCancelCause(parent context.Context) (context.Context, context.CancelCauseFunc) {
	c := m.newContext(parent, m.w.site())
	return c, func(cause error) {
		if !c.m.w.deaf() {
			c.cancel(false, cause)
		}
	}
}

// WithTimeout implements rt.Runtime. The cancel function must be called: until
// then, or until its time, the timer is pending and Leaks reports it.
func (m *Machine) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := m.newContext(parent, m.w.site())
	if left, ok := rt.Remaining(m, parent); !ok || left >= d {
		c.limited, c.local = true, saturate(m.local(), int64(d))
		if d <= 0 {
			c.cancel(true, nil)
		} else if live := c.live; live != nil && m.up && !m.w.deaf() {
			live.timer = timer{w: m.w, m: m, idx: idle, gen: m.gen, kind: timerCtx, ctx: c}
			m.set(&live.timer, d, true)
		}
	}
	return c, func() {
		if !c.m.w.deaf() {
			c.cancel(false, nil)
		}
	}
}

// newContext returns a child of parent.
func (m *Machine) newContext(parent context.Context, from site) *simCtx {
	w := m.w
	up := w.context(parent)
	c := &simCtx{m: m, parent: parent}
	if up != nil && up.live == nil {
		c.timedOut, c.cause = up.timedOut, up.causeFor(parent)
		return c
	}
	if n := len(w.free); n > 0 {
		c.live, w.free = w.free[n-1], w.free[:n-1]
	} else {
		c.live = &liveCtx{}
	}
	c.live.site, c.live.timer.idx = from, idle
	if up != nil {
		up.live.children.push(&c.live.sibling, c)
		m.contexts.push(&c.live.own, c)
	}
	return c
}

// cancel ends c, and with it everything below. Only the first call counts.
func (c *simCtx) cancel(timedOut bool, cause error) {
	live := c.live
	if live == nil {
		return
	}
	w := c.m.w
	c.live, c.timedOut, c.cause = nil, timedOut, cause
	if cause == nil {
		c.cause = c.end()
	}
	live.sibling.remove()
	live.own.remove()
	w.disarm(&live.timer)
	if c.done != nil {
		close(c.done) //simvet:allow chan for code outside of the simulator
	}
	for t := live.waiting.pop(); t != nil; t = live.waiting.pop() {
		w.wake(t)
	}
	for h := live.hooks.pop(); h != nil; h = live.hooks.pop() {
		h.run()
	}
	for child := live.children.pop(); child != nil; child = live.children.pop() {
		child.cancel(timedOut, c.cause)
	}
	live.timer.ctx = nil
	if len(w.free) < maxFree {
		w.free = append(w.free, live)
	}
}

// causeFor returns why ctx has ended, whose nearest own context is c.
func (c *simCtx) causeFor(ctx context.Context) error {
	if ctx == context.Context(c) {
		return c.cause
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return c.cause
}

// Deadline implements context.Context: an instant on the machine's wall clock
// as it is now, so that the time that is left does not depend on its steps.
func (c *simCtx) Deadline() (time.Time, bool) {
	if !c.limited {
		return c.parent.Deadline()
	}
	return c.m.Wall().Add(time.Duration(c.local - c.m.local())), true
}

// Done implements context.Context. Tasks wait by rt; the channel is for code
// outside of the simulator.
func (c *simCtx) Done() <-chan struct{} { //simvet:allow chan the interface has it
	w := c.m.w
	if w.probing {
		w.probed = c
		return w.probe
	}
	if c.done == nil {
		c.done = make(chan struct{}) //simvet:allow chan for code outside of the simulator
		if c.live == nil {
			close(c.done) //simvet:allow chan for code outside of the simulator
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *simCtx) Err() error {
	if c.live != nil {
		return nil
	}
	return c.end()
}

// end is what Err is once c has ended.
func (c *simCtx) end() error {
	if c.timedOut {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value implements context.Context.
func (c *simCtx) Value(key any) any {
	if key == c.m.w.causeKey {
		return c.causeCarrier()
	}
	return c.parent.Value(key)
}

// String keeps pointers out of what is printed.
func (c *simCtx) String() string { return "sim.Context of " + c.m.name }

// context returns the context of this world whose end is the end of ctx, or
// nil when ctx never ends. Any other one panics.
//
// Who implements Done decides, whatever is wrapped around: while a world
// probes, each of its contexts answers Done with one and the same channel and
// says that it was asked. A context that does not pass Done on to one of ours
// answers with another channel.
func (w *World) context(ctx context.Context) *simCtx {
	if c, ok := ctx.(*simCtx); ok && c.m.w == w {
		return c
	}
	if ctx == nil {
		panic("sim: the context is nil")
	}
	within := w.probing // a context that is made when it is asked for Done asks for its parent
	w.probing = true
	done := ctx.Done()
	c := w.probed
	w.probing, w.probed = within, nil
	switch {
	case done == nil:
		return nil
	case done != (<-chan struct{})(w.probe): //simvet:allow chan compared, never used
		panic("sim: this context was not made by this world's machines, so nothing here can wait for it: " +
			"use WithCancelCause and WithTimeout of the rt.Runtime")
	}
	return c
}
