package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Leak is something of a machine that is still there: after everything on the
// machine has been closed, something that nobody closed.
type Leak struct {
	Machine string
	Kind    string // "task", "timer", "context hook" or "context"
	Name    string // the task's, or the machine's method that made it
	Site    string // the line outside of sim and rt that made it
	Waiting string // what it waits for, and where
}

// String renders the leak as one line.
func (l Leak) String() string {
	return fmt.Sprintf("%s: %s %s, made at %s, %s", l.Machine, l.Kind, l.Name, l.Site, l.Waiting)
}

// Leaks returns every task, timer, AfterDone and child context of every
// machine that is there now, the calling task excepted, by machine, kind and
// age. It is exact: nothing is waited for and nothing left out. A child
// context is one whose parent has not ended and whose cancel function was not
// called: its parent holds it. Functions of World.At belong to no machine and
// are not among them.
func (w *World) Leaks() []Leak {
	var found []Leak
	// One pass over the heap for all machines.
	timers := make([][]*timer, len(w.machines)+1)
	for i := range w.heap.items {
		if t := w.heap.items[i].t; t.m != nil && t.kind != timerReady {
			timers[t.m.id] = append(timers[t.m.id], t)
		}
	}
	for _, m := range w.machines {
		found = append(found, m.leaks(timers[m.id])...)
	}
	return found
}

// Leaks is World.Leaks for what is there of this machine.
func (m *Machine) Leaks() []Leak {
	var timers []*timer
	for i := range m.w.heap.items {
		if t := m.w.heap.items[i].t; t.m == m && t.kind != timerReady {
			timers = append(timers, t)
		}
	}
	return m.leaks(timers)
}

// leaks is what is there of the machine; pending are its timers in the heap.
func (m *Machine) leaks(pending []*timer) []Leak {
	var found []Leak
	for _, t := range m.tasksByAge() {
		if t != m.w.running {
			found = append(found, Leak{m.name, "task", t.name, t.site.or(t.f), t.waiting()})
		}
	}
	for _, t := range m.byAge(pending) {
		found = append(found, t.leak())
	}
	for n := m.hooks.head; n != nil; n = n.next {
		found = append(found, Leak{m.name, "context hook", "AfterDone", n.owner.site.or(n.owner.f), "until the context ends"})
	}
	for n := m.contexts.head; n != nil; n = n.next {
		if c := n.owner; c.live.timer.idx == idle { // else it is among the timers
			found = append(found, Leak{m.name, "context", "WithCancelCause", c.live.site.String(), "until its parent ends"})
		}
	}
	return found
}

// byAge returns the timers of the machine, those that it holds among them,
// oldest first. Those for which a slow task waits are the task's.
func (m *Machine) byAge(timers []*timer) []*timer {
	for _, t := range m.heldTimers {
		if t.kind != timerReady {
			timers = append(timers, t)
		}
	}
	slices.SortFunc(timers, func(a, b *timer) int { return cmp.Compare(a.seq, b.seq) })
	return timers
}

func (t *timer) leak() Leak {
	l := Leak{Machine: t.m.name, Kind: "timer", Site: t.site.or(t.f)}
	switch t.kind {
	case timerInline:
		l.Name = "AfterInline"
	case timerCtx:
		l.Name, l.Site = "WithTimeout", t.ctx.live.site.String()
	default:
		l.Name = "AfterFunc"
	}
	if t.idx <= held {
		l.Waiting = "until the machine resumes"
	} else {
		l.Waiting = fmt.Sprintf("fires in %v", time.Duration(t.at-t.w.now))
	}
	return l
}

// Waiter is a task that does not run.
type Waiter struct {
	Machine string
	Task    string
	ID      uint64
	Made    string        // the line that started it
	Since   time.Duration // the virtual time at which it parked, yielded or was started
	Where   string        // the innermost lines outside of sim and rt, innermost first
	Why     string        // "parked", "ready", "ready, but the machine stands still" and the like
}

// String renders the waiter as one line.
func (x Waiter) String() string {
	s := fmt.Sprintf("%s: task %s#%d, made at %s, %s since %v", x.Machine, x.Task, x.ID, x.Made, x.Why, x.Since)
	if x.Where != "" {
		s += ", at " + x.Where
	}
	return s
}

// Waiters returns every task that has not ended, the calling one excepted, by
// machine and age: who waits where, for a run that does not get on.
func (w *World) Waiters() []Waiter {
	var found []Waiter
	for _, m := range w.machines {
		for _, t := range m.tasksByAge() {
			if t == w.running {
				continue
			}
			found = append(found, Waiter{
				Machine: m.name, Task: t.name, ID: t.id, Made: t.site.or(t.f),
				Since: time.Duration(t.since), Where: t.ask(), Why: t.why(),
			})
		}
	}
	return found
}

func (m *Machine) tasksByAge() []*Task {
	tasks := append([]*Task(nil), m.tasks...)
	slices.SortFunc(tasks, func(a, b *Task) int { return cmp.Compare(a.id, b.id) })
	return tasks
}

// why says in what state the task is.
func (t *Task) why() string {
	switch {
	case t.state == taskParked && t.waits.in != nil:
		return "parked with a context"
	case t.state == taskParked:
		return "parked without an end"
	case t.m.paused:
		return "ready, but the machine stands still"
	case t.slowed != nil:
		return "ready, but the processor is slow"
	case t.wk == nil:
		return "ready, not begun"
	}
	return "ready"
}

// waiting is why together with since when and where.
func (t *Task) waiting() string {
	s := fmt.Sprintf("%s since %v", t.why(), time.Duration(t.since))
	if where := t.ask(); where != "" {
		s += ", at " + where
	}
	return s
}
