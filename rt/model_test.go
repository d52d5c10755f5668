package rt_test

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/rt"
)

// queueModel is what a queue must do, without concurrency: it says of every
// operation which waiting tasks return, and with what.
type queueModel struct {
	capacity int
	items    []int
	closed   error
	getters  []*waiter
	putters  []*modelPut
}

type modelPut struct {
	w *waiter
	v int
}

// expect waits until w has returned, which the model says it does.
func expect(t *rapid.T, w *waiter, want outcome) {
	if got := <-w.result; got != want {
		t.Fatalf("a waiting task returned %v, want %v", got, want)
	}
}

func (m *queueModel) put(t *rapid.T, v int) error {
	switch {
	case m.closed != nil:
		return m.closed
	case len(m.getters) > 0:
		expect(t, m.getters[0], outcome{v: v})
		m.getters = m.getters[1:]
	case len(m.items) == m.capacity:
		return rt.ErrFull
	default:
		m.items = append(m.items, v)
	}
	return nil
}

func (m *queueModel) take(t *rapid.T) (int, bool) {
	if len(m.items) == 0 {
		return 0, false
	}
	v := m.items[0]
	m.items = m.items[1:]
	if len(m.putters) > 0 {
		p := m.putters[0]
		m.putters = m.putters[1:]
		m.items = append(m.items, p.v)
		expect(t, p.w, outcome{})
	}
	return v, true
}

func (m *queueModel) close(t *rapid.T, err error) {
	if m.closed != nil {
		return
	}
	m.closed = err
	for _, w := range m.getters {
		expect(t, w, outcome{err: err})
	}
	for _, p := range m.putters {
		expect(t, p.w, outcome{err: err})
	}
	m.getters, m.putters = nil, nil
}

// queueMachine runs the same operations on a queue and on the model.
type queueMachine struct {
	s    *stage
	q    *rt.Queue[int]
	m    queueModel
	next int
}

func (x *queueMachine) TryPut(t *rapid.T) {
	x.next++
	got := x.q.TryPut(x.next)
	if want := x.m.put(t, x.next); got != want {
		t.Fatalf("TryPut: %v, want %v", got, want)
	}
}

func (x *queueMachine) TryGet(t *rapid.T) {
	v, ok := x.q.TryGet()
	if want, wantOK := x.m.take(t); v != want || ok != wantOK {
		t.Fatalf("TryGet: %d, %v, want %d, %v", v, ok, want, wantOK)
	}
}

func (x *queueMachine) Put(t *rapid.T) {
	x.next++
	v := x.next
	if x.m.closed == nil && len(x.m.items) == x.m.capacity {
		w := x.s.wait(alone(func(ctx context.Context) error { return x.q.Put(ctx, v) }))
		x.m.putters = append(x.m.putters, &modelPut{w, v})
		return
	}
	got := x.q.Put(context.Background(), v)
	if want := x.m.put(t, v); got != want {
		t.Fatalf("Put: %v, want %v", got, want)
	}
}

func (x *queueMachine) Get(t *rapid.T) {
	if x.m.closed == nil && len(x.m.items) == 0 {
		x.m.getters = append(x.m.getters, x.s.wait(x.q.Get))
		return
	}
	v, err := x.q.Get(context.Background())
	want, ok := x.m.take(t)
	var wantErr error
	if !ok {
		wantErr = x.m.closed
	}
	if v != want || err != wantErr {
		t.Fatalf("Get: %d, %v, want %d, %v", v, err, want, wantErr)
	}
}

func (x *queueMachine) Cancel(t *rapid.T) {
	n := len(x.m.getters) + len(x.m.putters)
	if n == 0 {
		t.Skip("nobody waits")
	}
	i := rapid.IntRange(0, n-1).Draw(t, "which")
	var w *waiter
	if i < len(x.m.getters) {
		w = x.m.getters[i]
		x.m.getters = slices.Delete(x.m.getters, i, i+1)
	} else {
		i -= len(x.m.getters)
		w = x.m.putters[i].w
		x.m.putters = slices.Delete(x.m.putters, i, i+1)
	}
	w.cancel(errGaveUp)
	expect(t, w, outcome{err: errGaveUp})
}

func (x *queueMachine) Close(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "close") > 0 {
		t.Skip("most histories should be long")
	}
	x.q.Close(errEnd)
	x.m.close(t, errEnd)
}

func (x *queueMachine) Check(t *rapid.T) {
	if x.q.Len() != len(x.m.items) || x.q.Cap() != x.m.capacity {
		t.Fatalf("Len is %d and Cap %d, want %d and %d", x.q.Len(), x.q.Cap(), len(x.m.items), x.m.capacity)
	}
}

func TestQueueFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 9).Draw(t, "capacity")
		s := newStage()
		x := &queueMachine{s: s, q: rt.NewQueue[int](s, capacity), m: queueModel{capacity: capacity}}
		t.Repeat(rapid.StateMachineActions(x))
		x.q.Close(errEnd)
		x.m.close(t, errEnd)
		s.end()
	})
}

// semMachine runs the same operations on a semaphore and on a model, which is
// the number of permits out and the line of those that wait.
type semMachine struct {
	s        *stage
	sem      *rt.Semaphore
	n, inUse int
	line     []*waiter
}

func (x *semMachine) Acquire(t *rapid.T) {
	if x.inUse == x.n {
		x.line = append(x.line, x.s.wait(alone(x.sem.Acquire)))
		return
	}
	if err := x.sem.Acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	x.inUse++
}

func (x *semMachine) TryAcquire(t *rapid.T) {
	want := x.inUse < x.n
	if got := x.sem.TryAcquire(); got != want {
		t.Fatalf("TryAcquire: %v, want %v", got, want)
	}
	if want {
		x.inUse++
	}
}

func (x *semMachine) Release(t *rapid.T) {
	if x.inUse == 0 {
		t.Skip("no permit is out")
	}
	x.sem.Release()
	if len(x.line) == 0 {
		x.inUse--
		return
	}
	expect(t, x.line[0], outcome{})
	x.line = x.line[1:]
}

func (x *semMachine) Cancel(t *rapid.T) {
	if len(x.line) == 0 {
		t.Skip("nobody waits")
	}
	i := rapid.IntRange(0, len(x.line)-1).Draw(t, "which")
	x.line[i].cancel(errGaveUp)
	expect(t, x.line[i], outcome{err: errGaveUp})
	x.line = slices.Delete(x.line, i, i+1)
}

func (x *semMachine) Check(t *rapid.T) {
	if x.sem.InUse() != x.inUse {
		t.Fatalf("InUse is %d, want %d", x.sem.InUse(), x.inUse)
	}
}

func TestSemaphoreFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage()
		n := rapid.IntRange(1, 4).Draw(t, "n")
		x := &semMachine{s: s, sem: rt.NewSemaphore(s, n), n: n}
		t.Repeat(rapid.StateMachineActions(x))
		for x.inUse > 0 {
			x.Release(t)
		}
		s.end()
	})
}
