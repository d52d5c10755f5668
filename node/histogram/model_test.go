package histogram_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/histogram"
)

// The model keeps every duration and counts anew.
func TestAHistogramCountsAsItsModel(t *testing.T) {
	bounds := histogram.Bounds()
	near := rapid.Custom(func(t *rapid.T) time.Duration {
		b := rapid.SampledFrom(bounds[:]).Draw(t, "bound")
		return b + time.Duration(rapid.IntRange(-1, 1).Draw(t, "off"))
	})
	anything := rapid.Map(rapid.Int64Range(-1<<40, 1<<50), func(n int64) time.Duration { return time.Duration(n) })
	rapid.Check(t, func(t *rapid.T) {
		var h histogram.Histogram
		var seen []time.Duration
		t.Repeat(map[string]func(*rapid.T){
			"observe": func(t *rapid.T) {
				d := rapid.OneOf(near, anything).Draw(t, "d")
				h.Observe(d)
				seen = append(seen, max(d, 0))
			},
			"": func(t *rapid.T) {
				var want histogram.Snapshot
				for _, d := range seen {
					i := slices.IndexFunc(bounds[:], func(b time.Duration) bool { return d <= b })
					if i < 0 {
						i = histogram.Buckets
					}
					want.Counts[i]++
					want.Sum += d
				}
				got := h.Snapshot()
				if got != want || got.Count() != uint64(len(seen)) {
					t.Fatalf("%+v, want %+v", got, want)
				}
			},
		})
	})
}
