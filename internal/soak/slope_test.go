package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// made is a series of n samples, two seconds apart, that grows by so much a
// second, with noise that lasts: each deviation is mostly the one before.
func made(seed uint64, n int, perSecond, noise, memory float64) []point {
	r := rand.New(rand.NewPCG(seed, 1))
	var out []point
	dev := 0.0
	for i := range n {
		dev = memory*dev + math.Sqrt(1-memory*memory)*r.NormFloat64()*noise
		out = append(out, point{float64(2 * i), 4<<20 + perSecond*float64(2*i) + dev})
	}
	return out
}

func TestASlopeIsFoundAmongNoise(t *testing.T) {
	for _, want := range []float64{-3000, 0, 1024, 5000} {
		s := slopeOf(made(1, 600, want, 200<<10, 0.8))
		if s.Low > want || s.High < want || math.Abs(s.PerSecond-want) > 300 || s.Points < 30 {
			t.Errorf("%v a second: found %+v", want, s)
		}
	}
}

// The limits are those of 99.9 %: of 200 flat series none or one is outside.
// Noise that lasts as long as this one does would put dozens there if samples
// were not put together in blocks.
func TestTheLimitsHoldInAllButFewSeries(t *testing.T) {
	outside := 0
	for seed := range uint64(200) {
		if s := slopeOf(made(seed, 600, 0, 200<<10, 0.8)); s.Low > 0 || s.High < 0 {
			outside++
		}
	}
	if outside > 2 {
		t.Errorf("the true slope is outside of the limits in %d of 200 series", outside)
	}
}

func TestAFewOutliersDoNotMakeASlope(t *testing.T) {
	p := made(1, 600, 0, 10<<10, 0)
	for i := 500; i < 600; i += 6 {
		p[i].value += 100 << 20
	}
	if s := slopeOf(p); math.Abs(s.PerSecond) > 50 {
		t.Errorf("with peaks at the end: %+v", s)
	}
}

func TestNothingIsSaidOfTooFewSamples(t *testing.T) {
	for _, p := range [][]point{nil, {{1, 1}}, made(1, 7, 0, 1, 0)} {
		if s := slopeOf(p); s.Points != 0 {
			t.Errorf("%d samples: %+v", len(p), s)
		}
	}
	same := make([]point, 50)
	if s := slopeOf(same); s.Points != 0 {
		t.Errorf("50 samples of one moment: %+v", s)
	}
}

func TestASeriesThatDoesNotMoveHasNoSlope(t *testing.T) {
	var p []point
	for i := range 100 {
		p = append(p, point{float64(i), 12})
	}
	if s := slopeOf(p); s.PerSecond != 0 || s.Low != 0 || s.High != 0 || s.Points == 0 {
		t.Errorf("%+v", s)
	}
}

func TestMedians(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := medianOf(c.in); got != c.want {
			t.Errorf("median of %v: %v", c.in, got)
		}
	}
}
