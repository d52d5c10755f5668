package sim

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var errModel = errors.New("the heap lost its order")

// heapMachine runs the same operations on the heap and on a sorted list.
type heapMachine struct {
	h     heap
	model []*timer
	seq   uint64
}

func compareTimers(a, b *timer) int {
	x, y := heapItem{a.at, a.seq, a, a.tie}, heapItem{b.at, b.seq, b, b.tie}
	if x.before(&y) {
		return -1
	}
	return 1
}

func (x *heapMachine) Push(t *rapid.T) {
	x.seq++
	tm := &timer{idx: idle, seq: x.seq, at: rapid.Int64Range(0, 20).Draw(t, "at"), tie: uint32(rapid.IntRange(0, 2).Draw(t, "tie"))}
	x.h.push(tm)
	x.model = append(x.model, tm)
	slices.SortFunc(x.model, compareTimers)
}

func (x *heapMachine) Pop(t *rapid.T) {
	if len(x.model) == 0 {
		t.Skip("empty")
	}
	if got := x.h.remove(0); got != x.model[0] || got.idx != idle {
		t.Fatalf("popped %+v, want %+v", got, x.model[0])
	}
	x.model = x.model[1:]
}

func (x *heapMachine) Remove(t *rapid.T) {
	if len(x.model) == 0 {
		t.Skip("empty")
	}
	i := rapid.IntRange(0, len(x.model)-1).Draw(t, "which")
	tm := x.model[i]
	x.h.remove(int(tm.idx))
	if tm.idx != idle {
		t.Fatal("a removed timer has a place")
	}
	x.model = slices.Delete(x.model, i, i+1)
}

func (x *heapMachine) Filter(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "filter") > 0 {
		t.Skip("seldom")
	}
	drop := func(tm *timer) bool {
		if tm.seq%5 == 0 {
			return true
		}
		if tm.seq%3 == 0 {
			tm.at = 20 - tm.at
		}
		return false
	}
	x.h.filter(drop)
	x.model = slices.DeleteFunc(x.model, func(tm *timer) bool { return tm.seq%5 == 0 })
	slices.SortFunc(x.model, compareTimers)
}

func (x *heapMachine) Check(t *rapid.T) {
	if len(x.h.items) != len(x.model) {
		t.Fatalf("%d items, want %d", len(x.h.items), len(x.model))
	}
	for i, it := range x.h.items {
		if it.t.idx != int32(i) || it.at != it.t.at {
			t.Fatal("a timer does not know its place or time")
		}
	}
	want := int64(math.MaxInt64)
	if len(x.model) > 0 {
		want = x.model[0].at
	}
	if x.h.next() != want {
		t.Fatal(errModel)
	}
}

func TestTheHeapFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &heapMachine{}
		t.Repeat(rapid.StateMachineActions(x))
	})
}

func TestStoppedTimersLeaveNothingInTheHeap(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	m := w.Machine("m")
	const n = 100_000
	stops := make([]func(), 0, 2*n)
	for i := range n {
		tm := m.AfterFunc(time.Duration(i), func() {})
		_, cancel := m.WithTimeout(context.Background(), time.Duration(n-i))
		stops = append(stops, func() { tm.Stop() }, cancel)
	}
	if len(w.heap.items) != 2*n {
		t.Fatalf("%d timers are pending", len(w.heap.items))
	}
	for _, stop := range stops {
		stop()
	}
	if len(w.heap.items) != 0 {
		t.Errorf("%d are left", len(w.heap.items))
	}
	for _, it := range w.heap.items[:2*n] {
		if it.t != nil {
			t.Fatal("the heap still refers to a stopped timer")
		}
	}
}

func TestTheReadyListFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []*Task
		id := uint64(0)
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(t, "step"); {
			case k < 5:
				id++
				task := &Task{id: id}
				q.push(task)
				model = append(model, task)
			case k < 9 && len(model) > 0:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				want := model[i]
				model[i] = model[0]
				model = model[1:]
				if got := q.take(i); got != want {
					t.Fatalf("took task %d, want %d", got.id, want.id)
				}
			case k == 9:
				odd := func(t *Task) bool { return t.id%2 == 1 }
				q.filter(odd)
				model = slices.DeleteFunc(slices.Clone(model), odd)
			}
			if !slices.Equal(q.tasks(), model) || q.len() != len(model) {
				t.Fatalf("%d tasks, want %d", q.len(), len(model))
			}
		}
	})
}

func TestTheReadyListDoesNotGrowWithTime(t *testing.T) {
	var q queue
	q.push(&Task{})
	q.push(&Task{})
	for range 10_000 {
		q.push(q.take(1))
	}
	if cap(q.buf) > 64 {
		t.Errorf("room for %d tasks was made for two", cap(q.buf))
	}
}

func TestATimerOnADriftingClockFiresAtTheFirstInstantOfItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := machineClock{
			base: rapid.Int64Range(0, 1<<50).Draw(t, "base"),
			from: rapid.Int64Range(0, 1<<50).Draw(t, "from"),
			ppm:  rapid.Int64Range(-maxDrift, maxDrift).Draw(t, "ppm"),
		}
		now := c.from + rapid.Int64Range(0, 1<<50).Draw(t, "since")
		d := rapid.Int64Range(1, 1<<50).Draw(t, "d")
		v := c.lasts(now, d)
		if target := c.counted(now) + d; c.counted(now+v) < target || c.counted(now+v-1) >= target {
			t.Fatalf("%d lasts %d: counted %d at its end and %d before, want %d", d, v, c.counted(now+v), c.counted(now+v-1), target)
		}
		if c.counted(now+1) < c.counted(now) {
			t.Fatal("the count goes back")
		}
	})
}

func TestAVeryLongTimerOnADriftingClockNeverFires(t *testing.T) {
	c := machineClock{ppm: -maxDrift, from: 1 << 60}
	for _, d := range []int64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2} {
		if v := c.lasts(1<<60, d); v < forever {
			t.Errorf("%d lasts %d", d, v)
		}
	}
}

func TestWorkersAndContextsThatAreKeptForReuseAreBounded(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	m := w.Machine("m")
	top, cancelTop := m.WithCancelCause(context.Background())
	for range 2 * maxFree {
		m.Go("task", func() { m.NewParker().Park(top) })
		m.WithCancelCause(top)
	}
	m.AfterInline(time.Second, func() { cancelTop(nil) })
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if len(w.idle) != maxIdle || len(w.free) != maxFree {
		t.Errorf("%d workers and %d contexts are kept, want %d and %d", len(w.idle), len(w.free), maxIdle, maxFree)
	}
}
