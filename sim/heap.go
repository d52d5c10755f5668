package sim

import "math"

// heap holds the pending timers in the order in which they fire: by time,
// then tie, then sequence. It is 4-ary, because a node's children then share
// two cache lines, and keeps the keys beside the pointers. Every timer knows
// its place, so that a stopped one leaves at once.
type heap struct{ items []heapItem }

type heapItem struct {
	at  int64
	seq uint64
	t   *timer
	tie uint32
}

func (a *heapItem) before(b *heapItem) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	return a.seq < b.seq
}

// next is the time of the first timer, or the largest number.
func (h *heap) next() int64 {
	if len(h.items) == 0 {
		return math.MaxInt64
	}
	return h.items[0].at
}

func (h *heap) push(t *timer) {
	h.items = append(h.items, heapItem{t.at, t.seq, t, t.tie})
	h.up(len(h.items) - 1)
}

// remove takes out the timer at index i.
func (h *heap) remove(i int) *timer {
	t := h.items[i].t
	n := len(h.items) - 1
	last := h.items[n]
	h.items[n] = heapItem{}
	h.items = h.items[:n]
	if i < n {
		h.items[i] = last
		last.t.idx = int32(i)
		if !h.up(i) {
			h.down(i)
		}
	}
	t.idx = idle
	return t
}

// filter takes out every timer that drop wants, and puts the others in order
// again, whose times it may have changed.
func (h *heap) filter(drop func(*timer) bool) {
	kept := h.items[:0]
	for _, it := range h.items {
		if drop(it.t) {
			it.t.idx = idle
			continue
		}
		it.at = it.t.at
		kept = append(kept, it)
	}
	clear(h.items[len(kept):])
	h.items = kept
	for i := range kept {
		kept[i].t.idx = int32(i)
	}
	for i := (len(kept) - 2) / 4; i >= 0 && len(kept) > 1; i-- {
		h.down(i)
	}
}

// up moves the item at i towards the root and reports whether it moved.
func (h *heap) up(i int) bool {
	it, from := h.items[i], i
	for i > 0 {
		p := (i - 1) / 4
		if !it.before(&h.items[p]) {
			break
		}
		h.items[i] = h.items[p]
		h.items[i].t.idx = int32(i)
		i = p
	}
	h.items[i] = it
	it.t.idx = int32(i)
	return i != from
}

// down moves the item at i towards the leaves.
func (h *heap) down(i int) {
	items := h.items
	it := items[i]
	for {
		first := 4*i + 1
		if first >= len(items) {
			break
		}
		best := first
		for c := first + 1; c < min(first+4, len(items)); c++ {
			if items[c].before(&items[best]) {
				best = c
			}
		}
		if !items[best].before(&it) {
			break
		}
		items[i] = items[best]
		items[i].t.idx = int32(i)
		i = best
	}
	items[i] = it
	it.t.idx = int32(i)
}
