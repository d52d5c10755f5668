package histogram_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/histogram"
)

// where is the index of the bucket in which d was counted.
func where(t *testing.T, d time.Duration) int {
	t.Helper()
	var h histogram.Histogram
	h.Observe(d)
	s := h.Snapshot()
	if s.Count() != 1 {
		t.Fatalf("%v counts as %d", d, s.Count())
	}
	for i, n := range s.Counts {
		if n == 1 {
			return i
		}
	}
	return -1
}

func TestADurationIsInTheFirstBucketWhoseBoundIsNotBelowIt(t *testing.T) {
	bounds := histogram.Bounds()
	check := func(d time.Duration) {
		t.Helper()
		want := 0
		for want < len(bounds) && bounds[want] < d {
			want++
		}
		if got := where(t, d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
	for _, b := range bounds {
		check(b - 1)
		check(b)
		check(b + 1)
	}
	check(1 << 62)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		check(time.Duration(rnd.Int64N(1 << (1 + rnd.IntN(62)))))
	}
}

func TestTheBoundsGrowFromAMomentToTheLongestCall(t *testing.T) {
	bounds := histogram.Bounds()
	for i := 1; i < len(bounds); i++ {
		if bounds[i] <= bounds[i-1] {
			t.Errorf("bound %d is %v, the one before it %v", i, bounds[i], bounds[i-1])
		}
	}
	if bounds[0] > 100*time.Microsecond || bounds[len(bounds)-1] < 5*time.Minute {
		t.Errorf("the bounds reach from %v to %v", bounds[0], bounds[len(bounds)-1])
	}
}

func TestASnapshotHoldsTheSumAndNothingNegative(t *testing.T) {
	var h histogram.Histogram
	h.Observe(time.Second)
	h.Observe(-time.Hour)
	h.Observe(2 * time.Second)
	s := h.Snapshot()
	h.Observe(time.Minute)
	if s.Sum != 3*time.Second || s.Count() != 3 || s.Counts[0] != 1 {
		t.Errorf("%+v", s)
	}
}
