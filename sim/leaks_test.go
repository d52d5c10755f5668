package sim_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// line is the place of its call, as leaks name it, plus some lines.
func line(plus int) string {
	_, _, n, _ := runtime.Caller(1)
	return fmt.Sprintf("sim/leaks_test.go:%d", n+plus)
}

func TestALeakNamesTheLineThatMadeIt(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ctx, _ := m.WithCancelCause(context.Background())
	group, q := rt.NewGroup(m), rt.NewQueue[int](m, 1)
	f := func() {}
	var want []sim.Leak
	expect := func(kind, name, site, waiting string) {
		want = append(want, sim.Leak{Machine: "m", Kind: kind, Name: name, Site: site, Waiting: waiting})
	}
	group.Go("reader", func() { q.Get(ctx) })
	expect("task", "reader", line(-1), "parked with a context since 0s, at "+line(-1))
	m.Go("waiter", func() { m.NewParker().Park(context.Background()) })
	expect("task", "waiter", line(-1), "parked without an end since 0s, at "+line(-1))
	m.AfterFunc(time.Hour, f)
	expect("timer", "AfterFunc", line(-1), "fires in 59m59s")
	m.AfterInline(time.Minute, f)
	expect("timer", "AfterInline", line(-1), "fires in 59s")
	m.WithTimeout(ctx, time.Hour)
	expect("timer", "WithTimeout", line(-1), "fires in 59m59s")
	m.AfterDone(ctx, f)
	expect("context hook", "AfterDone", line(-1), "until the context ends")
	m.WithCancelCause(ctx)
	expect("context", "WithCancelCause", line(-1), "until its parent ends")
	runFor(t, w, time.Second)
	got := w.Leaks()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if s := got[2].String(); s != "m: timer AfterFunc, made at "+want[2].Site+", fires in 59m59s" {
		t.Error(s)
	}
}

func TestWhatHasEndedIsNoLeak(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	ctx, cancel := m.WithCancelCause(context.Background())
	child, cancelChild := m.WithCancelCause(ctx)
	limit, cancelLimit := m.WithTimeout(child, time.Hour)
	m.WithTimeout(ctx, time.Second)
	stop := m.AfterDone(limit, func() {})
	m.AfterDone(limit, func() {})
	m.AfterFunc(time.Second, func() {})
	tm := m.AfterFunc(time.Hour, func() {})
	m.Go("task", func() { m.NewParker().Park(limit) })
	runFor(t, w, time.Second)
	if n := len(w.Leaks()); n != 6 {
		t.Errorf("%d things are there, want a task, two timers, two hooks and a child: %v", n, w.Leaks())
	}
	stop()
	tm.Stop()
	cancelChild(nil)
	run(t, w)
	if l := w.Leaks(); len(l) != 0 {
		t.Errorf("left: %v", l)
	}
	cancel(nil)
	cancelLimit()
}

func TestATaskThatAsksForLeaksIsNone(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m := w.Machine("m")
	var found []sim.Leak
	var waiters []sim.Waiter
	m.Go("other", func() { wait(m) })
	m.Go("asks", func() {
		m.Yield()
		m.Yield()
		found, waiters = w.Leaks(), w.Waiters()
	})
	run(t, w)
	if len(found) != 1 || found[0].Name != "other" || len(waiters) != 1 || waiters[0].Task != "other" {
		t.Errorf("leaks %v, waiters %v", found, waiters)
	}
}

func TestALeakWithoutSitesNamesTheFunction(t *testing.T) {
	w := newWorld(t, sim.Config{NoSites: true})
	m := w.Machine("m")
	m.AfterInline(time.Hour, func() {})
	if got, want := w.Leaks()[0].Site, line(-1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWaitersSaysWhoWaitsWhereAndWhy(t *testing.T) {
	w := newWorld(t, sim.Config{})
	m, paused, slow := w.Machine("m"), w.Machine("paused"), w.Machine("slow")
	gate := rt.NewGate(m, false)
	m.Go("gate", func() {
		rt.Sleep(context.Background(), m, time.Second)
		gate.Pass(context.Background())
	})
	at := line(-2)
	paused.Go("held", func() { paused.Yield() })
	paused.Pause()
	slow.Slow(time.Hour)
	slow.Go("slow", func() {})
	runFor(t, w, 2*time.Second)
	m.Go("new", func() {})
	var got []string
	for _, x := range w.Waiters() {
		if x.Made == "" || x.ID == 0 || !strings.HasPrefix(x.String(), x.Machine+": task "+x.Task) {
			t.Errorf("waiter %+v: %v", x, x)
		}
		got = append(got, fmt.Sprintf("%s: %s since %v", x.Task, x.Why, x.Since))
	}
	want := []string{
		"gate: parked without an end since 1s",
		"new: ready, not begun since 2s",
		"held: ready, but the machine stands still since 0s",
		"slow: ready, but the processor is slow since 0s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if where := w.Waiters()[0].Where; where != at {
		t.Errorf("the first is at %q, want %q", where, at)
	}
	gate.Open()
	runFor(t, w, 0)
	if n := m.Tasks(); n != 0 {
		t.Errorf("a task that was asked does not go on: %d are left", n)
	}
}
