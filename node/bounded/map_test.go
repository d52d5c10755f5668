package bounded_test

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
)

// mapEntry is an entry of the plain model of a Map: a slice in the order of
// insertion.
type mapEntry struct {
	k, v    int
	ref     bounded.Ref
	expires mono.Time
}

type mapMachine struct {
	m       *bounded.Map[int, int]
	entries []mapEntry
	dead    []mapEntry // removed ones, whose refs must stay dead
	cap     int
	now     mono.Time
	last    bounded.Ref
	peak    int
	refused uint64
	next    int
}

func drawKey(t *rapid.T) int { return rapid.IntRange(0, 12).Draw(t, "key") }

func (x *mapMachine) find(k int) int {
	return slices.IndexFunc(x.entries, func(e mapEntry) bool { return e.k == k })
}

func (x *mapMachine) forget(i int) mapEntry {
	e := x.entries[i]
	x.entries = slices.Delete(x.entries, i, i+1)
	x.dead = append(x.dead, e)
	return e
}

func (x *mapMachine) Put(t *rapid.T) { x.put(t, drawKey(t)) }

func (x *mapMachine) put(t *rapid.T, k int) {
	var expires mono.Time
	if rapid.Bool().Draw(t, "expires") {
		expires = x.now + mono.Time(rapid.IntRange(-2, 9).Draw(t, "ttl"))
		if expires <= 0 {
			expires = 1
		}
	}
	x.next++
	ref, err := x.m.Put(k, x.next, expires)
	i := x.find(k)
	if i < 0 && len(x.entries) >= x.cap {
		x.refused++
		if !errors.Is(err, fault.Overload) || ref != 0 {
			t.Fatalf("Put into a full table: %d, %v, want Overload", ref, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Put with room: %v", err)
	}
	if ref <= x.last {
		t.Fatalf("Put returned generation %d after %d", ref, x.last)
	}
	x.last = ref
	if i >= 0 {
		x.forget(i)
	}
	x.entries = append(x.entries, mapEntry{k, x.next, ref, expires})
	x.peak = max(x.peak, len(x.entries))
}

func (x *mapMachine) Get(t *rapid.T) {
	k := drawKey(t)
	now := x.now
	if rapid.Bool().Draw(t, "ignore expiry") {
		now = 0
	}
	v, ref, ok := x.m.Get(k, now)
	var want mapEntry
	found := false
	if i := x.find(k); i >= 0 && (now == 0 || x.entries[i].expires == 0 || x.entries[i].expires > now) {
		want, found = x.entries[i], true
	}
	if ok != found || v != want.v || ref != want.ref {
		t.Fatalf("Get(%d, %d): %d, %d, %v, want %+v, %v", k, now, v, ref, ok, want, found)
	}
}

func (x *mapMachine) Delete(t *rapid.T) {
	if len(x.entries) == 0 {
		t.Skip("empty")
	}
	e := rapid.SampledFrom(x.entries).Draw(t, "entry")
	if v, ok := x.m.Delete(e.k, e.ref); !ok || v != e.v {
		t.Fatalf("Delete(%d, %d): %d, %v, want %d", e.k, e.ref, v, ok, e.v)
	}
	x.forget(x.find(e.k))
}

func (x *mapMachine) DeleteLate(t *rapid.T) {
	if len(x.dead) == 0 {
		t.Skip("nothing was removed")
	}
	e := rapid.SampledFrom(x.dead).Draw(t, "removed")
	if v, ok := x.m.Delete(e.k, e.ref); ok || v != 0 {
		t.Fatalf("Delete(%d, %d) of a removed entry: %d, %v", e.k, e.ref, v, ok)
	}
}

func (x *mapMachine) DeleteAny(t *rapid.T) {
	k := drawKey(t)
	v, ok := x.m.DeleteAny(k)
	i := x.find(k)
	if ok != (i >= 0) {
		t.Fatalf("DeleteAny(%d): %v", k, ok)
	}
	if ok {
		if e := x.forget(i); v != e.v {
			t.Fatalf("DeleteAny(%d): %d, want %d", k, v, e.v)
		}
	}
}

// due returns the entries that have expired, the earliest first.
func (x *mapMachine) due() []mapEntry {
	var due []mapEntry
	for _, e := range x.entries {
		if e.expires != 0 && e.expires <= x.now {
			due = append(due, e)
		}
	}
	slices.SortStableFunc(due, func(a, b mapEntry) int { return cmp.Compare(a.expires, b.expires) })
	return due
}

func (x *mapMachine) Expire(t *rapid.T) {
	x.now += mono.Time(rapid.IntRange(0, 4).Draw(t, "later"))
	limit := rapid.IntRange(0, 12).Draw(t, "max")
	want := x.due()
	want = want[:min(limit, len(want))]
	var got []mapEntry
	n := x.m.Expire(x.now, limit, func(k, v int, ref bounded.Ref) {
		if _, cur, ok := x.m.Get(k, 0); ok {
			t.Fatalf("entry %d is still there, with generation %d, when its expiry is told", k, cur)
		}
		got = append(got, mapEntry{k, v, ref, x.entries[x.find(k)].expires})
	})
	if n != len(want) || !slices.Equal(got, want) {
		t.Fatalf("Expire(%d, %d): %d, %+v, want %+v", x.now, limit, n, got, want)
	}
	for _, e := range want {
		x.forget(x.find(e.k))
	}
}

func (x *mapMachine) SetCap(t *rapid.T) {
	x.cap = rapid.IntRange(0, 13).Draw(t, "cap")
	x.m.SetCap(x.cap)
}

// Walk goes through the table and changes it on the way.
func (x *mapMachine) Walk(t *rapid.T) {
	before := slices.Clone(x.entries)
	var got []int
	for k, v := range x.m.All() {
		i := x.find(k)
		if i < 0 || x.entries[i].v != v {
			t.Fatalf("All yields %d, %d, which is not there", k, v)
		}
		got = append(got, v)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			switch rapid.SampledFrom([]string{"delete it", "delete any", "put", "walk"}).Draw(t, "on the way") {
			case "delete it":
				if i := x.find(k); i >= 0 {
					x.m.DeleteAny(k)
					x.forget(i)
				}
			case "delete any":
				x.DeleteAny(t)
			case "put":
				x.put(t, drawKey(t))
			case "walk":
				for range x.m.All() {
					x.DeleteAny(t)
					break
				}
			}
		}
	}
	// What was there all the time was met, once and in order; what came
	// later was not.
	i := 0
	for _, e := range before {
		stayed := slices.Contains(x.entries, e)
		met := i < len(got) && got[i] == e.v
		if stayed && !met {
			t.Fatalf("All yielded %v of %+v, not entry %d, which was there all the time", got, before, e.k)
		}
		if met {
			i++
		}
	}
	if i != len(got) {
		t.Fatalf("All yielded %v of %+v", got, before)
	}
}

func (x *mapMachine) Check(t *rapid.T) {
	if err := x.m.Recount(); err != nil {
		t.Fatal(err)
	}
	var order []int
	for k := range x.m.All() {
		order = append(order, k)
	}
	var want []int
	next := mono.Time(0)
	for _, e := range x.entries {
		want = append(want, e.k)
		next = mono.Earliest(next, e.expires)
	}
	if !slices.Equal(order, want) {
		t.Fatalf("the order is %v, want %v", order, want)
	}
	if got := x.m.NextExpiry(); got != next {
		t.Fatalf("NextExpiry: %d, want %d", got, next)
	}
	stats := bounded.Stats{Name: "model", Entries: len(x.entries), Limit: x.cap, Peak: x.peak, Refused: x.refused}
	if got := x.m.Stats(); got != stats {
		t.Fatalf("Stats: %+v, want %+v", got, stats)
	}
	if x.m.Len() != len(x.entries) || x.m.Cap() != x.cap {
		t.Fatalf("Len %d, Cap %d, want %d, %d", x.m.Len(), x.m.Cap(), len(x.entries), x.cap)
	}
}

func TestAMapIsWhatASliceInOrderOfInsertionWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &mapMachine{cap: rapid.IntRange(0, 13).Draw(t, "cap"), now: 10}
		x.m = bounded.NewMap[int, int]("model", x.cap)
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "put": x.Put, "get": x.Get, "delete": x.Delete, "delete late": x.DeleteLate,
			"delete any": x.DeleteAny, "expire": x.Expire, "set cap": x.SetCap, "walk": x.Walk,
		})
	})
}

