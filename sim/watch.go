package sim

import (
	"bytes"
	"runtime"
	"strconv"
)

// Running is what a world does at some moment, for a watchdog.
type Running struct {
	Driving   bool   // it is in Run, RunFor or RunUntil
	Step      uint64 // grows with every task that is resumed and timer that fires
	Machine   string // of the task, or empty on the scheduler
	Task      string
	TaskID    uint64
	Cause     Cause  // what made the task ready
	Goroutine uint64 // in which it runs, or zero if that is not known
}

// Watch makes the world publish what it does, at a few nanoseconds a step. It
// must be called before the world is driven.
func (w *World) Watch() { w.watched = true }

// Running returns what the world does at the moment, after Watch. It alone may
// be called by any goroutine.
func (w *World) Running() Running {
	r := Running{
		Driving:   w.watch.driving.Load(),
		Step:      w.watch.step.Load(),
		Cause:     Cause(w.watch.cause.Load()),
		Goroutine: w.watch.goroutine.Load(),
	}
	if t := w.watch.task.Load(); t != nil {
		r.Machine, r.Task, r.TaskID = t.m.name, t.name, t.id
	}
	return r
}

// publish tells a watchdog what happens next. A nil task is the scheduler.
func (w *World) publish(t *Task, cause Cause) {
	w.watch.task.Store(t)
	w.watch.cause.Store(uint64(cause))
	if t != nil && t.wk != nil {
		w.watch.goroutine.Store(t.wk.goroutine)
	} else {
		w.watch.goroutine.Store(w.driver)
	}
	w.watch.step.Add(1)
}

// watchDriving tells a watchdog when there is something to watch.
func (w *World) watchDriving(on bool) {
	if !w.watched {
		return
	}
	if on {
		w.driver = goroutineID()
		w.publish(nil, 0)
	}
	w.watch.driving.Store(on)
}

// goroutineID is the number that stack dumps have for the calling goroutine.
func goroutineID() uint64 {
	var buf [64]byte
	head := buf[:runtime.Stack(buf[:], false)] //simvet:allow fmt the number goes to a watchdog only and decides nothing
	fields := bytes.Fields(head)
	if len(fields) < 2 {
		return 0
	}
	id, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return id
}
