package sim

import (
	"runtime"

	"github.com/maculamesh/macula/rt"
)

// Task is a function that runs on a machine until it returns, beside others.
type Task struct {
	m      *Machine
	id     uint64
	parent uint64 // the task that started it, zero if none did
	name   string
	f      func()
	cause  Cause // what made it ready
	state  taskState
	dying  bool // it is being unwound: nothing that it does counts
	asked  bool // it is resumed only to say where it is
	gen    uint32
	place  int // its index in m.tasks

	wk     *worker    // nil until it runs first
	parker *parker    // that it waits for
	waits  node[Task] // its place among those that wait for a context
	since  int64      // when it parked
	slowed *timer     // until which it is not ready, on a slow machine
	lock   *rt.Mutex
	locked site // where lock was taken, with Config.LockSites

	site  site   // where it was started
	trace string // where it is parked, when it was asked
}

type taskState uint8

const (
	taskReady taskState = iota
	taskRunning
	taskParked
	taskEnded
)

// ID is the task's number: tasks are counted from one in the order in which
// they are started.
func (t *Task) ID() uint64 { return t.id }

// Name is what it was started as.
func (t *Task) Name() string { return t.name }

// Machine is where it runs.
func (t *Task) Machine() *Machine { return t.m }

// Cause is what made it ready last.
func (t *Task) Cause() Cause { return t.cause }

// spawn starts f as a task of m.
func (m *Machine) spawn(name string, f func(), from site) {
	w := m.w
	w.taskSeq++
	t := &Task{m: m, id: w.taskSeq, name: name, f: f, gen: m.gen, place: len(m.tasks), site: from, since: w.now}
	if w.running != nil {
		t.parent = w.running.id
	}
	m.tasks = append(m.tasks, t)
	w.live++
	w.foldNamed(KindSpawn, m, t.id, hashString(name), name)
	w.makeReady(t, causeOf(KindSpawn, t.id))
}

// makeReady lets t run at some time from now on.
func (w *World) makeReady(t *Task, cause Cause) {
	t.state, t.cause = taskReady, cause
	switch {
	case t.m.paused:
		t.m.heldTasks = append(t.m.heldTasks, t)
	case t.m.slow > 0:
		t.m.delay(t)
	default:
		w.ready.push(t)
	}
}

// wake makes a parked task ready.
func (w *World) wake(t *Task) {
	if t.state == taskParked {
		w.makeReady(t, w.actor())
	}
}

// current returns the running task, which is about to call what may park. A
// dying task ends here.
func (w *World) current(what string) *Task {
	t := w.running
	if t == nil {
		panic("sim: " + what + " outside of a task: functions of timers, checks and OnCrash must not wait")
	}
	if t.dying {
		runtime.Goexit()
	}
	w.unlocked(what)
	return t
}

// pause gives up the processor until the scheduler resumes t. For a task that
// was killed meanwhile it does not return.
func (t *Task) pause() {
	for {
		t.wk.yield(struct{}{})
		if !t.asked {
			break
		}
		t.tell()
	}
	if t.dying {
		runtime.Goexit()
	}
	t.state = taskRunning
}

// tell notes where the task is.
//
//go:noinline
func (t *Task) tell() {
	t.asked = false
	t.trace = places(4)
}

// ask returns where a task that is parked or has yielded is.
func (t *Task) ask() string {
	if t.wk == nil || t.state == taskRunning || t.state == taskEnded {
		return ""
	}
	t.asked = true
	t.wk.next()
	return t.trace
}
