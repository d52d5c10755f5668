package live

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// timer is a pending AfterFunc or WithTimeout of a machine.
type timer struct {
	life    *life
	id      uint64
	name    string
	site    string
	f       func()
	inner   rt.Timer
	pending bool
	at      mono.Time // of the machine's clock
	luck    uint64
}

// AfterFunc implements rt.Clock.
func (m *Machine) AfterFunc(d time.Duration, f func()) rt.Timer {
	t := &timer{life: m.life, name: "AfterFunc", site: here().String(), f: f}
	if m.up && !m.w.deaf() {
		t.arm(d)
	}
	return t
}

// arm makes a timer pending that is not.
func (t *timer) arm(d time.Duration) {
	m := t.life.m
	t.pending, t.at = true, m.Now().Add(max(d, 0))
	t.life.timers[t] = struct{}{}
	m.w.timers++
	if t.inner == nil {
		m.w.taskSeq++
		t.id, t.luck = m.w.taskSeq, m.w.luck.Uint64() // for good: fire reads them without the turn
		t.inner = m.w.cfg.Runtime.AfterFunc(t.in(d), t.fire)
	} else {
		t.inner.Reset(t.in(d))
	}
}

// inOrder are the timers that are pending, in the order in which they were made.
func (l *life) inOrder() []*timer {
	return slices.SortedFunc(maps.Keys(l.timers), func(a, b *timer) int { return cmp.Compare(a.id, b.id) })
}

// rearm follows a change of the clock.
func (t *timer) rearm() { t.inner.Reset(t.in(t.at.Sub(t.life.m.Now()))) }

// in is how long the runtime has to wait for d to pass on the machine.
func (t *timer) in(d time.Duration) time.Duration {
	m := t.life.m
	return m.w.wait(m.real(d), t.id, ofTimers)
}

func (t *timer) disarm() bool {
	if !t.pending {
		return false
	}
	t.pending = false
	delete(t.life.timers, t)
	t.life.m.w.timers--
	t.inner.Stop()
	return true
}

// Stop prevents the timer from firing and reports whether it did.
func (t *timer) Stop() bool { return !t.life.m.w.deaf() && t.disarm() }

// Reset makes the timer fire d from now and reports whether it was pending.
func (t *timer) Reset(d time.Duration) bool {
	w := t.life.m.w
	if w.deaf() || t.life.over {
		return false
	}
	was := t.disarm()
	t.arm(d)
	return was
}

// fire runs on a goroutine of the runtime, which may have waited for its turn
// while the timer was stopped or set again.
func (t *timer) fire() {
	w := t.life.m.w
	if d := t.life.m.delay(t.luck); d > 0 {
		time.Sleep(d)
	}
	x := visitor(t.life, "rt.AfterFunc", t.site)
	w.begin(x)
	if !t.pending || t.life.over {
		w.leave()
		return
	}
	if early := t.at.Sub(t.life.m.Now()); early > 0 {
		t.inner.Reset(max(t.in(early), time.Microsecond))
		w.leave()
		return
	}
	t.disarm()
	w.join(x)
	defer w.ended(x)
	t.f()
}

// parker is an rt.Parker.
type parker struct {
	w      *World
	inner  rt.Parker
	task   *task           // that waits
	ctx    context.Context // with which it does
	permit bool            // there is one, which the task may not know yet
}

// NewParker implements rt.Runtime.
func (m *Machine) NewParker() rt.Parker { return &parker{w: m.w, inner: m.w.cfg.Runtime.NewParker()} }

// Park implements rt.Parker. With a permit the task goes on at once.
func (p *parker) Park(ctx context.Context) error {
	w := p.w
	t := w.current("Park")
	if p.task != nil {
		panic("live: a second task parks on a parker: task " + p.task.name + " waits there already")
	}
	if p.take() {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.task, p.ctx, t.parker = t, ctx, p
	defer func() { p.task = nil }()
	var err error
	w.outside("Park", ctx, func() { err = p.inner.Park(ctx) })
	if err != nil && p.take() {
		return nil // the permit came before the turn did
	}
	if err == nil {
		p.permit = false
	}
	return err
}

// take takes the permit if there is one.
func (p *parker) take() bool {
	if p.inner.Park(p.w.past) != nil {
		return false
	}
	p.permit = false
	return true
}

// idle reports whether the task that waits goes on waiting.
func (p *parker) idle() bool { return !p.permit && p.ctx.Err() == nil }

// Unpark implements rt.Parker. A dying task wakes nobody.
func (p *parker) Unpark() {
	if !p.w.deaf() {
		p.permit = true
		p.inner.Unpark()
	}
}
