package sim

import (
	"errors"
	"fmt"
	"time"
)

// FailureKind says what was wrong.
type FailureKind uint8

// The kinds of failures.
const (
	FailCheck FailureKind = iota + 1 // a check did not hold, or Fail was called
	FailPanic                        // a task or an inline function panicked
	FailExit                         // a task called runtime.Goexit, as testing.T's FailNow does
	FailLock                         // an rt.Mutex was held across a park, locked twice, or left locked
	FailLimit                        // Config.MaxEvents or MaxTime was reached
)

var failureNames = [...]string{"?", "check", "panic", "exit", "lock", "limit"}

// String returns the kind's name.
func (k FailureKind) String() string {
	if int(k) < len(failureNames) {
		return failureNames[k]
	}
	return fmt.Sprintf("failure %d", uint8(k))
}

// Failure is what ended a run. Only the first counts.
type Failure struct {
	Kind    FailureKind
	Event   uint64        // the number of the event in which it fell
	At      time.Duration // virtual time since the start
	Machine string        // whose task or function it was, or empty
	Task    string        // the task, or empty on the scheduler
	TaskID  uint64
	Err     error
	Stack   string // one line for each frame, where there was a stack to see
}

// Error implements error. It has no stack in it.
func (f *Failure) Error() string {
	s := fmt.Sprintf("sim: %v at %v, event %d", f.Kind, f.At, f.Event)
	if f.Machine != "" {
		s += ", machine " + f.Machine
	}
	if f.TaskID != 0 {
		s += fmt.Sprintf(", task %s#%d", f.Task, f.TaskID)
	}
	return s + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Causes of failures of the kinds FailLimit, FailExit and FailLock.
var (
	ErrMaxEvents  = errors.New("Config.MaxEvents was reached")
	ErrMaxTime    = errors.New("Config.MaxTime was reached")
	errGoexit     = errors.New("the task called runtime.Goexit, or FailNow, Fatal or Skip of package testing")
	errLeftLocked = errors.New("an rt.Mutex was left locked")
)

// Failed returns the *Failure that ended the run, or nil.
func (w *World) Failed() error {
	if w.failure == nil {
		return nil
	}
	return w.failure
}

// Fail ends the run as failed once the present event is over. Tasks, inline
// functions and checks may call it; only the first call counts. A nil err does
// nothing, and so does a call of a dying task.
func (w *World) Fail(err error) {
	if err != nil && !w.deaf() {
		w.fail(FailCheck, err, stack(3))
	}
}

// maxUnwound bounds Unwound.
const maxUnwound = 64

// Unwound returns what went wrong in deferred functions of tasks that were
// killed, panics above all, oldest first and not more than 64. It fails no
// run: on a machine that has crashed nobody would have seen it. Yet it may
// well be a bug.
func (w *World) Unwound() []error { return append([]error(nil), w.unwound...) }

// fail records a failure of the running task or of the scheduler.
func (w *World) fail(kind FailureKind, err error, stack string) {
	f := &Failure{Kind: kind, Event: w.events, At: w.Elapsed(), Err: err, Stack: stack}
	if t := w.running; t != nil {
		f.Machine, f.Task, f.TaskID = t.m.name, t.name, t.id
	} else if w.firing != nil && w.firing.m != nil {
		f.Machine = w.firing.m.name
	}
	if t := w.running; w.closed || (t != nil && t.dying) {
		if len(w.unwound) < maxUnwound {
			w.unwound = append(w.unwound, f)
		}
		return
	}
	if w.failure == nil {
		w.failure = f
	}
}
