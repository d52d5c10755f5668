package mono_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
)

func TestAddSaturatesWhereTheSumHasNoPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		far := rapid.OneOf(rapid.Int64(), rapid.Int64Range(math.MaxInt64-9, math.MaxInt64), rapid.Int64Range(math.MinInt64, math.MinInt64+9))
		a := far.Draw(t, "t")
		d := far.Draw(t, "d")
		got := mono.Time(a).Add(time.Duration(d))
		if a == 0 {
			if got != 0 {
				t.Fatalf("never plus %d is %d", d, got)
			}
			return
		}
		sum := new(big.Int).Add(big.NewInt(a), big.NewInt(d))
		want := int64(0)
		switch {
		case sum.IsInt64():
			want = sum.Int64()
		case sum.Sign() > 0:
			want = math.MaxInt64
		default:
			want = math.MinInt64
		}
		if int64(got) != want {
			t.Fatalf("%d plus %d is %d, want %d", a, d, got, want)
		}
	})
}

func TestSubIsTheInverseOfAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := mono.Time(rapid.Int64Range(1, 1<<60).Draw(t, "t"))
		d := time.Duration(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "d"))
		if b := a.Add(d); b.Sub(a) != d || b.Before(a) != (d < 0) || b.After(a) != (d > 0) {
			t.Fatalf("%d plus %d is %d, and the difference %d", a, d, b, b.Sub(a))
		}
	})
}

func TestADeadlineIsReachedInItsVeryInstant(t *testing.T) {
	for _, c := range []struct {
		deadline, now mono.Time
		want          bool
	}{{10, 9, false}, {10, 10, true}, {10, 11, true}, {0, math.MaxInt64, false}, {math.MaxInt64, math.MaxInt64, true}} {
		if got := c.deadline.Reached(c.now); got != c.want {
			t.Errorf("deadline %d at %d: %v", c.deadline, c.now, got)
		}
	}
}

func TestNeverIsLaterThanEveryDeadline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := mono.Time(rapid.Int64Range(0, 4).Draw(t, "a"))
		b := mono.Time(rapid.Int64Range(0, 4).Draw(t, "b"))
		got := mono.Earliest(a, b)
		if got != mono.Earliest(b, a) {
			t.Fatal("the order counts")
		}
		for _, x := range []mono.Time{a, b} {
			if !x.IsZero() && (got.IsZero() || x.Before(got)) {
				t.Fatalf("the earliest of %d and %d is %d", a, b, got)
			}
		}
		if got != a && got != b {
			t.Fatalf("the earliest of %d and %d is %d", a, b, got)
		}
	})
}
