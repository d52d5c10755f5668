package sim

import (
	"cmp"
	"slices"
)

// Buggify says how often code that asks rt.Buggify is to do something rare.
// Both ratios are in parts per million; with either one zero it never is, and
// asking changes nothing in the run.
type Buggify struct {
	// Active is the share of points that can fire in a world. Most at once
	// would hide what only one of them shows; FoundationDB has 250,000.
	Active int
	// Fire is the share of passes of such a point in which it does;
	// FoundationDB has 250,000 too.
	Fire int
}

// on reports whether any point can fire.
func (b Buggify) on() bool { return b.Active > 0 && b.Fire > 0 }

// BuggifyPoint is what became of a point in a world.
type BuggifyPoint struct {
	Name   string
	Active bool   // whether it could fire
	Passes uint64 // how often it was asked
	Fired  uint64 // how often it fired
}

// Buggify implements rt.Buggifier. Whether a point is active derives from the
// world's seed and its name, and whether it fires is drawn from a stream of
// the machine and the point. Each firing is in the trace and the hash as the
// note "buggify" with the point's name.
func (m *Machine) Buggify(point string) bool {
	w := m.w
	if !w.cfg.Buggify.on() || !m.up || w.deaf() {
		return false
	}
	p := w.buggify[point]
	if p == nil {
		rng := splitmix(derive(w.cfg.Seed, "buggify/"+point))
		p = &BuggifyPoint{Name: point, Active: rng.below(million) < w.cfg.Buggify.Active}
		w.buggify[point] = p
		w.buggifyPoints = append(w.buggifyPoints, p)
	}
	p.Passes++
	if !p.Active {
		return false
	}
	rng := m.buggify[point]
	if rng == nil {
		s := splitmix(derive(derive(w.cfg.Seed, "machine/"+m.name), "buggify/"+point))
		rng = &s
		m.buggify[point] = rng
	}
	if rng.below(million) >= w.cfg.Buggify.Fire {
		return false
	}
	p.Fired++
	w.foldText(KindNote, m, "buggify "+point)
	return true
}

// Buggified returns the points that were asked so far, by name. Without
// Config.Buggify there are none.
func (w *World) Buggified() []BuggifyPoint {
	var all []BuggifyPoint
	for _, p := range w.buggifyPoints {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b BuggifyPoint) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
