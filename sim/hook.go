package sim

import "context"

// hook is a pending AfterDone.
type hook struct {
	m    *Machine
	gen  uint32
	f    func()
	in   node[hook] // its place among the context's
	own  node[hook] // its place among the machine's
	over bool
	std  bool // f is the standard library's and runs at once
	site site
}

// AfterDone implements rt.Runtime. The task's name is rt.AfterDone.
func (m *Machine) AfterDone(ctx context.Context, f func()) (stop func() bool) {
	w := m.w
	c := w.context(ctx)
	h := &hook{m: m, gen: m.gen, f: f, site: w.site()}
	switch {
	case w.deaf() || !m.up:
		h.over = true
	case c == nil: // it never runs
	case c.live == nil:
		h.run()
	default:
		c.live.hooks.push(&h.in, h)
		m.hooks.push(&h.own, h)
	}
	return h.stop
}

// stop prevents the task and reports whether it did.
func (h *hook) stop() bool {
	if h.over || h.m.w.deaf() {
		return false
	}
	h.drop()
	return true
}

// drop makes everybody forget the hook.
func (h *hook) drop() {
	h.over = true
	h.in.remove()
	h.own.remove()
}

// run starts the task.
func (h *hook) run() {
	h.drop()
	if h.std {
		h.f()
	} else if h.m.alive(h.gen) {
		h.m.spawn("rt.AfterDone", h.f, h.site)
	}
}

// AfterFunc is what the standard library looks for in a parent that is not its
// own, before it starts a goroutine to watch it. Nothing here can wait for the
// child, but at least it costs nobody a goroutine.
func (c *simCtx) AfterFunc(f func()) (stop func() bool) {
	h := &hook{m: c.m, gen: c.m.gen, f: f, std: true, site: c.m.w.site()}
	if c.live == nil {
		h.run()
	} else {
		c.live.hooks.push(&h.in, h)
		c.m.hooks.push(&h.own, h)
	}
	return h.stop
}
