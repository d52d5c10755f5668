package rands

import (
	crand "crypto/rand"
	"hash/maphash"
	oldrand "math/rand"
	"math/rand/v2"
)

func draw() {
	_ = rand.IntN(3)       // want `use rt.Runtime.Rand \[rand\]`
	_ = rand.N(3)          // want `use rt.Runtime.Rand \[rand\]`
	rand.Shuffle(1, nil)   // want `use rt.Runtime.Rand \[rand\]`
	_ = oldrand.Intn(3)    // want `math/rand.Intn .* use rt.Runtime.Rand \[rand\]`
	_, _ = crand.Read(nil) // want `crypto/rand.Read .* take an io.Reader.*\[rand\]`
	_ = crand.Reader       // want `crypto/rand.Reader`
	_ = maphash.MakeSeed() // want `use a fixed hash such as hash/fnv \[rand\]`
}

func fine(r *rand.Rand) int {
	own := rand.New(rand.NewPCG(1, 2))
	return own.IntN(3) + r.IntN(4)
}
