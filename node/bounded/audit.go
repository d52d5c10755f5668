package bounded

import "fmt"

// Stats is what a table holds, for a metric per table.
type Stats struct {
	Name    string
	Entries int
	Limit   int
	Peak    int    // most entries at a time
	Refused uint64 // newcomers that found the table full
}

// Stats returns the books at this moment.
func (m *Map[K, V]) Stats() Stats {
	return Stats{Name: m.name, Entries: len(m.index), Limit: m.limit, Peak: m.peak, Refused: m.refused}
}

// Stats returns the books at this moment.
func (l *LRU[K, V]) Stats() Stats { return l.seats.Stats() }

// Recount compares the index, the order and the expiries with each other. It
// takes time in proportion to Len.
func (m *Map[K, V]) Recount() error {
	entries, expiring := 0, 0
	var prev *node[K, V]
	for n := m.head; n != nil; prev, n = n, n.next {
		entries++
		switch {
		case n.prev != prev:
			return m.wrong("an entry does not know the one before it")
		case m.index[n.k] != n:
			return m.wrong("an entry is not what the index has for its key")
		case n.ref == 0 || n.ref > m.last || (prev != nil && prev.ref >= n.ref):
			return m.wrong("generation %d is out of order", n.ref)
		}
		if n.expires == 0 {
			continue
		}
		expiring++
		if n.pos >= len(m.heap) || m.heap[n.pos] != n {
			return m.wrong("an entry is not where the expiries say")
		}
		if n.pos > 0 && n.before(m.heap[(n.pos-1)/2]) {
			return m.wrong("an entry expires before one that is above it")
		}
	}
	switch {
	case prev != m.tail:
		return m.wrong("the list ends elsewhere")
	case entries != len(m.index):
		return m.wrong("%d entries in order, %d in the index", entries, len(m.index))
	case expiring != len(m.heap):
		return m.wrong("%d entries expire, %d expiries", expiring, len(m.heap))
	case entries > m.peak:
		return m.wrong("%d entries, the peak is %d", entries, m.peak)
	case m.spares > maxSpares:
		return m.wrong("%d nodes are kept", m.spares)
	}
	return nil
}

func (m *Map[K, V]) wrong(format string, args ...any) error {
	return fmt.Errorf("table %q: %s", m.name, fmt.Sprintf(format, args...))
}

// Recount compares the table with its order and its counters. It takes time in
// proportion to Len.
func (l *LRU[K, V]) Recount() error {
	if err := l.seats.Recount(); err != nil {
		return err
	}
	inUse, marked := 0, 0
	for k, s := range l.seats.All() {
		switch {
		case s.k != k || s.ref != l.seats.index[k].ref:
			return l.seats.wrong("a seat belongs to another entry")
		case s.uses < 0:
			return l.seats.wrong("an entry is in use %d times", s.uses)
		case s.uses > 0:
			inUse++
		}
		if s.marked {
			marked++
		}
	}
	idle := 0
	for i := range l.idle {
		n, err := l.recountIdle(&l.idle[i])
		if err != nil {
			return err
		}
		idle += n
	}
	switch {
	case inUse != l.inUse || inUse+idle != l.Len():
		return l.seats.wrong("%d entries, %d of them idle, %d in use, counted as %d", l.Len(), idle, inUse, l.inUse)
	case marked != l.marked:
		return l.seats.wrong("%d entries are marked, counted as %d", marked, l.marked)
	}
	return nil
}

// recountIdle counts the idle entries of one order.
func (l *LRU[K, V]) recountIdle(o *order[K, V]) (idle int, err error) {
	var prev *seat[K, V]
	for s := o.first; s != nil; prev, s = s, s.next {
		idle++
		switch {
		case s.prev != prev || s.uses != 0 || l.orderOf(s) != o || l.seats.index[s.k] == nil || l.seats.index[s.k].v != s:
			return 0, l.seats.wrong("the order of the idle entries is broken")
		case s.rest > l.rests || prev != nil && prev.rest >= s.rest:
			return 0, l.seats.wrong("an entry stands behind one that became idle later")
		}
	}
	if prev != o.last {
		return 0, l.seats.wrong("the idle entries end elsewhere")
	}
	return idle, nil
}
