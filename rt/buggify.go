package rt

// Buggifier is what a runtime implements to let code do rare things on
// purpose. The simulator has it.
type Buggifier interface {
	// Buggify is what the function of that name asks. It never blocks.
	Buggify(point string) bool
}

// Buggify reports whether the caller is to do something here that is within
// its contract but seldom happens: wait for a moment, give up early, do
// without what it has. It never blocks and is always false in production.
//
// point names the place: "pool: publish late". It has to be the same at every
// call and unique in the program, and what depends on it must keep every
// promise that the code makes. The idea and the name are FoundationDB's: see
// Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value
// Store", SIGMOD 2021, section 4.
func Buggify(r Runtime, point string) bool {
	b, ok := r.(Buggifier)
	return ok && b.Buggify(point)
}
