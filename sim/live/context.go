package live

import (
	"context"
	"time"

	"github.com/maculamesh/macula/mono"
)

// liveCtx is a context of a machine. Its deadline follows the machine's
// clocks.
type liveCtx struct {
	context.Context
	life  *life
	name  string
	site  string
	timer *timer
	has   bool
	at    mono.Time // the deadline, of the machine's clock
}

// ctxKey is what a context is asked for the one of a machine in it.
type ctxKey struct{}

// Value implements context.Context.
func (c *liveCtx) Value(key any) any {
	if key == (ctxKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Deadline implements context.Context, in the calendar time of the machine.
func (c *liveCtx) Deadline() (time.Time, bool) {
	if !c.has {
		return c.Context.Deadline()
	}
	return c.life.m.clock.wallAt(c.at), true
}

// Err tells an elapsed timeout from a cancellation.
func (c *liveCtx) Err() error {
	err := c.Context.Err()
	if err == context.Canceled && context.Cause(c.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}

// inherit takes the deadline of the parent, if it is earlier than that of c.
func (c *liveCtx) inherit(parent context.Context) (inherited bool) {
	p, ok := parent.Value(ctxKey{}).(*liveCtx)
	if !ok || !p.has {
		return false
	}
	at := p.at
	if m := c.life.m; m != p.life.m {
		at = m.Now().Add(at.Sub(p.life.m.Now()))
	}
	if c.has && at > c.at {
		return false
	}
	c.at, c.has = at, true
	return true
}

// WithCancelCause implements rt.Runtime.
func (m *Machine) WithCancelCause(parent context.Context) (context.Context, context.CancelCauseFunc) {
	c, cancel := m.child(parent, "WithCancelCause")
	c.inherit(parent)
	return c, cancel
}

// WithTimeout implements rt.Runtime.
func (m *Machine) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c, cancel := m.child(parent, "WithTimeout")
	end := func() { cancel(nil) }
	c.at, c.has = m.Now().Add(d), true
	if c.inherit(parent) {
		return c, end
	}
	if d <= 0 {
		cancel(context.DeadlineExceeded)
		return c, end
	}
	if m.up && !m.w.deaf() {
		c.timer = &timer{life: m.life, name: "WithTimeout", site: c.site, f: func() { cancel(context.DeadlineExceeded) }}
		c.timer.arm(d)
	}
	return c, end
}

// child returns a context and what ends it, which a dying task cannot.
func (m *Machine) child(parent context.Context, name string) (*liveCtx, context.CancelCauseFunc) {
	inner, cancel := context.WithCancelCause(parent)
	c := &liveCtx{Context: inner, life: m.life, name: name, site: here().String()}
	if parent.Done() != nil && m.up && !m.w.deaf() {
		m.life.contexts[c] = struct{}{}
	}
	return c, func(cause error) {
		if m.w.deaf() {
			return
		}
		delete(c.life.contexts, c)
		if c.timer != nil {
			c.timer.disarm()
		}
		cancel(cause)
	}
}

// hook is an AfterDone that has neither run nor been stopped.
type hook struct {
	life *life
	ctx  context.Context
	site string
	f    func()
	stop func() bool
	id   uint64
}

// AfterDone implements rt.Runtime.
func (m *Machine) AfterDone(ctx context.Context, f func()) (stop func() bool) {
	w := m.w
	if !m.up || w.deaf() {
		return func() bool { return false }
	}
	w.taskSeq++
	h := &hook{life: m.life, ctx: ctx, site: here().String(), f: f, id: w.taskSeq}
	m.life.hooks[h] = struct{}{}
	h.stop = w.cfg.Runtime.AfterDone(ctx, h.run)
	return func() bool { return !w.deaf() && h.drop() }
}

// drop prevents the hook from running and reports whether it did.
func (h *hook) drop() bool {
	if _, ok := h.life.hooks[h]; !ok {
		return false
	}
	delete(h.life.hooks, h)
	h.stop()
	return true
}

func (h *hook) run() {
	w := h.life.m.w
	t := visitor(h.life, "rt.AfterDone", h.site)
	w.settle(h.id)
	w.begin(t)
	if _, ok := h.life.hooks[h]; !ok || h.life.over {
		w.leave()
		return
	}
	delete(h.life.hooks, h)
	w.join(t)
	defer w.ended(t)
	h.f()
}
