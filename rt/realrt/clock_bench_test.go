package realrt_test

import (
	"context"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/maculamesh/macula/rt/realrt"
)

// One timer is armed, fires and wakes a task that waits for it, on a
// clock.Mock that is moved by hand. BenchmarkTimerInSimulation of package sim
// does the same in a world; docs/decisions/002-the-clock.md has both figures.
func BenchmarkTimerOnTheMock(b *testing.B) {
	mock := clock.NewMock()
	r := realrt.New(realrt.Config{Clock: mock})
	k := r.NewParker()
	for b.Loop() {
		r.AfterFunc(time.Second, k.Unpark)
		mock.Add(time.Second)
		if err := k.Park(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
