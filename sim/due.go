package sim

import "slices"

// timerPicker is what a Strategy implements to choose between timers that are
// due, beyond what their ties say.
type timerPicker interface {
	// pickTimer returns which of n timers fires, in the order in which they
	// would otherwise. n is at least one.
	pickTimer(n int) int
}

// takeDue takes the timer out of the heap that fires now.
func (w *World) takeDue() *timer {
	if w.timers == nil {
		return w.heap.remove(0)
	}
	all := w.heap.until(w.now)
	return w.heap.remove(int(all[w.timers.pickTimer(len(all))].t.idx))
}

// until returns the timers up to some time in the order in which they fire,
// without those of machines that stand still.
func (h *heap) until(at int64) []heapItem {
	var due []heapItem
	var visit func(i int)
	visit = func(i int) {
		if i >= len(h.items) || h.items[i].at > at {
			return
		}
		if m := h.items[i].t.m; m == nil || !m.paused {
			due = append(due, h.items[i])
		}
		for c := range 4 {
			visit(4*i + 1 + c)
		}
	}
	visit(0)
	slices.SortFunc(due, func(a, b heapItem) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	return due
}
