package realrt_test

import (
	"context"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/rt/rttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world drives the suite with goroutines.
type world struct {
	*realrt.Runtime
	t *testing.T
}

func newWorld(t *testing.T) rttest.World {
	return world{realrt.New(realrt.Config{}), t}
}

// Run waits for every task, not only for f, and demands that nothing is left
// of what the runtime counts.
func (w world) Run(f func()) {
	w.Go("main", f)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if w.Runtime.Wait(ctx) != nil {
		w.t.Errorf("tasks do not end: %v", w.TaskNames())
	}
	wantNothingLeft(w.t, w.Runtime)
}

func wantNothingLeft(t *testing.T, r *realrt.Runtime) {
	t.Helper()
	if r.Tasks() != 0 || r.Timers() != 0 || r.Hooks() != 0 {
		t.Errorf("left: tasks %v, %d timers, %d hooks", r.TaskNames(), r.Timers(), r.Hooks())
	}
}

func TestConformsOnTheSystemClock(t *testing.T) { rttest.Run(t, newWorld) }

// mockWorld drives the suite with goroutines on a clock that is moved by hand.
type mockWorld struct {
	world
	mock *clock.Mock
}

// Run moves the time on, a millisecond at a time, until every task has ended.
func (w mockWorld) Run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.world.Run(f)
	}()
	for {
		select {
		case <-done:
			return
		default:
			w.mock.Add(time.Millisecond)
		}
	}
}

func TestConformsOnAMockClock(t *testing.T) {
	rttest.Run(t, func(t *testing.T) rttest.World {
		mock := clock.NewMock()
		return mockWorld{world{realrt.New(realrt.Config{Clock: mock}), t}, mock}
	})
}
