package backoff_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/backoff"
)

func TestARateAllowsNoMoreInAnySecond(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rnd.IntN(8)
		r := backoff.NewRate(n, time.Second)
		var taken []mono.Time
		now := mono.Time(1)
		for range 2000 {
			now = now.Add(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
			wait := r.Take(now)
			recent := 0
			for _, at := range taken {
				if now.Sub(at) < time.Second {
					recent++
				}
			}
			switch {
			case wait == 0 && recent >= n:
				t.Fatalf("seed %d: %d events in a second, %d are allowed", seed, recent+1, n)
			case wait != 0 && recent < n:
				t.Fatalf("seed %d: refused with %d of %d events in the last second", seed, recent, n)
			case wait != 0 && now.Add(wait).Sub(taken[len(taken)-n]) != time.Second:
				t.Fatalf("seed %d: the wait %v is not until the oldest event is a second old", seed, wait)
			case wait == 0:
				taken = append(taken, now)
			}
		}
	}
}

func TestARateOfNothingAllowsOne(t *testing.T) {
	r := backoff.NewRate(0, time.Second)
	if r.Take(1) != 0 || r.Take(1) != time.Second {
		t.Error("want one event a second")
	}
}
