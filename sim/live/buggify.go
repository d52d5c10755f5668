package live

import (
	"cmp"
	"slices"

	"github.com/maculamesh/macula/sim"
)

// SetBuggify says how often code that asks rt.Buggify is to do something rare
// from now on. Zero is never.
func (w *World) SetBuggify(b sim.Buggify) { w.buggify = b }

// Buggify implements rt.Buggifier. Which points can fire derives from the seed.
func (m *Machine) Buggify(point string) bool {
	w := m.w
	if w.buggify.Active <= 0 || w.buggify.Fire <= 0 || !m.up || w.deaf() {
		return false
	}
	p := w.points[point]
	if p == nil {
		p = &sim.BuggifyPoint{Name: point, Active: w.stream("buggify/"+point).IntN(1_000_000) < w.buggify.Active}
		w.points[point] = p
	}
	p.Passes++
	if !p.Active || m.Rand("buggify/"+point).IntN(1_000_000) >= w.buggify.Fire {
		return false
	}
	p.Fired++
	w.Note(sim.KindNote, m, "buggify "+point)
	return true
}

// Buggified returns the points that were asked so far, by name.
func (w *World) Buggified() []sim.BuggifyPoint {
	var all []sim.BuggifyPoint
	for _, p := range w.points {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b sim.BuggifyPoint) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
