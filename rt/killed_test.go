package rt_test

import (
	"context"
	"testing"

	"github.com/maculamesh/macula/rt"
)

// In the simulator a killed task never returns from Park. What it waited for
// must go to others, as if it had never come.

// alone makes an operation without a value one that wait can run.
func alone(f func(context.Context) error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return 0, f(ctx) }
}

func TestAKilledTaskLeavesTheSemaphoresLine(t *testing.T) {
	s := newStage()
	sem := rt.NewSemaphore(s, 1)
	sem.TryAcquire()
	s.wait(alone(sem.Acquire)).kill()
	sem.Release()
	if sem.InUse() != 0 {
		t.Errorf("the permit went to a dead task, InUse is %d", sem.InUse())
	}
}

func TestAPermitHandedToAKilledTaskIsFree(t *testing.T) {
	s := newStage()
	sem := rt.NewSemaphore(s, 1)
	sem.TryAcquire()
	w := s.wait(alone(sem.Acquire))
	w.doomed.Store(true)
	sem.Release()
	<-w.ended
	if sem.InUse() != 0 {
		t.Errorf("InUse is %d, want 0", sem.InUse())
	}
}

func TestAPermitHandedToAKilledTaskGoesToTheNext(t *testing.T) {
	s := newStage()
	sem := rt.NewSemaphore(s, 1)
	sem.TryAcquire()
	first, second := s.wait(alone(sem.Acquire)), s.wait(alone(sem.Acquire))
	first.doomed.Store(true)
	sem.Release()
	if o := <-second.result; o.err != nil || sem.InUse() != 1 {
		t.Errorf("Acquire of the next: %v, InUse is %d", o.err, sem.InUse())
	}
	s.end()
}

func TestAKilledGetTakesNothing(t *testing.T) {
	s := newStage()
	q := rt.NewQueue[int](s, 1)
	s.wait(q.Get).kill()
	if err := q.TryPut(1); err != nil || q.Len() != 1 {
		t.Errorf("TryPut: %v, Len %d: the item went to a dead task", err, q.Len())
	}
}

func TestAKilledPutLeavesNothing(t *testing.T) {
	s := newStage()
	q := rt.NewQueue[int](s, 1)
	q.TryPut(1)
	s.wait(alone(func(ctx context.Context) error { return q.Put(ctx, 2) })).kill()
	q.TryGet()
	if v, ok := q.TryGet(); ok {
		t.Errorf("the item %d of a dead task came out", v)
	}
}

func TestAKilledTaskLeavesTheLineOfABroadcast(t *testing.T) {
	s := newStage()
	event, gate, group := rt.NewEvent(s), rt.NewGate(s, false), rt.NewGroup(s)
	end := make(chan struct{})
	group.Go("task", func() { <-end })
	var later []*waiter
	for _, f := range []func(context.Context) error{event.Wait, gate.Pass, group.Wait} {
		before := s.wait(alone(f))
		s.wait(alone(f)).kill()
		later = append(later, before, s.wait(alone(f)))
	}
	event.Fire()
	gate.Open()
	close(end)
	for i, w := range later {
		if o := <-w.result; o.err != nil {
			t.Errorf("waiter %d: %v", i, o.err)
		}
	}
	s.end()
}
