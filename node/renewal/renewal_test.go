package renewal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/renewal"
	"github.com/maculamesh/macula/sim"
)

// item is an item of the plain model.
type item struct {
	name  string
	v     int
	every time.Duration
	due   mono.Time
}

// said is one renewal, and when it was.
type said struct {
	v  int
	at mono.Time
}

// machine is a table whose Run is under way beside its plain model: the items
// in the order of their last renewal.
type machine struct {
	w     *sim.World
	table *renewal.Table[int]
	limit int
	items []item
	said  []said
	next  int
}

func newMachine(limit int) *machine {
	x := &machine{w: sim.New(sim.Config{}), limit: limit}
	m := x.w.Machine("n")
	x.table = renewal.New[int](m, "renewals", limit)
	m.Go("renew", func() {
		x.table.Run(context.Background(), func(v int) { x.said = append(x.said, said{v, m.Now()}) })
	})
	return x
}

func (x *machine) now() mono.Time { return x.w.Machine("n").Now() }

func (x *machine) find(name string) int {
	return slices.IndexFunc(x.items, func(i item) bool { return i.name == name })
}

// drawSpan draws odd times, so that two items are seldom due in one instant.
func drawSpan(t *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(1, 500).Draw(t, "ms"))*time.Millisecond + time.Duration(rapid.IntRange(1, 999).Draw(t, "us"))*time.Microsecond
}

func drawName(t *rapid.T) string { return rapid.StringMatching("[a-e]").Draw(t, "name") }

func (x *machine) Put(t *rapid.T) {
	x.next++
	it := item{name: drawName(t), v: x.next}
	if rapid.IntRange(0, 4).Draw(t, "never") > 0 {
		it.every = drawSpan(t)
		it.due = x.now().Add(it.every)
	}
	err := x.table.Put(it.name, it.v, it.every)
	i := x.find(it.name)
	if i < 0 && len(x.items) == x.limit {
		if !errors.Is(err, fault.Overload) {
			t.Fatalf("Put into a full table: %v, want Overload", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Put with room: %v", err)
	}
	if i >= 0 {
		x.items = slices.Delete(x.items, i, i+1)
	}
	x.items = append(x.items, it)
}

func (x *machine) Delete(t *rapid.T) {
	name := drawName(t)
	v := rapid.IntRange(0, x.next).Draw(t, "value")
	i := x.find(name)
	if i >= 0 && rapid.Bool().Draw(t, "the right one") {
		v = x.items[i].v
	}
	want := i >= 0 && x.items[i].v == v
	if got := x.table.Delete(name, v); got != want {
		t.Fatalf("Delete(%s, %d): %v, want %v", name, v, got, want)
	}
	if want {
		x.items = slices.Delete(x.items, i, i+1)
	}
}

// Pass lets time go on: every item is renewed in the very instant in which it
// is due, again and again.
func (x *machine) Pass(t *rapid.T) {
	x.said = nil
	end := x.now().Add(drawSpan(t))
	if err := x.w.RunFor(end.Sub(x.now())); err != nil {
		t.Fatal(err)
	}
	var want []said
	for {
		first := -1
		for i, it := range x.items {
			if it.due.Reached(end) && (first < 0 || it.due < x.items[first].due) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		it := x.items[first]
		want = append(want, said{it.v, it.due})
		it.due = it.due.Add(it.every)
		x.items = append(slices.Delete(x.items, first, first+1), it)
	}
	if !slices.Equal(x.said, want) {
		t.Fatalf("renewed %v, want %v", x.said, want)
	}
}

func (x *machine) Check(t *rapid.T) {
	if err := x.table.Audit(); err != nil {
		t.Fatal(err)
	}
	var want []int
	for _, it := range x.items {
		want = append(want, it.v)
		if v, ok := x.table.Get(it.name); !ok || v != it.v {
			t.Fatalf("Get(%s): %d, %v, want %d", it.name, v, ok, it.v)
		}
	}
	if got := x.table.All(); !slices.Equal(got, want) || x.table.Len() != len(want) {
		t.Fatalf("All: %v, want %v", got, want)
	}
}

func TestEveryItemIsRenewedWhenItIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newMachine(rapid.IntRange(1, 4).Draw(t, "limit"))
		defer x.w.Close()
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "put": x.Put, "delete": x.Delete, "pass": x.Pass,
		})
	})
}

func TestAnItemThatIsDueSoonerIsNotKeptWaitingByALaterOne(t *testing.T) {
	x := newMachine(10)
	defer x.w.Close()
	x.table.Put("late", 1, time.Hour)
	x.w.RunFor(time.Minute) // the task sleeps for an hour
	x.table.Put("soon", 2, time.Second)
	x.w.RunFor(time.Second)
	if len(x.said) != 1 || x.said[0].v != 2 {
		t.Fatalf("renewed %v, want the item that is due", x.said)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, every := range map[string]time.Duration{"with nothing to do": 0, "asleep": time.Hour} {
		w := sim.New(sim.Config{})
		m := w.Machine("n")
		table := renewal.New[string](m, "renewals", 4)
		if every > 0 {
			table.Put("a", "a", every)
		}
		ctx, cancel := m.WithCancelCause(context.Background())
		ended := false
		m.Go("renew", func() {
			table.Run(ctx, func(string) {})
			ended = true
		})
		w.RunFor(time.Second)
		cancel(fmt.Errorf("stop"))
		w.RunFor(time.Millisecond)
		if !ended || w.Tasks() != 0 {
			t.Errorf("%s: Run has not ended with its context, %d tasks are left", name, w.Tasks())
		}
		w.Close()
	}
}

// Renewing takes time, and what was withdrawn meanwhile must not be said again.
func TestWhatWasDeletedWhileOthersWereRenewedIsNotRenewed(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	m := w.Machine("n")
	table := renewal.New[string](m, "renewals", 4)
	for _, name := range []string{"a", "b", "c"} {
		table.Put(name, name, time.Second)
	}
	var got []string
	m.Go("renew", func() {
		table.Run(context.Background(), func(v string) {
			got = append(got, v)
			m.NewParker().Park(delay(m, 100*time.Millisecond))
		})
	})
	w.At(1050*time.Millisecond, "withdraw", func() {
		table.Delete("b", "b")
		table.Put("c", "c2", time.Hour)
	})
	w.RunFor(1500 * time.Millisecond)
	if !slices.Equal(got, []string{"a"}) {
		t.Fatalf("renewed %v, want only a", got)
	}
}

func delay(m *sim.Machine, d time.Duration) context.Context {
	ctx, _ := m.WithTimeout(context.Background(), d)
	return ctx
}

// What is renewed may change the table: it is not locked meanwhile.
func TestARenewalMayDeleteAndAdd(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	m := w.Machine("n")
	table := renewal.New[string](m, "renewals", 4)
	table.Put("a", "a", time.Second)
	runs := 0
	m.Go("renew", func() {
		table.Run(context.Background(), func(v string) {
			runs++
			table.Delete(v, v)
			table.Put("b", "b", 10*time.Second)
		})
	})
	w.RunFor(5 * time.Second)
	if got := table.All(); runs != 1 || !slices.Equal(got, []string{"b"}) {
		t.Fatalf("%d renewals, left are %v", runs, got)
	}
}
