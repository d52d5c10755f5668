package tables

import "example.test/mesh/rt"

type peers map[string]int

type T struct {
	mu rt.Mutex

	// bound: the admission limit
	admitted map[string]int
	seen     map[string]bool // bound: 1,024, oldest first out
	known    map[string]bool // by name; bound: the configuration

	waiting map[string]int   // want `a map field needs a written bound, .* use node/bounded \[boundedmap\]`
	byTopic []map[string]int // want `a map field needs a written bound`
	all     peers            // want `a map field needs a written bound`
	shared  *peers           // want `a map field needs a written bound`

	// bound:
	unsaid map[string]int // want `a map field needs a written bound`

	next  *T
	names []string
	find  func(map[string]int) int
}

func fine() int {
	local := map[string]int{}
	return len(local)
}
