package plan

import (
	"math"
	"math/bits"
)

// Choose returns a number in [0, n). n is at least 1.
type Choose func(n int64) int64

// Seeded derives a Choose from a seed and the words of a line, so that what
// one line draws does not depend on the others.
func Seeded(seed uint64) func(line string) Choose {
	return func(line string) Choose {
		s := fold(mix(seed), line)
		return func(n int64) int64 {
			s += 0x9e3779b97f4a7c15
			hi, _ := bits.Mul64(mix(s), uint64(n))
			return int64(hi)
		}
	}
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fold takes text into a hash: FNV-1a with another start.
func fold(h uint64, text string) uint64 {
	for _, c := range []byte(text) {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return h
}

// marks draws a mark for each name that may be asked for. What is chosen by
// the marks does not change when a name goes that was not chosen (rendezvous
// hashing: Thaler and Ravishankar, 1998).
func (c Choose) marks() func(name string) uint64 {
	salt := uint64(c(math.MaxInt64))
	return func(name string) uint64 { return mix(fold(mix(salt), name)) }
}

// pick chooses one of the names, of which there is one at least.
func (c Choose) pick(names []string) string {
	mark := c.marks()
	best := names[0]
	for _, n := range names[1:] {
		if mark(n) > mark(best) {
			best = n
		}
	}
	return best
}

// some chooses some of the names, and one at least.
func (c Choose) some(names []string) []string {
	sure, mark := c.pick(names), c.marks()
	var out []string
	for _, n := range names {
		if n == sure || mark(n)&1 == 0 {
			out = append(out, n)
		}
	}
	return out
}

// divide puts each of the names into one of k groups, none of which is empty.
// There are k names at least.
func (c Choose) divide(names []string, k int) [][]string {
	out := make([][]string, k)
	in := map[string]int{} // for lookup only
	left := names
	for g := range k {
		n := c.pick(left)
		in[n] = g
		left = without(left, n)
	}
	mark := c.marks()
	for _, n := range names {
		g, sure := in[n]
		if !sure {
			g = int(mark(n) % uint64(k))
		}
		out[g] = append(out[g], n)
	}
	return out
}

// without returns the names but for one.
func without(names []string, name string) []string {
	var out []string
	for _, n := range names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}
