// Package renewal keeps a bounded set of things that must be said again and
// again before they expire elsewhere: one task for all of them, asleep until
// the next one is due.
package renewal

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/rt"
)

// Table is the set, by name. All methods are safe for concurrent use and none
// but Run blocks.
type Table[V comparable] struct {
	r    rt.Runtime
	kick *rt.Queue[struct{}] // an item was added: look again what is due

	mu    rt.Mutex
	items *bounded.Map[string, item[V]] // the expiry is the next renewal
}

type item[V comparable] struct {
	v     V
	every time.Duration
}

type named[V comparable] struct {
	name string
	item[V]
}

// New returns an empty table for at most limit items.
func New[V comparable](r rt.Runtime, name string, limit int) *Table[V] {
	return &Table[V]{r: r, kick: rt.NewQueue[struct{}](r, 1), mu: rt.NewMutex(r), items: bounded.NewMap[string, item[V]](name, limit)}
}

// Put adds or replaces an item that is due again and again after every; zero
// means never.
func (t *Table[V]) Put(name string, v V, every time.Duration) error {
	t.mu.Lock()
	err := t.put(name, item[V]{v, every})
	t.mu.Unlock()
	if err == nil {
		t.kick.TryPut(struct{}{})
	}
	return err
}

func (t *Table[V]) put(name string, it item[V]) error {
	due := t.r.Now().Add(it.every)
	if it.every <= 0 {
		due = 0
	}
	_, err := t.items.Put(name, it, due)
	return err
}

// Reset makes v due again after every, if it is still what name stands for.
func (t *Table[V]) Reset(name string, v V, every time.Duration) bool {
	t.mu.Lock()
	it, _, ok := t.items.Get(name, 0)
	ok = ok && it.v == v
	if ok {
		t.put(name, item[V]{v, every}) // in its own place, so there is room
	}
	t.mu.Unlock()
	if ok {
		t.kick.TryPut(struct{}{})
	}
	return ok
}

// Delete removes v, if it is still what name stands for.
func (t *Table[V]) Delete(name string, v V) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	it, ref, ok := t.items.Get(name, 0)
	if !ok || it.v != v {
		return false
	}
	t.items.Delete(name, ref)
	return true
}

// Get returns what name stands for.
func (t *Table[V]) Get(name string) (V, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	it, _, ok := t.items.Get(name, 0)
	return it.v, ok
}

// All returns the items in the order of their last renewal.
func (t *Table[V]) All() []V {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]V, 0, t.items.Len())
	for _, it := range t.items.All() {
		out = append(out, it.v)
	}
	return out
}

// Len is how many items there are.
func (t *Table[V]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.items.Len()
}

// Stats returns the books of the table.
func (t *Table[V]) Stats() bounded.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.items.Stats()
}

// Run calls renew for every item that is due, until ctx ends.
func (t *Table[V]) Run(ctx context.Context, renew func(V)) {
	early := time.Duration(0)
	for ctx.Err() == nil {
		due, wait, some := t.due(early)
		early = 0
		for _, d := range due {
			if v, ok := t.Get(d.name); ok && v == d.v {
				renew(v) // else it was deleted while those before it were renewed
			}
		}
		switch {
		case len(due) > 0:
		case !some:
			t.kick.Get(ctx)
		default:
			if rt.Buggify(t.r, "renewal: early") {
				early = wait / 4
			}
			sleep, cancel := t.r.WithTimeout(ctx, wait-early)
			t.kick.Get(sleep)
			cancel()
		}
	}
}

// due takes what is due now, or early by no more than that, and tells when the
// next item is.
func (t *Table[V]) due(early time.Duration) (due []named[V], wait time.Duration, some bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.r.Now()
	t.items.Expire(now.Add(early), t.items.Len(), func(name string, it item[V], _ bounded.Ref) {
		due = append(due, named[V]{name, it})
	})
	for _, d := range due {
		t.put(d.name, d.item)
	}
	next := t.items.NextExpiry()
	return due, next.Sub(now), !next.IsZero()
}

// Audit recounts the table.
func (t *Table[V]) Audit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.items.Recount()
}
