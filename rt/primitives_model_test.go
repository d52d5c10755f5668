package rt_test

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/rt"
)

// waitingLine is the model of who waits, the oldest first.
type waitingLine struct {
	s    *stage
	line []*waiter
}

func (x *waitingLine) add(f func(ctx context.Context) error) {
	x.line = append(x.line, x.s.wait(alone(f)))
}

// all says that everybody who waits returns now, without an error.
func (x *waitingLine) all(t *rapid.T) {
	for _, w := range x.line {
		expect(t, w, outcome{})
	}
	x.line = nil
}

// Cancel ends the context of one of those who wait.
func (x *waitingLine) Cancel(t *rapid.T) {
	if len(x.line) == 0 {
		t.Skip("nobody waits")
	}
	i := rapid.IntRange(0, len(x.line)-1).Draw(t, "which")
	x.line[i].cancel(errGaveUp)
	expect(t, x.line[i], outcome{err: errGaveUp})
	x.line = slices.Delete(x.line, i, i+1)
}

// gateMachine runs the same operations on a gate and on a model, which is one
// bit and the line of those that wait.
type gateMachine struct {
	waitingLine
	g    *rt.Gate
	open bool
}

func (x *gateMachine) Open(t *rapid.T) {
	x.g.Open()
	x.open = true
	x.all(t)
}

func (x *gateMachine) Shut(*rapid.T) {
	x.g.Shut()
	x.open = false
}

func (x *gateMachine) Pass(t *rapid.T) {
	if !x.open {
		x.add(x.g.Pass)
		return
	}
	if err := x.g.Pass(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (x *gateMachine) Check(t *rapid.T) {
	if x.g.IsOpen() != x.open {
		t.Fatalf("the gate is open: %v, want %v", x.g.IsOpen(), x.open)
	}
	for _, w := range x.line {
		if len(w.result) > 0 {
			t.Fatalf("a waiting task returned %v through a gate that is shut", <-w.result)
		}
	}
}

func TestGateFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage()
		open := rapid.Bool().Draw(t, "open")
		x := &gateMachine{waitingLine: waitingLine{s: s}, g: rt.NewGate(s, open), open: open}
		t.Repeat(rapid.StateMachineActions(x))
		x.Open(t)
		s.end()
	})
}

// eventMachine runs the same operations on an event and on a model.
type eventMachine struct {
	waitingLine
	e     *rt.Event
	fired bool
}

func (x *eventMachine) Fire(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "fire") > 0 {
		t.Skip("most histories should have many that wait")
	}
	x.e.Fire()
	x.fired = true
	x.all(t)
}

func (x *eventMachine) Wait(t *rapid.T) {
	if !x.fired {
		x.add(x.e.Wait)
		return
	}
	if err := x.e.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (x *eventMachine) Check(t *rapid.T) {
	if x.e.Fired() != x.fired {
		t.Fatalf("the event has fired: %v, want %v", x.e.Fired(), x.fired)
	}
}

func TestEventFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage()
		x := &eventMachine{waitingLine: waitingLine{s: s}, e: rt.NewEvent(s)}
		t.Repeat(rapid.StateMachineActions(x))
		x.e.Fire()
		x.all(t)
		s.end()
	})
}

// groupMachine runs the same operations on a group and on a model, which is
// the tasks that run.
type groupMachine struct {
	waitingLine
	g      *rt.Group
	tasks  []chan struct{} // closed, the task ends
	closed bool
}

func (x *groupMachine) Go(t *rapid.T) {
	end := make(chan struct{})
	if got := x.g.Go("task", func() { <-end }); got == x.closed {
		t.Fatalf("Go: %v in a group that is closed: %v", got, x.closed)
	}
	if !x.closed {
		x.tasks = append(x.tasks, end)
	}
}

func (x *groupMachine) End(t *rapid.T) {
	if len(x.tasks) == 0 {
		t.Skip("no task runs")
	}
	i := rapid.IntRange(0, len(x.tasks)-1).Draw(t, "which")
	close(x.tasks[i])
	x.tasks = slices.Delete(x.tasks, i, i+1)
	for x.g.Count() > len(x.tasks) {
		runtime.Gosched()
	}
	if len(x.tasks) == 0 {
		x.all(t)
	}
}

func (x *groupMachine) Wait(t *rapid.T) {
	if len(x.tasks) > 0 {
		x.add(x.g.Wait)
		return
	}
	if err := x.g.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (x *groupMachine) Close(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "close") > 0 {
		t.Skip("most histories should have many tasks")
	}
	x.g.Close()
	x.closed = true
}

func (x *groupMachine) Check(t *rapid.T) {
	if x.g.Count() != len(x.tasks) {
		t.Fatalf("%d tasks, want %d", x.g.Count(), len(x.tasks))
	}
}

func TestGroupFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage()
		x := &groupMachine{waitingLine: waitingLine{s: s}, g: rt.NewGroup(s)}
		t.Repeat(rapid.StateMachineActions(x))
		for len(x.tasks) > 0 {
			x.End(t)
		}
		s.end()
	})
}
