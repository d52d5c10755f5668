// Package properties holds whole meshes to what must always hold: its tests
// draw a mesh, its limits, its work and its faults, play it, and shrink what
// fails to a plan that simrun replays.
//
// The package itself is tables, from which docs/PROPERTIES.md is made: the
// standing properties and who looks at them, the invariants and the properties
// that stand for them, and the components that have a suite against a plain
// model.
package properties
