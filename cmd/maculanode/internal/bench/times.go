package bench

import (
	"math/bits"
	"time"
)

// times counts durations in buckets that are at most 1/16 of their value wide,
// so a quantile is known to 6 %.
type times struct {
	counts [buckets]uint32
	n      uint64
}

const (
	parts   = 16 // of each power of two
	buckets = 40 * parts
)

// bucket is the index for a duration.
func bucket(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < parts {
		return int(n)
	}
	shift := bits.Len64(n) - 5 // n >> shift is in [16, 32)
	return min(shift*parts+int(n>>shift), buckets-1)
}

// value is the middle of a bucket.
func value(i int) time.Duration {
	if i < 2*parts {
		return time.Duration(i)
	}
	shift := i/parts - 1
	low := time.Duration(parts+i%parts) << shift
	return low + time.Duration(1)<<shift/2
}

func (t *times) observe(d time.Duration) {
	t.counts[bucket(d)]++
	t.n++
}

func (t *times) add(o *times) {
	for i, c := range o.counts {
		t.counts[i] += c
	}
	t.n += o.n
}

// quantile is in microseconds, 0 without any.
func (t *times) quantile(q float64) float64 {
	if t.n == 0 {
		return 0
	}
	rank := min(uint64(q*float64(t.n)), t.n-1)
	for i, c := range t.counts {
		if rank < uint64(c) {
			return float64(value(i).Nanoseconds()) / 1000
		}
		rank -= uint64(c)
	}
	return 0
}
