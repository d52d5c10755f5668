package host_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stuckIn drives a world until its watchdog has spoken, which also ends what
// is stuck, and returns what it said.
func stuckIn(t *testing.T, set func(w *sim.World, spin func())) host.Stuck {
	t.Helper()
	var over atomic.Bool
	reports := make(chan host.Stuck, 10)
	w := sim.New(sim.Config{})
	defer w.Close()
	stop := host.Watch(w, host.WatchdogConfig{
		Limit: 100 * time.Millisecond,
		OnStuck: func(s host.Stuck) {
			if strings.Contains(s.Stack, "spinUntil") { // else this process got no processor
				reports <- s
			}
			over.Store(true)
		},
	})
	defer stop()
	set(w, func() { spinUntil(&over) })
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	stop()
	if len(reports) != 1 {
		t.Fatalf("%d reports", len(reports))
	}
	return <-reports
}

// spinUntil gives the processor to other goroutines, which a task that is
// really stuck would not do, to be kind to small machines.
func spinUntil(over *atomic.Bool) {
	for !over.Load() {
		time.Sleep(time.Millisecond)
	}
}

func TestATaskThatDoesNotYieldIsReportedWithItsStackAndCause(t *testing.T) {
	s := stuckIn(t, func(w *sim.World, spin func()) {
		m := w.Machine("m")
		k := m.NewParker()
		m.Go("spins", func() {
			k.Park(context.Background())
			spin()
		})
		m.Go("wakes", k.Unpark)
	})
	if s.Machine != "m" || s.Task != "spins" || s.TaskID != 1 || s.Cause.Kind() != sim.KindPick || s.Cause.ID() != 2 {
		t.Errorf("got %+v", s.Running)
	}
	if !strings.Contains(s.Stack, "spinUntil") || strings.Count(s.Stack, "goroutine ") > 2 {
		t.Errorf("the stack is\n%s", s.Stack)
	}
	text := &strings.Builder{}
	s.WriteTo(text)
	if !strings.HasPrefix(text.String(), "stuck: task spins#1 of machine m has not yielded for 100ms in step ") ||
		!strings.Contains(text.String(), "resumed by task 2\n") {
		t.Error(text)
	}
}

func TestAFunctionOnTheSchedulerThatDoesNotReturnIsReported(t *testing.T) {
	s := stuckIn(t, func(w *sim.World, spin func()) {
		m := w.Machine("m")
		m.Go("innocent", func() { m.Yield() })
		m.AfterInline(time.Second, spin)
	})
	if s.TaskID != 0 || s.Cause.Kind() != sim.KindTimer || !strings.Contains(s.Stack, "spinUntil") || strings.Contains(s.Stack, "host.watch(") {
		t.Errorf("got %+v, stack\n%s", s.Running, s.Stack)
	}
}

func TestADyingTaskThatDoesNotEndIsReported(t *testing.T) {
	s := stuckIn(t, func(w *sim.World, spin func()) {
		m := w.Machine("m")
		m.Go("victim", func() {
			defer spin()
			m.NewParker().Park(context.Background())
		})
		w.At(time.Second, "crash", m.Crash)
	})
	if s.Task != "victim" || s.Cause.Kind() != sim.KindUnwind || !strings.Contains(s.Stack, "spinUntil") {
		t.Errorf("got %+v, stack\n%s", s.Running, s.Stack)
	}
}

func TestAWorldThatIsNotDrivenIsNotStuck(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	said := make(chan host.Stuck, 1)
	stop := host.Watch(w, host.WatchdogConfig{Limit: 2 * time.Millisecond, OnStuck: func(s host.Stuck) { said <- s }})
	select {
	case s := <-said:
		t.Errorf("got %+v", s)
	case <-time.After(20 * time.Millisecond):
	}
	stop()
	stop()
}
