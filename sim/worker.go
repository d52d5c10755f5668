package sim

import (
	"fmt"
	"iter"
	"runtime"
)

// worker is a coroutine that runs one task after another.
type worker struct {
	w         *World
	task      *Task
	next      func() (struct{}, bool)
	stop      func()
	yield     func(struct{}) bool
	goroutine uint64 // its number, when somebody watches
	exiting   bool   // its task has called Goexit, and all but the end of that is done
}

// maxIdle is how many workers wait for their next task; more of them end. It
// is a compromise between 5 KB each and the 0.5 us of a new one.
const maxIdle = 1024

func (w *World) newWorker() *worker {
	if n := len(w.idle); n > 0 {
		wk := w.idle[n-1]
		w.idle[n-1] = nil
		w.idle = w.idle[:n-1]
		return wk
	}
	wk := &worker{w: w}
	wk.next, wk.stop = iter.Pull(wk.run) //simvet:allow go tasks are coroutines, and this is what runs them
	return wk
}

// run is the coroutine.
func (wk *worker) run(yield func(struct{}) bool) {
	wk.yield = yield
	for {
		if wk.w.watched && wk.goroutine == 0 {
			wk.goroutine = goroutineID()
			wk.w.watch.goroutine.Store(wk.goroutine)
		}
		wk.serve()
		if !yield(struct{}{}) {
			return
		}
	}
}

// serve runs the worker's task to its end, whatever kind of end that is.
func (wk *worker) serve() {
	t := wk.task
	returned := false
	defer func() {
		if returned {
			return
		}
		// Goexit cannot be stopped, and its end would end whoever resumed the
		// coroutine. So the coroutine yields within it, and is resumed for its
		// last step by a goroutine that has nothing to lose.
		wk.exiting = true
		wk.yield(struct{}{})
	}()
	t.call()
	returned = true
}

// call runs the task's function and turns a panic into a failure.
func (t *Task) call() {
	defer func() {
		if r := recover(); r != nil {
			t.m.w.panicked(r)
		}
	}()
	t.f()
}

// panicked records a panic with the value r, in the deferred function that
// recovered it.
func (w *World) panicked(r any) {
	if e, ok := r.(lockPanic); ok && e.recorded {
		return
	}
	err, ok := r.(error)
	if ok {
		err = fmt.Errorf("panic: %w", err)
	} else {
		err = fmt.Errorf("panic: %v", r)
	}
	w.fail(FailPanic, err, stack(4))
}

// run resumes t, which was picked.
func (w *World) run(t *Task) {
	w.running, w.ran = t, t.m
	t.state = taskRunning
	w.fold(KindPick, t.m, t.id, uint64(t.cause))
	w.resume(t)
	w.running = nil
}

// resume lets t run until it parks, yields or ends.
func (w *World) resume(t *Task) {
	wk := t.wk
	if wk == nil {
		wk = w.newWorker()
		t.wk, wk.task = wk, t
	}
	if w.watched {
		w.publish(t, t.cause)
	}
	wk.next()
	if wk.exiting {
		if !t.dying {
			w.fail(FailExit, errGoexit, "")
		}
		wk.bury()
		w.ended(t)
	} else if t.state == taskRunning {
		wk.task = nil
		if len(w.idle) < maxIdle {
			w.idle = append(w.idle, wk)
		} else {
			wk.stop()
		}
		w.ended(t)
	}
}

// bury lets the coroutine of a Goexit end. Goexit goes on in whoever resumes
// it, hence a goroutine.
func (wk *worker) bury() {
	done := make(chan struct{}) //simvet:allow chan joins the goroutine below before anything else happens
	go func() {                 //simvet:allow go it does nothing but take the Goexit, and is waited for
		defer close(done) //simvet:allow chan see above
		wk.next()
	}()
	<-done //simvet:allow chan see above
}

// ended does the books of a task that runs no more.
func (w *World) ended(t *Task) {
	t.state, t.f, t.wk = taskEnded, nil, nil
	w.live--
	m := t.m
	last := len(m.tasks) - 1
	m.tasks[t.place] = m.tasks[last]
	m.tasks[t.place].place = t.place
	m.tasks[last] = nil
	m.tasks = m.tasks[:last]
	if w.cfg.Trace != nil {
		w.emit(KindEnd, m, t.id, 0, "")
	}
	if mu := t.lock; mu != nil {
		w.abandoned = append(w.abandoned, mu)
		if !t.dying {
			w.fail(FailLock, errLeftLocked, "")
		}
	}
}

// die ends the running task as if it had been killed.
func (w *World) die() {
	w.running.dying = true
	runtime.Goexit()
}

// kill unwinds tasks, in an order that is drawn. Their machines' timers must
// be gone, and they must not be in the ready list any more.
func (w *World) kill(victims []*Task) {
	for i := len(victims) - 1; i > 0; i-- {
		j := w.killOrder.below(i + 1)
		victims[i], victims[j] = victims[j], victims[i]
	}
	running := w.running
	for _, t := range victims {
		w.fold(KindUnwind, t.m, t.id, 0)
		t.detach()
		if t == running {
			continue // it ends when its call of Crash does
		}
		t.dying = true
		w.running = t
		if t.wk == nil {
			w.ended(t)
		} else {
			t.cause = causeOf(KindUnwind, t.id)
			t.state = taskParked // so that what it does next is not taken for an end
			w.resume(t)
		}
		w.running = running
	}
	if w.watched && running != nil {
		w.publish(running, running.cause)
	}
}

// detach makes everything that t waits for forget it.
func (t *Task) detach() {
	t.waits.remove()
	if t.parker != nil {
		t.parker.task, t.parker = nil, nil
	}
	if t.slowed != nil {
		t.m.w.disarm(t.slowed)
		t.slowed = nil
	}
}
