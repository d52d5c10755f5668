// Package bounded holds the tables of the node: each has a cap, and every
// entry a generation number, so that whoever deletes an entry late does not
// delete its successor.
//
// Map is a table whose entries may expire; LRU one whose entries are in use or
// idle since some time. Both cost memory for what they hold, not for their
// cap. Neither is safe for concurrent use: the owner guards its tables with
// the lock that guards what belongs to them.
package bounded

import (
	"iter"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
)

// Ref is the generation of an entry: unique for the life of the container,
// higher than those of all earlier entries, and never 0.
type Ref uint64

// Map is a table of at most Cap entries, in the order of their insertion.
// Lookup, deletion and insertion of an entry that does not expire take
// constant time; with an expiry there is a heap beside it, of logarithmic
// cost. In a steady state nothing allocates.
type Map[K comparable, V any] struct {
	name    string
	limit   int
	index   map[K]*node[K, V] // made by the first Put
	head    *node[K, V]       // the oldest entry; the list is in the order of the refs
	tail    *node[K, V]
	heap    []*node[K, V] // those that expire, the earliest at the root
	last    Ref
	grown   int // most entries since the index was made
	peak    int
	refused uint64

	spare   *node[K, V] // nodes to use again, by next
	spares  int
	walks   int         // iterations that are under way
	removed *node[K, V] // nodes that an iteration may stand on, by prev
}

type node[K comparable, V any] struct {
	k          K
	v          V
	ref        Ref // 0 in a node that is not in use
	expires    mono.Time
	pos        int // in the heap, when it expires
	prev, next *node[K, V]
}

const (
	// maxSpares is how many nodes a table keeps to use again: enough for
	// entries that come and go, too little to count beside what it held.
	maxSpares = 64
	// largeIndex is from how many entries on an index is given back when the
	// table is empty again: the built-in map never shrinks.
	largeIndex = 1024
)

// NewMap returns an empty table for at most limit entries. The name appears in
// errors and statistics.
func NewMap[K comparable, V any](name string, limit int) *Map[K, V] {
	return &Map[K, V]{name: name, limit: limit}
}

// Len is how many entries there are, those that are expired and not removed
// yet included.
func (m *Map[K, V]) Len() int { return len(m.index) }

// Cap is how many entries there may be.
func (m *Map[K, V]) Cap() int { return m.limit }

// SetCap changes how many entries there may be. A limit below Len removes
// nothing: it refuses newcomers until enough has gone.
func (m *Map[K, V]) SetCap(limit int) { m.limit = limit }

// Get returns the entry of k. At now, one that has expired is not found,
// whether it was removed already or not; with now 0 no expiry counts.
func (m *Map[K, V]) Get(k K, now mono.Time) (v V, ref Ref, ok bool) {
	n := m.index[k]
	if n == nil || (now != 0 && n.expires.Reached(now)) {
		return v, 0, false
	}
	return n.v, n.ref, true
}

// Put makes v the newest entry, in the place of an older one of k if there is
// any: that needs no room. With expires 0 it stays until it is deleted. The
// error is Overload, when the table is full: expired entries count until they
// are removed.
func (m *Map[K, V]) Put(k K, v V, expires mono.Time) (Ref, error) {
	old := m.index[k]
	switch {
	case old != nil:
		m.drop(old)
	case len(m.index) >= m.limit:
		m.refused++
		return 0, fault.New("bounded.Put", fault.Overload, "table %q is full with %d entries", m.name, len(m.index))
	case m.index == nil:
		m.index = make(map[K]*node[K, V])
	}
	n := m.take()
	m.last++
	n.k, n.v, n.ref, n.expires = k, v, m.last, expires
	m.index[k] = n
	m.link(n)
	if expires != 0 {
		m.push(n)
	}
	m.grown = max(m.grown, len(m.index))
	m.peak = max(m.peak, len(m.index))
	return n.ref, nil
}

// Delete removes the entry of k if it is still the one that ref names.
func (m *Map[K, V]) Delete(k K, ref Ref) (v V, ok bool) {
	n := m.index[k]
	if n == nil || n.ref != ref {
		return v, false
	}
	return m.remove(n), true
}

// DeleteAny removes the entry of k, whichever it is.
func (m *Map[K, V]) DeleteAny(k K) (v V, ok bool) {
	n := m.index[k]
	if n == nil {
		return v, false
	}
	return m.remove(n), true
}

// Expire removes up to max entries that have expired at now, the earliest
// first, and tells f, which may be nil, of each after its removal. It returns
// how many; its work is in proportion to that. f may change the table.
func (m *Map[K, V]) Expire(now mono.Time, max int, f func(k K, v V, ref Ref)) int {
	removed := 0
	for removed < max && len(m.heap) > 0 && m.heap[0].expires.Reached(now) {
		n := m.heap[0]
		k, ref := n.k, n.ref
		v := m.remove(n)
		removed++
		if f != nil {
			f(k, v, ref)
		}
	}
	return removed
}

// NextExpiry is when the next entry expires, or 0 when none ever does.
func (m *Map[K, V]) NextExpiry() mono.Time {
	if len(m.heap) == 0 {
		return 0
	}
	return m.heap[0].expires
}

// All goes through the entries in the order in which they were put, expired
// ones included. The loop may delete and put: it meets what was there when it
// began and still is.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		last := m.last
		m.walks++
		defer m.walked()
		for n := m.head; n != nil && n.ref <= last; n = n.next {
			if n.ref != 0 && !yield(n.k, n.v) {
				return
			}
		}
	}
}

// remove takes n out of the table and returns what it held.
func (m *Map[K, V]) remove(n *node[K, V]) V {
	v := n.v
	delete(m.index, n.k)
	m.drop(n)
	if len(m.index) == 0 && m.grown > largeIndex {
		m.index, m.heap, m.grown = nil, nil, 0
	}
	return v
}

// drop takes n out of everything but the index. What it held is forgotten at
// once; where it stood only after the last iteration that may stand there.
func (m *Map[K, V]) drop(n *node[K, V]) {
	if n.expires != 0 {
		m.cut(n)
	}
	m.unlink(n)
	next := n.next
	*n = node[K, V]{}
	if m.walks == 0 {
		m.keep(n)
		return
	}
	n.next, n.prev = next, m.removed
	m.removed = n
}

// walked ends an iteration.
func (m *Map[K, V]) walked() {
	m.walks--
	for m.walks == 0 && m.removed != nil {
		n := m.removed
		m.removed, n.prev, n.next = n.prev, nil, nil
		m.keep(n)
	}
}

func (m *Map[K, V]) keep(n *node[K, V]) {
	if m.spares < maxSpares {
		n.next, m.spare = m.spare, n
		m.spares++
	}
}

func (m *Map[K, V]) take() *node[K, V] {
	n := m.spare
	if n == nil {
		return new(node[K, V])
	}
	m.spare, n.next = n.next, nil
	m.spares--
	return n
}

func (m *Map[K, V]) link(n *node[K, V]) {
	n.prev = m.tail
	if m.tail == nil {
		m.head = n
	} else {
		m.tail.next = n
	}
	m.tail = n
}

// unlink leaves n.next as it is, for an iteration that stands on n.
func (m *Map[K, V]) unlink(n *node[K, V]) {
	if n.prev == nil {
		m.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		m.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
}
