package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

var errCause = errors.New("the cause")

// wrapped is a context as node/link has it: ours with methods of its own.
type wrapped struct {
	context.Context
	deadline time.Time
}

func (x *wrapped) Deadline() (time.Time, bool) { return x.deadline, true }
func (x *wrapped) Err() error {
	err := x.Context.Err()
	if err != nil && context.Cause(x.Context) == errCause {
		return context.DeadlineExceeded
	}
	return err
}

// foreign has a channel of its own although ours is inside.
type foreign struct {
	context.Context
	done chan struct{}
}

func (x *foreign) Done() <-chan struct{} { return x.done }

func TestAWrappedContextWorks(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ctx, cancel := m.WithCancelCause(context.Background())
	type key struct{}
	in := &wrapped{context.WithValue(ctx, key{}, 1), m.Wall().Add(time.Minute)}
	child, end := m.WithTimeout(in, time.Hour)
	defer end()
	if left, _ := rt.Remaining(m, child); left != time.Minute {
		t.Errorf("the child has %v left, want its parent's minute", left)
	}
	var parked, sub error
	hooked := false
	m.Go("parent", func() { parked = m.NewParker().Park(in) })
	m.Go("child", func() { sub = m.NewParker().Park(child) })
	m.AfterDone(in, func() { hooked = true })
	m.AfterInline(time.Second, func() { cancel(errCause) })
	run(t, w)
	if parked != errCause || sub != errCause || !hooked {
		t.Errorf("Park: %v and %v, AfterDone: %v", parked, sub, hooked)
	}
	if in.Err() != context.DeadlineExceeded || context.Cause(in) != errCause || context.Cause(child) != errCause {
		t.Errorf("Err: %v, causes %v and %v", in.Err(), context.Cause(in), context.Cause(child))
	}
	if w.Elapsed() != time.Second {
		t.Errorf("the world became quiet at %v: a timer was left", w.Elapsed())
	}
}

func TestAForeignContextIsRefused(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ours, _ := m.WithCancelCause(context.Background())
	std, cancel := context.WithCancel(context.Background())
	defer cancel()
	other := newWorld(t, sim.Config{}).Machine("m")
	elsewhere, _ := other.WithCancelCause(context.Background())
	below, end := context.WithCancel(ours)
	defer end()
	for name, ctx := range map[string]context.Context{
		"standard":       std,
		"own channel":    &foreign{ours, make(chan struct{})},
		"another world":  elsewhere,
		"standard child": below,
		"nil":            nil,
	} {
		for what, f := range map[string]func(){
			"Park":            func() { m.NewParker().Park(ctx) },
			"WithTimeout":     func() { m.WithTimeout(ctx, time.Second) },
			"WithCancelCause": func() { m.WithCancelCause(ctx) },
			"AfterDone":       func() { m.AfterDone(ctx, func() {}) },
		} {
			refused := false
			m.Go("user", func() { refused = panics(f) })
			run(t, w)
			if !refused {
				t.Errorf("%s with a context that is %s: no panic", what, name)
			}
		}
	}
}

func TestAContextsChannelWorksForCodeOutside(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ctx, cancel := m.WithCancelCause(context.Background())
	early := ctx.Done()
	select {
	case <-early:
		t.Error("the channel is closed at first")
	default:
	}
	late, end := m.WithCancelCause(ctx)
	defer end(nil)
	cancel(errCause)
	<-early
	<-ctx.Done()
	<-late.Done()
}

func TestAChildOfTheStandardLibraryEndsWithItsParentAndHasTheCause(t *testing.T) {
	m := newWorld(t, sim.Config{}).Machine("m")
	ctx, cancel := m.WithCancelCause(context.Background())
	before, stop := context.WithCancel(ctx)
	defer stop()
	gone, stopGone := context.WithCancel(ctx)
	stopGone()
	if n := len(m.World().Leaks()); n != 1 {
		t.Errorf("%d hooks are left of two children, one of which has ended", n)
	}
	cancel(errCause)
	after, stop := context.WithCancel(ctx)
	defer stop()
	for _, child := range []context.Context{before, after, context.WithValue(before, 1, 1)} {
		if child.Err() != context.Canceled || context.Cause(child) != errCause {
			t.Errorf("Err: %v, cause: %v", child.Err(), context.Cause(child))
		}
	}
	if context.Cause(gone) != context.Canceled {
		t.Errorf("the cause of one that had ended is %v", context.Cause(gone))
	}
}

func TestTheDeadlineIsOnTheMachinesWallClock(t *testing.T) {
	start := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	w := newWorld(t, sim.Config{Start: start})
	m := w.Machine("m")
	ctx, cancel := m.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, want := range []time.Time{start.Add(time.Minute), start.Add(time.Minute + time.Hour)} {
		if d, ok := ctx.Deadline(); !ok || !d.Equal(want) {
			t.Errorf("the deadline is %v, %v, want %v", d, ok, want)
		}
		m.StepWall(time.Hour)
	}
}

func TestAContextOfAnotherMachineEndsAPark(t *testing.T) {
	w := newWorld(t, sim.Config{})
	a, b := w.Machine("a"), w.Machine("b")
	ctx, cancel := a.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var err error
	b.Go("waits", func() { err = b.NewParker().Park(ctx) })
	run(t, w)
	if err != context.DeadlineExceeded {
		t.Errorf("Park: %v", err)
	}
}

func TestACancelledTimeoutLeavesNothing(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	top, cancelTop := m.WithCancelCause(context.Background())
	for range 1000 {
		_, cancel := m.WithTimeout(top, time.Hour)
		cancel()
	}
	if l := w.Leaks(); len(l) != 0 {
		t.Errorf("%d are left, the first is %v", len(l), l[0])
	}
	cancelTop(nil)
	run(t, w)
	if w.Elapsed() != 0 {
		t.Error("a cancelled timer fired")
	}
}

func TestAContextPrintsNoPointer(t *testing.T) {
	m := newWorld(t, sim.Config{}).Machine("m")
	ctx, cancel := m.WithTimeout(context.Background(), 1)
	defer cancel()
	if s := context.WithValue(ctx, "k", "v").(interface{ String() string }).String(); strings.Contains(s, "0x") || !strings.Contains(s, "sim.Context of m") {
		t.Error(s)
	}
}

func TestAnEndedContextHasLeftItsParent(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	p1, cancel1 := m.WithCancelCause(context.Background())
	p2, cancel2 := m.WithCancelCause(context.Background())
	_, cancelA := m.WithTimeout(p1, time.Second)
	cancelA()
	// What the ended context no longer needs serves the next one.
	b, cancelB := m.WithCancelCause(p2)
	defer cancelB(nil)
	cancelA()
	cancel1(nil)
	runFor(t, w, time.Minute)
	if b.Err() != nil {
		t.Errorf("a context ended with what is not its parent: %v", context.Cause(b))
	}
	cancel2(errCause)
	if context.Cause(b) != errCause {
		t.Error("a context did not end with its parent")
	}
}
