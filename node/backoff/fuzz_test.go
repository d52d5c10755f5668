package backoff_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
)

// FuzzValidate demands that every configuration which is taken gives delays of
// more than nothing and at most its limit, however often it is asked.
func FuzzValidate(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 2, int64(time.Second), int64(time.Hour), 1<<63 - 1, -1 << 63} {
		f.Add(n, int64(0), int64(0), uint8(0))
		f.Add(n, n, n, uint8(1))
		f.Add(int64(1), int64(1<<63-1), n, uint8(2))
	}
	f.Fuzz(func(t *testing.T, base, most, factor int64, jitter uint8) {
		cfg := backoff.Config{Base: time.Duration(base), Max: time.Duration(most), Factor: int(factor), Jitter: backoff.Jitter(jitter)}
		if err := cfg.Validate(); err != nil {
			if !errors.Is(err, fault.Invalid) || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
				t.Fatalf("%q", err.Error())
			}
			if base >= 0 && most >= 0 && factor >= 0 && (most == 0 || base <= most) && jitter <= uint8(backoff.Full) {
				t.Fatalf("%+v is refused: %v", cfg, err)
			}
			return
		}
		b, r := backoff.New(cfg), rand.New(rand.NewPCG(1, 2))
		limit := cfg.WithDefaults().Max
		for i := range 100 {
			if d := b.Next(r); d <= 0 || d > limit || b.Attempts() != i+1 {
				t.Fatalf("%+v: delay %d is %v, the limit is %v", cfg, i+1, d, limit)
			}
		}
	})
}
