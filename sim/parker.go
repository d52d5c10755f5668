package sim

import "context"

// parker implements rt.Parker. It belongs to a machine only by name: any task
// of the world may park on it, and any may unpark it.
type parker struct {
	w      *World
	permit bool
	task   *Task // that waits
}

// Park implements rt.Parker.
func (p *parker) Park(ctx context.Context) error {
	w := p.w
	t := w.current("Park")
	if p.task != nil {
		panic("sim: a second task parks on a parker: task " + p.task.name + " waits there already")
	}
	c := w.context(ctx)
	if p.permit {
		p.permit = false
		return nil
	}
	if c != nil {
		if c.live == nil {
			return c.causeFor(ctx)
		}
		c.live.waiting.push(&t.waits, t)
	}
	p.task, t.parker, t.since, t.state = t, p, w.now, taskParked
	t.pause()
	p.task, t.parker = nil, nil
	t.waits.remove()
	if p.permit {
		p.permit = false
		return nil
	}
	return c.causeFor(ctx)
}

// Unpark implements rt.Parker. A dying task wakes nobody.
func (p *parker) Unpark() {
	w := p.w
	if w.deaf() {
		if p.task != nil && w.cfg.Trace != nil {
			w.emit(KindIgnored, p.task.m, p.task.id, 0, "")
		}
		return
	}
	p.permit = true
	if p.task != nil {
		w.wake(p.task)
	}
}
