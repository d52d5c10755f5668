// Package mono is the shape of macula's package mono.
package mono

type Time int64

func (t Time) Before(u Time) bool { return t < u }
