package realrt_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
)

// A lease is one component without a transport, tested by moving the time by
// hand.
func Example() {
	mock := clock.NewMock()
	r := realrt.New(realrt.Config{Clock: mock})
	expired := rt.NewEvent(r)
	lease := r.AfterFunc(10*time.Second, expired.Fire)

	mock.Add(9 * time.Second)
	fmt.Println("after 9 s:", expired.Fired())
	lease.Reset(10 * time.Second) // renewed
	mock.Add(9 * time.Second)
	fmt.Println("after 9 s more:", expired.Fired())
	mock.Add(time.Second)
	expired.Wait(context.Background())
	fmt.Println("after another:", expired.Fired())
	// Output:
	// after 9 s: false
	// after 9 s more: false
	// after another: true
}

func TestNowFollowsTheMockButNeverBack(t *testing.T) {
	mock := clock.NewMock()
	r := realrt.New(realrt.Config{Clock: mock})
	want := func(d time.Duration) {
		t.Helper()
		if got := r.Now(); got != mono.Time(d)+1 {
			t.Errorf("Now is %d, want %v and a nanosecond", got, d)
		}
	}
	want(0)
	mock.Add(time.Minute)
	want(time.Minute)
	mock.Set(mock.Now().Add(-30 * time.Second))
	want(time.Minute)
	if !r.Wall().Equal(time.Unix(30, 0)) {
		t.Errorf("Wall is %v, want the mock's", r.Wall())
	}
	mock.Add(time.Minute)
	want(90 * time.Second)
}

func TestATimeoutElapsesOnTheMock(t *testing.T) {
	mock := clock.NewMock()
	r := realrt.New(realrt.Config{Clock: mock})
	ctx, cancel := r.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mock.Add(time.Minute - 1)
	if left, ok := rt.Remaining(r, ctx); left != 1 || !ok || ctx.Err() != nil {
		t.Errorf("a nanosecond before: Remaining %v, %v, Err %v", left, ok, ctx.Err())
	}
	mock.Add(1)
	if err := r.NewParker().Park(ctx); err != context.DeadlineExceeded {
		t.Errorf("Park: %v", err)
	}
}

func TestATimerInThePastNeedsNoMoveOfTheMock(t *testing.T) {
	r := realrt.New(realrt.Config{Clock: clock.NewMock()})
	k := r.NewParker()
	r.AfterFunc(-1, k.Unpark)
	if err := k.Park(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRandFollowsTheSeed(t *testing.T) {
	first := func(seed uint64, purpose string) uint64 {
		return realrt.New(realrt.Config{Seed: seed}).Rand(purpose).Uint64()
	}
	if first(7, "a") != first(7, "a") {
		t.Error("one seed gave two streams")
	}
	if first(7, "a") == first(8, "a") {
		t.Error("two seeds gave one stream")
	}
	if first(0, "a") == first(0, "a") {
		t.Error("two runtimes seeded by the system gave one stream")
	}
}
