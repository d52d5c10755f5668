package bounded

import (
	"fmt"
	"iter"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
)

// LRU is a table of at most Cap entries that are in use or idle. It evicts
// nothing by itself: Oldest names the idle entry that was used least recently,
// and the owner decides. Some of the entries may be marked, so that the owner
// can have a limit of its own for those: they are counted, and OldestMarked
// names the one of them. All operations take constant time.
type LRU[K comparable, V any] struct {
	seats  Map[K, *seat[K, V]]
	idle   [2]order[K, V] // those without a mark, and those with one
	rests  uint64         // how often an entry has become idle
	inUse  int
	marked int
}

// order is idle entries, the least recently used first.
type order[K comparable, V any] struct{ first, last *seat[K, V] }

type seat[K comparable, V any] struct {
	k          K
	v          V
	ref        Ref
	uses       int
	marked     bool
	since      mono.Time // when it became idle
	rest       uint64    // which of all rests that was: instants may be alike
	prev, next *seat[K, V]
}

// NewLRU returns an empty table for at most limit entries. The name appears in
// errors and statistics.
func NewLRU[K comparable, V any](name string, limit int) *LRU[K, V] {
	return &LRU[K, V]{seats: Map[K, *seat[K, V]]{name: name, limit: limit}}
}

// Len is how many entries there are.
func (l *LRU[K, V]) Len() int { return l.seats.Len() }

// Cap is how many entries there may be.
func (l *LRU[K, V]) Cap() int { return l.seats.Cap() }

// SetCap changes how many entries there may be. A limit below Len removes
// nothing: it refuses newcomers until enough has gone.
func (l *LRU[K, V]) SetCap(limit int) { l.seats.SetCap(limit) }

// InUse is how many entries are in use.
func (l *LRU[K, V]) InUse() int { return l.inUse }

// Marked is how many entries are marked.
func (l *LRU[K, V]) Marked() int { return l.marked }

// Add makes v the entry of k, idle since now. Errors: Overload when the table
// is full, Invalid when k has an entry.
func (l *LRU[K, V]) Add(k K, v V, now mono.Time) (Ref, error) { return l.add(k, v, false, now) }

// AddMarked is Add of an entry that is marked for as long as it is there.
func (l *LRU[K, V]) AddMarked(k K, v V, now mono.Time) (Ref, error) { return l.add(k, v, true, now) }

func (l *LRU[K, V]) add(k K, v V, marked bool, now mono.Time) (Ref, error) {
	if l.seats.index[k] != nil {
		return 0, fault.New("bounded.Add", fault.Invalid, "table %q has an entry of this key", l.seats.name)
	}
	s := &seat[K, V]{k: k, v: v, marked: marked}
	ref, err := l.seats.Put(k, s, 0)
	if err != nil {
		return 0, err
	}
	s.ref = ref
	if marked {
		l.marked++
	}
	l.rest(s, now)
	return ref, nil
}

// Get returns the entry of k. It does not count as a use.
func (l *LRU[K, V]) Get(k K) (v V, ref Ref, ok bool) {
	s, ref, ok := l.seats.Get(k, 0)
	if !ok {
		return v, 0, false
	}
	return s.v, ref, true
}

// Use marks the entry that k and ref name as in use until as many Done. It
// reports false when there is no such entry any more.
func (l *LRU[K, V]) Use(k K, ref Ref) bool {
	s := l.find(k, ref)
	if s == nil {
		return false
	}
	if s.uses == 0 {
		l.wake(s)
		l.inUse++
	}
	s.uses++
	return true
}

// Done ends one Use. After the last one the entry is idle since now. It does
// nothing when the entry was removed meanwhile, and panics when it is not in
// use.
func (l *LRU[K, V]) Done(k K, ref Ref, now mono.Time) {
	s := l.find(k, ref)
	if s == nil {
		return
	}
	if s.uses == 0 {
		panic(fmt.Sprintf("macula bug: bounded: Done without Use in table %q", l.seats.name))
	}
	s.uses--
	if s.uses == 0 {
		l.inUse--
		l.rest(s, now)
	}
}

// Oldest returns the idle entry that was used least recently and since when it
// is idle; ok is false when none is idle.
func (l *LRU[K, V]) Oldest() (k K, v V, since mono.Time, ok bool) {
	plain, marked := l.idle[0].first, l.idle[1].first
	if plain == nil || marked != nil && marked.rest < plain.rest {
		return marked.entry()
	}
	return plain.entry()
}

// OldestMarked is Oldest among the marked ones.
func (l *LRU[K, V]) OldestMarked() (k K, v V, since mono.Time, ok bool) {
	return l.idle[1].first.entry()
}

// entry is what the owner sees of a seat; of none it is not ok.
func (s *seat[K, V]) entry() (k K, v V, since mono.Time, ok bool) {
	if s == nil {
		return k, v, 0, false
	}
	return s.k, s.v, s.since, true
}

// Remove takes out the entry that k and ref name, in use or not.
func (l *LRU[K, V]) Remove(k K, ref Ref) (v V, ok bool) {
	s, ok := l.seats.Delete(k, ref)
	if !ok {
		return v, false
	}
	if s.marked {
		l.marked--
	}
	if s.uses == 0 {
		l.wake(s)
	} else {
		l.inUse--
	}
	return s.v, true
}

// All goes through the entries in the order in which they were added. The loop
// may change the table: it meets what was there when it began and still is.
func (l *LRU[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, s := range l.seats.All() {
			if !yield(k, s.v) {
				return
			}
		}
	}
}

func (l *LRU[K, V]) find(k K, ref Ref) *seat[K, V] {
	s, cur, ok := l.seats.Get(k, 0)
	if !ok || cur != ref {
		return nil
	}
	return s
}

// orderOf is the order in which s stands when it is idle.
func (l *LRU[K, V]) orderOf(s *seat[K, V]) *order[K, V] {
	if s.marked {
		return &l.idle[1]
	}
	return &l.idle[0]
}

// rest puts s at the end of the idle ones.
func (l *LRU[K, V]) rest(s *seat[K, V], now mono.Time) {
	o := l.orderOf(s)
	l.rests++
	s.since, s.rest = now, l.rests
	s.prev, s.next = o.last, nil
	if o.last == nil {
		o.first = s
	} else {
		o.last.next = s
	}
	o.last = s
}

// wake takes s out of the idle ones.
func (l *LRU[K, V]) wake(s *seat[K, V]) {
	o := l.orderOf(s)
	if s.prev == nil {
		o.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		o.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}
