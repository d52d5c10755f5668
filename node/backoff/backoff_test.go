package backoff_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func drawConfig(t *rapid.T) backoff.Config {
	span := rapid.OneOf(
		rapid.Int64Range(1, 100), rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)),
		rapid.Int64Range(math.MaxInt64-5, math.MaxInt64),
	)
	return backoff.Config{
		Base:   time.Duration(span.Draw(t, "base")),
		Max:    time.Duration(span.Draw(t, "max")),
		Factor: rapid.SampledFrom([]int{1, 2, 3, 10, math.MaxInt}).Draw(t, "factor"),
		Jitter: rapid.SampledFrom([]backoff.Jitter{backoff.Equal, backoff.Full}).Draw(t, "jitter"),
	}
}

// The model works in floating point, which has no overflow: the delay before
// chance is base times factor to the power of the failed attempts, up to max.
func TestDelaysGrowByTheFactorUpToTheMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		b := backoff.New(cfg)
		r := source(rapid.Uint64().Draw(t, "seed"))
		base := math.Min(float64(cfg.Base), float64(cfg.Max))
		for n := range rapid.IntRange(1, 80).Draw(t, "attempts") {
			if b.Attempts() != n {
				t.Fatalf("%d attempts, want %d", b.Attempts(), n)
			}
			full := math.Min(base*math.Pow(float64(cfg.Factor), float64(n)), float64(cfg.Max))
			least := 1.0
			if cfg.Jitter == backoff.Equal {
				least = math.Max(1, math.Floor(full/2))
			}
			d := b.Next(r)
			if slack := full * 1e-9; float64(d) < least-slack || float64(d) > full+slack || d <= 0 || d > cfg.Max {
				t.Fatalf("attempt %d waits %d, want %v to %v", n+1, d, least, full)
			}
		}
	})
}

func TestBothEndsOfADelayAreDrawn(t *testing.T) {
	for jitter, least := range map[backoff.Jitter]time.Duration{backoff.Equal: 2, backoff.Full: 1} {
		r := source(1)
		seen := map[time.Duration]bool{}
		for range 200 {
			b := backoff.New(backoff.Config{Base: 4, Max: 4, Jitter: jitter})
			seen[b.Next(r)] = true
		}
		for d := time.Duration(1); d <= 5; d++ {
			if want := d >= least && d <= 4; seen[d] != want {
				t.Errorf("%s jitter of 4 waits %d: %v", jitter, d, seen[d])
			}
		}
	}
}

func TestResetStartsAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		seed := rapid.Uint64().Draw(t, "seed")
		b := backoff.New(cfg)
		for range rapid.IntRange(0, 20).Draw(t, "failures") {
			b.Next(source(0))
		}
		b.Reset()
		fresh := backoff.New(cfg)
		r1, r2 := source(seed), source(seed)
		for range 5 {
			if x, y := b.Next(r1), fresh.Next(r2); x != y {
				t.Fatalf("after Reset it waits %d, a new one %d", x, y)
			}
		}
		if b.Attempts() != 5 {
			t.Fatalf("%d attempts since Reset, want 5", b.Attempts())
		}
	})
}

func TestACopyGoesOnByItself(t *testing.T) {
	a := backoff.New(backoff.Config{})
	b := a
	a.Next(source(1))
	if b.Attempts() != 0 {
		t.Fatal("a copy counts with the original")
	}
}

func TestEveryAttemptDrawsOnce(t *testing.T) {
	b := backoff.New(backoff.Config{Base: time.Second, Max: time.Second})
	counted := &countingSource{src: rand.NewPCG(1, 2)}
	r := rand.New(counted)
	for n := range 50 {
		b.Next(r)
		if counted.n < n+1 || counted.n > n+3 { // more only by rejection
			t.Fatalf("%d numbers drawn in %d attempts", counted.n, n+1)
		}
	}
}

type countingSource struct {
	src rand.Source
	n   int
}

func (c *countingSource) Uint64() uint64 { c.n++; return c.src.Uint64() }

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	want := backoff.Config{Base: 250 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: backoff.Equal}
	if got := (backoff.Config{}).WithDefaults(); got != want {
		t.Fatalf("%+v", got)
	}
	if got := (backoff.Config{Max: time.Millisecond}).WithDefaults(); got.Base != time.Millisecond {
		t.Fatalf("a base above the maximum stays %v", got.Base)
	}
}

func TestConfigurationsWithoutSenseAreRefused(t *testing.T) {
	for name, cfg := range map[string]backoff.Config{
		"a negative base":          {Base: -1},
		"a negative maximum":       {Max: -1},
		"a negative factor":        {Factor: -1},
		"a base above the maximum": {Base: 2, Max: 1},
		"an unknown jitter":        {Jitter: 9},
	} {
		if err := cfg.Validate(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New with a negative factor did not panic")
		}
	}()
	backoff.New(backoff.Config{Factor: -1})
}

func TestJittersHaveNames(t *testing.T) {
	if backoff.Equal.String() != "equal" || backoff.Full.String() != "full" || backoff.Jitter(7).String() != "unknown jitter" {
		t.Error("a jitter has another name")
	}
}
