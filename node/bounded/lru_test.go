package bounded_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
)

// lruEntry is an entry of the plain model of an LRU.
type lruEntry struct {
	k, v   int
	ref    bounded.Ref
	uses   int
	marked bool
	since  mono.Time
}

type lruMachine struct {
	l    *bounded.LRU[int, int]
	all  []*lruEntry // in the order of addition
	idle []*lruEntry // in the order of their last use
	dead []*lruEntry
	cap  int
	now  mono.Time
	next int
}

func (x *lruMachine) find(k int) *lruEntry {
	if i := slices.IndexFunc(x.all, func(e *lruEntry) bool { return e.k == k }); i >= 0 {
		return x.all[i]
	}
	return nil
}

func (x *lruMachine) draw(t *rapid.T) *lruEntry {
	if len(x.all) == 0 {
		t.Skip("empty")
	}
	return rapid.SampledFrom(x.all).Draw(t, "entry")
}

func without(s []*lruEntry, e *lruEntry) []*lruEntry {
	return slices.DeleteFunc(s, func(x *lruEntry) bool { return x == e })
}

// tick lets time pass, or not: many things happen in one instant.
func (x *lruMachine) tick(t *rapid.T) {
	if rapid.Bool().Draw(t, "later") {
		x.now++
	}
}

func (x *lruMachine) Add(t *rapid.T) {
	k := drawKey(t)
	x.tick(t)
	x.next++
	add, marked := x.l.Add, rapid.Bool().Draw(t, "marked")
	if marked {
		add = x.l.AddMarked
	}
	ref, err := add(k, x.next, x.now)
	switch {
	case x.find(k) != nil:
		if !errors.Is(err, fault.Invalid) {
			t.Fatalf("Add of a key that is there: %v, want Invalid", err)
		}
	case len(x.all) >= x.cap:
		if !errors.Is(err, fault.Overload) {
			t.Fatalf("Add to a full table: %v, want Overload", err)
		}
	case err != nil:
		t.Fatalf("Add with room: %v", err)
	default:
		e := &lruEntry{k: k, v: x.next, ref: ref, marked: marked, since: x.now}
		x.all, x.idle = append(x.all, e), append(x.idle, e)
	}
}

func (x *lruMachine) Get(t *rapid.T) {
	k := drawKey(t)
	var want lruEntry
	e := x.find(k)
	if e != nil {
		want = *e
	}
	if v, ref, ok := x.l.Get(k); ok != (e != nil) || v != want.v || ref != want.ref {
		t.Fatalf("Get(%d): %d, %d, %v, want %+v", k, v, ref, ok, want)
	}
}

func (x *lruMachine) Use(t *rapid.T) {
	e := x.draw(t)
	if !x.l.Use(e.k, e.ref) {
		t.Fatalf("Use(%d) of an entry that is there: false", e.k)
	}
	e.uses++
	x.idle = without(x.idle, e)
}

func (x *lruMachine) Done(t *rapid.T) {
	e := x.draw(t)
	if e.uses == 0 {
		t.Skip("not in use")
	}
	x.tick(t)
	x.l.Done(e.k, e.ref, x.now)
	e.uses--
	if e.uses == 0 {
		e.since = x.now
		x.idle = append(x.idle, e)
	}
}

// Late uses, ends and removes what is not there any more: nothing happens,
// also when its key has a new entry.
func (x *lruMachine) Late(t *rapid.T) {
	if len(x.dead) == 0 {
		t.Skip("nothing was removed")
	}
	e := rapid.SampledFrom(x.dead).Draw(t, "removed")
	if x.l.Use(e.k, e.ref) {
		t.Fatalf("Use of a removed entry of %d: true", e.k)
	}
	x.l.Done(e.k, e.ref, x.now)
	if _, ok := x.l.Remove(e.k, e.ref); ok {
		t.Fatalf("Remove of a removed entry of %d: true", e.k)
	}
}

func (x *lruMachine) remove(e *lruEntry) {
	x.all, x.idle = without(x.all, e), without(x.idle, e)
	x.dead = append(x.dead, e)
}

func (x *lruMachine) Remove(t *rapid.T) {
	e := x.draw(t)
	if v, ok := x.l.Remove(e.k, e.ref); !ok || v != e.v {
		t.Fatalf("Remove(%d): %d, %v, want %d", e.k, v, ok, e.v)
	}
	x.remove(e)
}

