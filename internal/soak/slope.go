package main

import (
	"math"
	"slices"
)

// slope is by how much a series grows in a second, with the limits between
// which the true slope is in all but one of a thousand series.
type slope struct {
	PerSecond float64 `json:"per_second"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Points    int     `json:"points"` // that it was taken from; 0: too few
}

// Samples that follow each other are not independent: a client that is there
// now will be there in two seconds. So a series is cut into blocks, and each
// block counts as one point, its median.
const (
	blocks    = 40   // at most: the limits come from the ranks of 780 pairs then
	fewest    = 8    // points below which nothing is said
	blockTime = 4.0  // seconds of a block, at least
	quantile  = 3.29 // of the normal distribution, 99.9 % between both sides: a run has eight such limits
)

// point is one value of a series.
type point struct{ at, value float64 }

// slopeOf is the estimate of Theil and Sen, the median of the slopes of all
// pairs of points: up to a quarter of the points may be outliers. Its limits
// are those of Sen, from Kendall's distribution of the ranks.
func slopeOf(series []point) slope {
	p := medians(series)
	n := len(p)
	if n < fewest {
		return slope{Points: 0}
	}
	var all []float64
	for i := range p {
		for j := range i {
			if dt := p[i].at - p[j].at; dt > 0 {
				all = append(all, (p[i].value-p[j].value)/dt)
			}
		}
	}
	slices.Sort(all)
	spread := quantile * math.Sqrt(float64(n*(n-1)*(2*n+5))/18)
	low := int((float64(len(all)) - spread) / 2)
	high := len(all) - 1 - low
	low, high = max(low, 0), min(max(high, 0), len(all)-1)
	return slope{PerSecond: middle(all), Low: all[low], High: all[high], Points: n}
}

// medians cuts a series into blocks of the same length of time.
func medians(series []point) []point {
	if len(series) == 0 {
		return nil
	}
	first, last := series[0].at, series[len(series)-1].at
	width := max(blockTime, (last-first)/blocks)
	var out []point
	for i := 0; i < len(series); {
		j := i
		var values, times []float64
		for ; j < len(series) && series[j].at < series[i].at+width; j++ {
			values = append(values, series[j].value)
			times = append(times, series[j].at)
		}
		slices.Sort(values)
		out = append(out, point{middle(times), middle(values)})
		i = j
	}
	return out
}

// middle is the median of what is sorted.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}

// medianOf is the median of values in any order.
func medianOf(values []float64) float64 {
	v := slices.Clone(values)
	slices.Sort(v)
	return middle(v)
}
