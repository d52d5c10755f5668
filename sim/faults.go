package sim

import (
	"slices"
	"time"
)

// crashHook is one function of OnCrash.
type crashHook struct{ f func() }

// Up reports whether the machine runs: not between Crash and Restart.
func (m *Machine) Up() bool { return m.up }

// Paused reports whether the machine stands still.
func (m *Machine) Paused() bool { return m.paused }

// OnCrash has f called on the scheduler at every crash from now on, in the
// order of registration: after the machine's timers are gone and Up is false,
// and before the first of its tasks is unwound. The network makes the host
// dark there, so that nothing that the tasks do while they die gets out.
// World.Close calls it for every machine that is up. remove takes f back.
func (m *Machine) OnCrash(f func()) (remove func()) {
	h := &crashHook{f}
	m.onCrash = append(m.onCrash, h)
	return func() { h.f = nil }
}

// Crash ends the machine at once, as a power cut does: its timers are gone,
// its tasks are unwound in an order that is drawn, and whatever their deferred
// functions do through the machine reaches nobody. Called by a task of the
// machine itself, it does not return. On a machine that is down it does
// nothing.
func (m *Machine) Crash() {
	if m.w.deaf() || !m.up {
		return
	}
	m.w.unlocked("Machine.Crash")
	m.crash()
	m.endSelf()
}

// Restart brings the machine back, without tasks; its clocks and random
// streams have gone on, and slowness and drift stay as they are. A machine
// that is up crashes first.
func (m *Machine) Restart() {
	if m.w.deaf() {
		return
	}
	m.w.unlocked("Machine.Restart")
	if m.up {
		m.crash()
	}
	m.gen++
	m.up = true
	m.w.fold(KindRestart, m, uint64(m.gen), 0)
	m.endSelf()
}

func (m *Machine) crash() {
	w := m.w
	w.fold(KindCrash, m, uint64(m.gen), 0)
	w.heap.filter(func(t *timer) bool { return t.m == m })
	m.dark()
	// After the hooks: what they have woken dies too.
	w.ready.filter(func(t *Task) bool { return t.m == m })
	w.kill(append([]*Task(nil), m.tasks...))
}

// dark cuts the machine off before its tasks are unwound.
func (m *Machine) dark() {
	wasUp := m.up
	m.up, m.paused = false, false
	m.heldTasks = nil
	for _, t := range m.heldTimers {
		t.idx = idle
	}
	m.heldTimers = nil
	for n := m.hooks.head; n != nil; n = m.hooks.head {
		n.owner.drop()
	}
	for c := m.contexts.pop(); c != nil; c = m.contexts.pop() {
		c.live.sibling.remove()
	}
	if !wasUp {
		return
	}
	m.onCrash = slices.DeleteFunc(m.onCrash, func(h *crashHook) bool { return h.f == nil })
	m.w.outside(func() {
		for _, h := range slices.Clone(m.onCrash) {
			if h.f != nil {
				h.f()
			}
		}
	})
}

// outside calls f as the scheduler does, whoever is running.
func (w *World) outside(f func()) {
	running := w.running
	w.running = nil
	defer func() { w.running = running }()
	w.inline(f)
}

// endSelf ends the running task if it was one of those that died.
func (m *Machine) endSelf() {
	if t := m.w.running; t != nil && t.m == m {
		m.w.die()
	}
}

// Pause makes the machine stand still, as a stopped virtual machine does: none
// of its tasks runs and none of its timers fires, those of AfterInline
// included. A task of its own that calls it goes on until it parks. The clocks
// go on.
func (m *Machine) Pause() {
	w := m.w
	if w.deaf() || !m.up || m.paused {
		return
	}
	w.fold(KindPause, m, 0, 0)
	m.paused = true
	w.ready.filter(func(t *Task) bool {
		if t.m == m {
			m.heldTasks = append(m.heldTasks, t)
		}
		return t.m == m
	})
}

// Resume lets a machine that stands still go on. What became due meanwhile
// happens now, timers in the order of their times.
func (m *Machine) Resume() {
	w := m.w
	if w.deaf() || !m.paused {
		return
	}
	w.fold(KindResume, m, 0, 0)
	m.paused = false
	for _, t := range m.heldTasks {
		w.ready.push(t)
	}
	m.heldTasks = nil
	for _, t := range m.heldTimers {
		w.heap.push(t)
	}
	m.heldTimers = nil
}

// Slow makes the processor slow or busy: a task that becomes ready waits for
// up to longest first, drawn each time. Zero ends it, for whatever becomes
// ready from then on. Inline functions are not slowed.
func (m *Machine) Slow(longest time.Duration) {
	if m.w.deaf() {
		return
	}
	m.w.fold(KindSlow, m, uint64(longest), 0)
	m.slow = max(longest, 0)
}

// delay makes t ready after a while.
func (m *Machine) delay(t *Task) {
	w := m.w
	if m.slowness == nil {
		m.slowness = m.Rand("sim: slow processor")
	}
	d := m.slowness.Int64N(int64(m.slow) + 1)
	t.slowed = &timer{w: w, m: m, idx: idle, gen: m.gen, kind: timerReady, task: t}
	w.arm(t.slowed, saturate(w.now, d))
}

// hold puts a timer aside until Resume.
func (m *Machine) hold(t *timer) {
	t.idx = int32(held - len(m.heldTimers))
	m.heldTimers = append(m.heldTimers, t)
}

// unhold takes a timer out of those that were put aside.
func (m *Machine) unhold(t *timer) {
	i, last := int(held-t.idx), len(m.heldTimers)-1
	m.heldTimers[i] = m.heldTimers[last]
	m.heldTimers[i].idx = t.idx
	m.heldTimers[last] = nil
	m.heldTimers = m.heldTimers[:last]
	t.idx = idle
}
