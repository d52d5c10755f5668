// Package leaf imports no rt, so its maps are bounded by who holds it.
package leaf

type LRU struct {
	index map[string]int
}