func TestAFullMapSaysWhichTableIsFull(t *testing.T) {
	m := bounded.NewMap[string, int]("clients", 1)
	m.Put("a", 1, 0)
	_, err := m.Put("b", 2, 0)
	if err == nil || !strings.Contains(err.Error(), `table "clients" is full with 1 entries`) {
		t.Fatalf("error %v", err)
	}
}

func TestAWalkMayPutWhatItMeets(t *testing.T) {
	m := bounded.NewMap[int, int]("endless", 10)
	for k := range 5 {
		m.Put(k, k, 0)
	}
	steps := 0
	for k, v := range m.All() {
		steps++
		m.Put(k, v, 0)
	}
	if steps != 5 {
		t.Fatalf("a walk that puts what it meets took %d steps, want 5", steps)
	}
}

func TestAWalkThatPanicsEnds(t *testing.T) {
	m := bounded.NewMap[int, *[64]byte]("panics", 10)
	m.Put(1, new([64]byte), 0)
	func() {
		defer func() { recover() }()
		for range m.All() {
			panic("stop")
		}
	}()
	// After it, nodes are used again as before.
	if n := testing.AllocsPerRun(100, func() { m.DeleteAny(1); m.Put(1, nil, 0) }); n != 0 {
		t.Fatalf("%v allocations after a walk that panicked", n)
	}
}

