package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAQuantileIsKnownToSixPercent(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15, 16, 31, 32, 33, 999, 50 * time.Microsecond, 7 * time.Millisecond, time.Second, 10 * time.Minute} {
		got := value(bucket(d))
		if diff := (got - d).Abs(); float64(diff) > 0.0626*float64(d) {
			t.Errorf("%v is counted as %v", d, got)
		}
	}
	var a, b times
	for i := range 100 {
		a.observe(time.Duration(i) * time.Millisecond)
	}
	b.add(&a)
	if p := b.quantile(0.5) / 1000; p < 47 || p > 54 {
		t.Errorf("p50 of 0 to 99 ms is %v ms", p)
	}
	if p := b.quantile(0.99) / 1000; p < 93 || p > 106 {
		t.Errorf("p99 of 0 to 99 ms is %v ms", p)
	}
	if p := (&times{}).quantile(0.5); p != 0 {
		t.Errorf("p50 of nothing is %v", p)
	}
}

func TestBothSidesAreMeasuredAndNothingIsLeftBehind(t *testing.T) {
	target, err := Own(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	var rows []Row
	cfg := Config{Bodies: []int{64, 1024}, Callers: []int{1, 8}, For: MinTime}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), cfg, target, func(r Row) { rows = append(rows, r) }); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Calls == 0 || r.Failed != 0 || r.Rate <= 0 || r.Raw <= 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Share != r.Rate/r.Raw {
			t.Errorf("%+v", r)
		}
	}
}

func TestACallerThatFailsStopsAndIsCounted(t *testing.T) {
	var calls atomic.Int64
	broken := &Target{Call: func(context.Context, []byte) error {
		if calls.Add(1) > 1e6 {
			t.Error("it is called for ever")
		}
		return errors.New("broken")
	}}
	var row Row
	if err := Run(t.Context(), Config{Bodies: []int{1}, Callers: []int{3}, For: MinTime}, broken, func(r Row) { row = r }); err != nil {
		t.Fatal(err)
	}
	if row.Calls != 0 || row.Failed != 3 || row.Error != "broken" || row.Rate != 0 {
		t.Errorf("%+v", row)
	}
}

func TestNumbersThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []Config{
		{Bodies: []int{-1}, For: time.Second}, {Bodies: []int{MaxBody + 1}, For: time.Second},
		{Callers: []int{0}, For: time.Second}, {Callers: []int{MaxCallers + 1}, For: time.Second}, {For: time.Millisecond}, {For: time.Hour},
	} {
		if c.Check() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
