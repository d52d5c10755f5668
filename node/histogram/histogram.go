// Package histogram counts durations in fixed buckets, for a metric from which
// somebody else works out quantiles.
package histogram

import (
	"math/bits"
	"time"
)

// Buckets is how many buckets with an upper bound there are. Beyond the last
// bound there is one more.
const Buckets = 24

// first is the upper bound of the first bucket; each is twice as wide as the
// one before, so that a quantile is known to a factor of two from the answer
// of a local service up to the longest deadline that a call can have.
const first = 50 * time.Microsecond

// bounds are the upper bounds, from 50 µs to 7 min.
var bounds = func() (b [Buckets]time.Duration) {
	for i := range b {
		b[i] = first << i
	}
	return b
}()

// Bounds returns the upper bounds of the buckets, the shortest first. A
// duration that is equal to a bound is below it.
func Bounds() [Buckets]time.Duration { return bounds }

// Histogram counts durations. It is a value of fixed size and never
// allocates. Not safe for concurrent use: its owner guards it with the lock
// that guards what is measured.
type Histogram struct {
	counts [Buckets + 1]uint64
	sum    time.Duration
}

// Snapshot is what was counted up to a moment.
type Snapshot struct {
	Counts [Buckets + 1]uint64 // per bucket; the last one holds what is over every bound
	Sum    time.Duration
}

// Observe counts one duration, in constant time. A negative one counts as
// zero.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.sum += d
}

// bucket is the index of the first bucket whose bound is not below d.
func bucket(d time.Duration) int {
	if d <= first {
		return 0
	}
	return min(bits.Len64(uint64((d-1)/first)), Buckets)
}

// Snapshot returns the counts so far.
func (h *Histogram) Snapshot() Snapshot { return Snapshot{Counts: h.counts, Sum: h.sum} }

// Count is how many durations were counted.
func (s *Snapshot) Count() (n uint64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}
