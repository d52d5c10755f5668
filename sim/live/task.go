package live

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// task is a function that runs on a machine beside others, or the goroutine
// that drives the world, which has no life. Whoever has the turn may look at
// its fields.
type task struct {
	life    *life
	id      uint64
	name    string
	site    string
	granted chan struct{} // has an element when it got the turn that it waited for
	killed  bool
	parker  *parker // that it waits for
	lock    *rt.Mutex
	doing   string // what it waits in
	since   time.Duration
	where   site
	luck    uint64 // for the length of a delay
}

func (w *World) newTask(l *life, name, site string) *task {
	w.taskSeq++
	return &task{life: l, id: w.taskSeq, name: name, site: site, granted: make(chan struct{}, 1)}
}

// visitor is a task for a callback, which does not count among those of its
// machine before it runs. It may be made without the turn.
func visitor(l *life, name, site string) *task {
	return &task{life: l, name: name, site: site, granted: make(chan struct{}, 1)}
}

// begin takes the turn and makes t the running task.
func (w *World) begin(t *task) {
	w.turn.take(t)
	w.running = t
}

// join counts a visitor among the tasks of its machine.
func (w *World) join(t *task) {
	w.taskSeq++
	t.id = w.taskSeq
	w.add(t)
}

func (w *World) add(t *task) {
	t.since = w.Elapsed()
	t.life.tasks = append(t.life.tasks, t)
	w.live++
}

// leave gives up the turn of a visitor that has done nothing.
func (w *World) leave() {
	w.running = nil
	w.turn.give()
}

// body runs f as t, which was counted in.
func (w *World) body(t *task, f func()) {
	w.settle(t.id)
	w.begin(t)
	defer w.ended(t)
	if !t.killed {
		f()
	}
}

// ended is the end of a task, however it came to it.
func (w *World) ended(t *task) {
	if e := recover(); e != nil && !t.killed {
		err, ok := e.(error)
		if !ok {
			err = fmt.Errorf("%v", e)
		}
		w.fail(sim.FailPanic, fmt.Errorf("panic: %w", err), string(debug.Stack()))
	}
	l := t.life
	for i, o := range l.tasks {
		if o == t {
			l.tasks = append(l.tasks[:i], l.tasks[i+1:]...)
			break
		}
	}
	w.live--
	if t.killed {
		w.turn.dying--
	} else if t.lock != nil {
		w.fail(sim.FailLock, errors.New("an rt.Mutex was left locked"), "")
	}
	w.pause(t)
}

// pause ends the present event: properties are checked, and others run.
func (w *World) pause(t *task) {
	w.event(t)
	w.running = nil
	w.turn.give()
}

// current returns the running task, which is about to call what may wait. A
// dying task ends here.
func (w *World) current(what string) *task {
	t := w.running
	if t == nil || t.life == nil {
		panic("live: " + what + " outside of a task: checks and OnCrash must not wait")
	}
	if t.killed {
		runtime.Goexit()
	}
	w.mayPark(what)
	return t
}

// outside runs f without the turn: f may wait, and must not touch what belongs
// to the world. ctx is what f waits with, or nil. For a task that was killed
// meanwhile it does not return.
func (w *World) outside(what string, ctx context.Context, f func()) {
	t := w.current(what)
	if ctx != nil {
		ctx.Done() // a context of somebody's own may make its inside when it is asked first
	}
	t.doing, t.since, t.where, t.luck = what, w.Elapsed(), here(), w.luck.Uint64()
	w.pause(t)
	func() {
		defer w.resume(t)
		f()
	}()
	if t.killed {
		runtime.Goexit()
	}
}

// resume takes the turn again after a wait.
func (w *World) resume(t *task) {
	if d := t.life.m.delay(t.luck); d > 0 {
		time.Sleep(d)
	}
	w.settle(t.id)
	w.begin(t)
	t.doing, t.parker = "", nil
}

// deaf reports whether calls must do nothing, because a dying task makes them
// or the world is closed.
func (w *World) deaf() bool { return w.closed || w.running != nil && w.running.killed }

// kill ends tasks and waits until all have ended. The running task may be one
// of them: it ends by itself.
func (w *World) kill(victims []*task) {
	self := w.running
	if self == nil {
		self = w.driver
	}
	for _, t := range victims {
		if t.killed {
			continue
		}
		t.killed = true
		if t == self {
			continue
		}
		w.turn.dying++
		if t.parker != nil {
			t.parker.inner.Unpark()
		}
	}
	if w.turn.dying > 0 {
		running := w.running
		w.turn.crashing, w.running = self, nil
		w.turn.queue(self)
		w.turn.give()
		<-self.granted
		w.turn.crashing, w.running = nil, running
	}
	if self.killed {
		w.turn.dying++ // counted out at its end
	}
}

// site is a line of code.
type site [2]uintptr

// here is the two innermost lines outside of this package and of rt.
//
//go:noinline
func here() site {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var s site
	n := 0
	for {
		f, more := frames.Next()
		if f.PC != 0 && !inner(f.Function) {
			s[n] = f.PC
			if n++; n == len(s) {
				return s
			}
		}
		if !more {
			return s
		}
	}
}

func inner(function string) bool {
	const module = "github.com/maculamesh/macula/"
	return strings.HasPrefix(function, module+"sim/live.") || strings.HasPrefix(function, module+"rt.") || strings.HasPrefix(function, "runtime.")
}

// String renders the lines, innermost first.
func (s site) String() string {
	var out []string
	for _, pc := range s {
		if pc == 0 {
			break
		}
		f, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
		file := f.File[strings.LastIndex(f.File[:max(0, strings.LastIndex(f.File, "/"))], "/")+1:]
		out = append(out, fmt.Sprintf("%s:%d", file, f.Line))
	}
	return strings.Join(out, " < ")
}
