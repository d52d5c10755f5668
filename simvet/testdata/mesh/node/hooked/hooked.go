// Package hooked has a variable that only its tests write. With the tests it
// is state, and without them nothing shows: no want can say both.
package hooked

var hook = func() {}

func run() { hook() }
