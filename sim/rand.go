package sim

import (
	"math/bits"
	"math/rand/v2"
)

// splitmix is the generator of every random decision: Steele, Lea and Flood,
// "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Its stream
// does not depend on the version of Go.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return mix(uint64(*s))
}

// below returns a number in [0, n). Its bias of n/2^32 does not matter here.
func (s *splitmix) below(n int) int {
	return int(s.next() >> 32 * uint64(n) >> 32)
}

// mix is the finalizer of splitmix: a bijection in which every bit of the
// input changes half of the output.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// derive returns the seed of what is called label under seed.
func derive(seed uint64, label string) uint64 {
	return mix(mix(seed+0x9e3779b97f4a7c15) ^ hashString(label))
}

// hashString is FNV-1a with a final mix.
func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h)
}

// stream is one random stream, the source of a *rand.Rand.
type stream struct {
	w   *World
	m   *Machine // nil for the world's own
	id  uint64
	rng splitmix
}

func newStream(w *World, m *Machine, seed uint64) *rand.Rand {
	return rand.New(&stream{w: w, m: m, id: seed, rng: splitmix(seed)})
}

// Uint64 implements rand.Source. A dying task gets numbers, but moves nothing
// on by them.
func (s *stream) Uint64() uint64 {
	if s.w.deaf() {
		return mix(bits.ReverseBytes64(uint64(s.rng)))
	}
	v := s.rng.next()
	s.w.fold(KindRand, s.m, s.id, v)
	return v
}
