package daemon

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestAGoroutineOfOursThatIsLeftIsFoundWithItsStack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if got := strays(ctx); len(got) != 0 {
		t.Fatalf("before anything was left: %q", got)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go leftBehind(stop, ended)
	got := search()
	for end := time.Now().Add(20 * time.Second); len(got) == 0 && time.Now().Before(end); got = search() {
		time.Sleep(time.Millisecond)
	}
	if len(got) != 1 || !strings.Contains(got[0], "left_test.go") {
		t.Errorf("got %q", got)
	}
	close(stop)
	<-ended
	if got := strays(ctx); len(got) != 0 {
		t.Errorf("after it has ended: %q", got)
	}
}

func leftBehind(stop, ended chan struct{}) {
	<-stop
	close(ended)
}

func TestOnlyAbandonedHandlersAreForgiven(t *testing.T) {
	for _, c := range []struct {
		name  string
		left  Closed
		clean bool
	}{
		{"nothing", Closed{}, true},
		{"a lease", Closed{Leftovers: Leftovers{Leases: 1}}, false},
		{"a connection", Closed{Leftovers: Leftovers{Conns: 1, Abandoned: 1}}, false},
		{"a stream", Closed{Leftovers: Leftovers{Streams: 1, Abandoned: 1}}, false},
		{"a task of a group", Closed{Leftovers: Leftovers{Tasks: 1, Abandoned: 1}}, false},
		{"a goroutine", Closed{Goroutines: 1}, false},
		{"a timer", Closed{Timers: 1}, false},
		{"a hook", Closed{Hooks: 1}, false},
		{"one abandoned handler with its call", Closed{Leftovers: Leftovers{Abandoned: 1, Leases: 1}, Goroutines: 1, Timers: 1, Hooks: 1}, true},
		{"one abandoned handler and another goroutine", Closed{Leftovers: Leftovers{Abandoned: 1}, Goroutines: 2}, false},
	} {
		if got := c.left.clean(); got != c.clean {
			t.Errorf("%s: clean is %v", c.name, got)
		}
	}
}