func TestWhatWasRemovedIsNotKeptAlive(t *testing.T) {
	type big [1 << 10]byte
	m := bounded.NewMap[int, *big]("map", 100)
	l := bounded.NewLRU[int, *big]("lru", 100)
	var kept []weak.Pointer[big]
	put := func(k int, expires mono.Time) {
		v := new(big)
		kept = append(kept, weak.Make(v))
		m.Put(k, v, expires)
	}
	put(1, 0)
	put(1, 5) // replaces
	put(2, 0)
	put(3, 7)
	put(4, 0)
	v := new(big)
	kept = append(kept, weak.Make(v))
	ref, _ := l.Add(1, v, 1)
	v = nil
	m.Expire(5, 1, nil)
	m.DeleteAny(2)
	for range m.All() {
		m.DeleteAny(3)
		m.DeleteAny(4)
	}
	l.Remove(1, ref)
	runtime.GC()
	for i, p := range kept {
		if p.Value() != nil {
			t.Errorf("value %d is still reachable", i)
		}
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(l)
}

func TestAnEmptyTableGivesBackWhatManyEntriesTook(t *testing.T) {
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m := bounded.NewMap[int, int]("storm", 100_000)
	before := heap()
	for k := range 100_000 {
		m.Put(k, k, mono.Time(k+1))
	}
	full := heap() - before
	m.Expire(1<<40, 100_000, nil)
	if left := int64(heap()) - int64(before); left > int64(full/20) {
		t.Errorf("%d entries took %d bytes, and %d are held with none left", 100_000, full, left)
	}
	if err := m.Recount(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Put(1, 1, 1); err != nil || m.Len() != 1 {
		t.Fatalf("after that, Put: %v, Len %d", err, m.Len())
	}
	runtime.KeepAlive(m)
}

func TestMapDoesNotAllocateInASteadyState(t *testing.T) {
	m := bounded.NewMap[int, int]("steady", 1000)
	for k := range 1000 {
		m.Put(k, k, mono.Time(k%7*1000))
	}
	for name, f := range map[string]func(){
		"a hit":             func() { m.Get(500, 1) },
		"a miss":            func() { m.Get(5000, 1) },
		"a replacement":     func() { m.Put(500, 1, 77) },
		"delete and put":    func() { m.DeleteAny(600); m.Put(600, 1, 0) },
		"nothing to expire": func() { m.Expire(1, 10, nil) },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s takes %v allocations", name, n)
		}
	}
}

func TestEntriesExpireInTheOrderOfTheirExpiryAndThenOfTheirAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := bounded.NewMap[int, mono.Time]("many", 1000)
		var want []mapEntry
		for k, expires := range rapid.SliceOfN(rapid.IntRange(1, 30), 0, 200).Draw(t, "expiries") {
			ref, _ := m.Put(k, mono.Time(expires), mono.Time(expires))
			want = append(want, mapEntry{k: k, ref: ref, expires: mono.Time(expires)})
		}
		want = slices.DeleteFunc(want, func(e mapEntry) bool {
			gone := rapid.Bool().Draw(t, "delete")
			if gone {
				m.Delete(e.k, e.ref)
			}
			return gone
		})
		if err := m.Recount(); err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(want, func(a, b mapEntry) int { return cmp.Compare(a.expires, b.expires) })
		var got []mapEntry
		m.Expire(30, 1000, func(k int, expires mono.Time, ref bounded.Ref) {
			got = append(got, mapEntry{k: k, ref: ref, expires: expires})
		})
		if !slices.Equal(got, want) {
			t.Fatalf("expired %+v, want %+v", got, want)
		}
	})
}