func (x *lruMachine) Evict(t *rapid.T) {
	x.evict(t, x.l.Oldest, x.idle)
}

func (x *lruMachine) EvictMarked(t *rapid.T) {
	x.evict(t, x.l.OldestMarked, slices.DeleteFunc(slices.Clone(x.idle), func(e *lruEntry) bool { return !e.marked }))
}

// evict removes the oldest of some idle ones.
func (x *lruMachine) evict(t *rapid.T, oldest func() (int, int, mono.Time, bool), idle []*lruEntry) {
	k, v, since, ok := oldest()
	if ok != (len(idle) > 0) {
		t.Fatalf("the oldest: %v with %d idle", ok, len(idle))
	}
	if !ok {
		return
	}
	if e := idle[0]; k != e.k || v != e.v || since != e.since {
		t.Fatalf("the oldest: %d, %d, %d, want %+v", k, v, since, *e)
	}
	x.l.Remove(k, idle[0].ref)
	x.remove(idle[0])
}

func (x *lruMachine) RemoveAll(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
		t.Skip("not now")
	}
	for k := range x.l.All() {
		_, ref, _ := x.l.Get(k)
		x.l.Remove(k, ref)
		x.remove(x.find(k))
	}
	if x.l.Len() != 0 {
		t.Fatalf("%d left after a walk that removes all", x.l.Len())
	}
}

func (x *lruMachine) SetCap(t *rapid.T) {
	x.cap = rapid.IntRange(0, 7).Draw(t, "cap")
	x.l.SetCap(x.cap)
}

func (x *lruMachine) Check(t *rapid.T) {
	if err := x.l.Recount(); err != nil {
		t.Fatal(err)
	}
	if x.l.Len() != len(x.all) || x.l.InUse() != len(x.all)-len(x.idle) || x.l.Cap() != x.cap {
		t.Fatalf("Len %d, InUse %d, Cap %d, want %d, %d, %d", x.l.Len(), x.l.InUse(), x.l.Cap(), len(x.all), len(x.all)-len(x.idle), x.cap)
	}
	marked := 0
	for _, e := range x.all {
		if e.marked {
			marked++
		}
	}
	if x.l.Marked() != marked {
		t.Fatalf("%d are marked, want %d", x.l.Marked(), marked)
	}
	var got, want []int
	for k, v := range x.l.All() {
		got = append(got, k, v)
	}
	for _, e := range x.all {
		want = append(want, e.k, e.v)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("All: %v, want %v", got, want)
	}
}

func TestAnLRUIsWhatTwoSlicesWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &lruMachine{cap: rapid.IntRange(1, 6).Draw(t, "cap"), now: 1}
		x.l = bounded.NewLRU[int, int]("model", x.cap)
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "add": x.Add, "get": x.Get, "use": x.Use, "done": x.Done, "late": x.Late,
			"remove": x.Remove, "evict": x.Evict, "evict marked": x.EvictMarked, "remove all": x.RemoveAll, "set cap": x.SetCap,
		})
	})
}

func TestAnEntryInUseIsNeverTheOldest(t *testing.T) {
	l := bounded.NewLRU[string, int]("pool", 2)
	a, _ := l.Add("a", 1, 1)
	l.Add("b", 2, 2)
	l.Use("a", a)
	l.Use("a", a)
	l.Done("a", a, 3)
	if k, _, _, _ := l.Oldest(); k != "b" {
		t.Fatalf("the oldest is %q while it is in use", k)
	}
	l.Done("a", a, 4)
	if k, _, since, _ := l.Oldest(); k != "b" || since != 2 {
		t.Fatalf("the oldest is %q since %d, want b since 2", k, since)
	}
}

func TestDoneWithoutUsePanics(t *testing.T) {
	l := bounded.NewLRU[string, int]("pool", 1)
	ref, _ := l.Add("a", 1, 1)
	defer func() {
		if recover() == nil {
			t.Fatal("Done of an entry that is not in use did not panic")
		}
	}()
	l.Done("a", ref, 2)
}

func TestLRUDoesNotAllocateOnHits(t *testing.T) {
	l := bounded.NewLRU[int, int]("steady", 1000)
	for k := range 1000 {
		l.Add(k, k, 1)
	}
	if n := testing.AllocsPerRun(200, func() {
		_, ref, _ := l.Get(500)
		l.Use(500, ref)
		l.Done(500, ref, 2)
		l.Oldest()
	}); n != 0 {
		t.Errorf("a hit takes %v allocations", n)
	}
}
