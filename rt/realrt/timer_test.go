package realrt

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
)

// The clock may have started the goroutine that calls fire just before the
// timer was stopped or reset. These tests call it themselves at that moment.

func TestAFireThatStopOvertookDoesNothing(t *testing.T) {
	r := New(Config{})
	tm := r.AfterFunc(time.Hour, func() { t.Error("fired after Stop") }).(*timer)
	if !tm.Stop() {
		t.Error("Stop is false")
	}
	tm.fire()
	if r.Timers() != 0 || r.Tasks() != 0 {
		t.Errorf("left: %d timers, %d tasks", r.Timers(), r.Tasks())
	}
}

func TestAFireThatResetOvertookDoesNothing(t *testing.T) {
	r := New(Config{})
	tm := r.AfterFunc(time.Millisecond, func() { t.Error("fired before its time") }).(*timer)
	tm.Reset(time.Hour)
	tm.fire()
	if !tm.Stop() {
		t.Error("the timer is not pending any more")
	}
}

func TestAResetWhoseFireCameEarlyStillFires(t *testing.T) {
	mock := clock.NewMock()
	r := New(Config{Clock: mock})
	k := r.NewParker()
	tm := r.AfterFunc(time.Second, k.Unpark).(*timer)
	tm.under.Stop() // as the Mock does when it has begun to fire
	tm.fire()
	mock.Add(time.Second)
	if err := k.Park(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTaskNamesWithoutTasksAreBounded(t *testing.T) {
	r := New(Config{})
	for i := range 4 * keptNames {
		r.tasks.end(r.tasks.begin(fmt.Sprint("dial ", i)))
	}
	if n := len(r.tasks.byName); n > keptNames {
		t.Errorf("%d names are kept, want at most %d", n, keptNames)
	}
	if len(r.TaskNames()) != 0 || r.Tasks() != 0 {
		t.Errorf("left: %d tasks %v", r.Tasks(), r.TaskNames())
	}
}
