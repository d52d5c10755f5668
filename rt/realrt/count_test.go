package realrt_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
)

func TestTasksAreCountedByNameUntilTheyEnd(t *testing.T) {
	r := realrt.New(realrt.Config{})
	e := rt.NewEvent(r)
	for i := range 5 {
		r.Go(fmt.Sprintf("kind%d", i%2), func() { e.Wait(context.Background()) })
	}
	if got := r.TaskNames(); r.Tasks() != 5 || !maps.Equal(got, map[string]int{"kind0": 3, "kind1": 2}) {
		t.Errorf("Tasks is %d, TaskNames %v", r.Tasks(), got)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(os.ErrExist)
	if err := r.Wait(ctx); err != os.ErrExist {
		t.Errorf("Wait with tasks and an ended context: %v", err)
	}
	e.Fire()
	if err := r.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, r)
	if len(r.TaskNames()) != 0 {
		t.Errorf("names are left: %v", r.TaskNames())
	}
}

func TestATaskThatExitsIsCountedOut(t *testing.T) {
	r := realrt.New(realrt.Config{})
	g := rt.NewGroup(r)
	g.Go("exits", runtime.Goexit)
	if err := g.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	r.Wait(context.Background())
	wantNothingLeft(t, r)
}

func TestTimersAreCountedUntilTheyFireOrStop(t *testing.T) {
	r := realrt.New(realrt.Config{})
	want := func(n int) {
		t.Helper()
		if r.Timers() != n {
			t.Errorf("Timers is %d, want %d", r.Timers(), n)
		}
	}
	fired := rt.NewEvent(r)
	tm := r.AfterFunc(time.Hour, fired.Fire)
	_, cancel := r.WithTimeout(context.Background(), time.Hour)
	want(2)
	tm.Reset(2 * time.Hour)
	want(2)
	cancel()
	cancel()
	want(1)
	tm.Stop()
	tm.Stop()
	want(0)
	tm.Reset(0)
	fired.Wait(context.Background())
	r.Wait(context.Background())
	want(0)
}

func TestAnElapsedTimeoutCountsUntilItIsCancelled(t *testing.T) {
	r := realrt.New(realrt.Config{})
	ctx, cancel := r.WithTimeout(context.Background(), 0)
	if ctx.Err() == nil || r.Timers() != 1 {
		t.Errorf("Err is %v, Timers %d, want 1", ctx.Err(), r.Timers())
	}
	cancel()
	wantNothingLeft(t, r)
}

func TestALazyTimeoutHasATimerOnceSomebodyAsksForDone(t *testing.T) {
	r := realrt.New(realrt.Config{})
	ctx := rt.NewLazyTimeout(r, context.Background(), r.Now().Add(time.Hour))
	if ctx.Err() != nil || r.Timers() != 0 {
		t.Errorf("Err is %v, Timers %d, want 0", ctx.Err(), r.Timers())
	}
	if ctx.Done(); r.Timers() != 1 {
		t.Errorf("Timers is %d after Done, want 1", r.Timers())
	}
	ctx.End()
	wantNothingLeft(t, r)
}

func TestHooksAreCountedUntilTheyRunOrStop(t *testing.T) {
	r := realrt.New(realrt.Config{})
	ctx, cancel := r.WithCancelCause(context.Background())
	ran := rt.NewEvent(r)
	stop := r.AfterDone(ctx, func() {})
	r.AfterDone(ctx, ran.Fire)
	if r.Hooks() != 2 {
		t.Errorf("Hooks is %d, want 2", r.Hooks())
	}
	stop()
	stop()
	if r.Hooks() != 1 {
		t.Errorf("Hooks is %d after stop, want 1", r.Hooks())
	}
	cancel(nil)
	ran.Wait(context.Background())
	r.Wait(context.Background())
	wantNothingLeft(t, r)
}

func TestProfilesNameTheTask(t *testing.T) {
	r := realrt.New(realrt.Config{})
	in, out := rt.NewEvent(r), rt.NewEvent(r)
	r.Go("named in profiles", func() {
		in.Fire()
		out.Wait(context.Background())
	})
	in.Wait(context.Background())
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	out.Fire()
	r.Wait(context.Background())
	if !strings.Contains(profile.String(), `"task":"named in profiles"`) {
		t.Errorf("the goroutine profile has no such label:\n%s", profile.String())
	}
}

// TestAPanicInATaskEndsTheProcess runs itself again, as the process that dies.
func TestAPanicInATaskEndsTheProcess(t *testing.T) {
	const env = "REALRT_TEST_PANIC"
	start := map[string]func(r *realrt.Runtime, f func()){
		"Go":        func(r *realrt.Runtime, f func()) { r.Go("task", f) },
		"Group":     func(r *realrt.Runtime, f func()) { rt.NewGroup(r).Go("task", f) },
		"AfterFunc": func(r *realrt.Runtime, f func()) { r.AfterFunc(0, f) },
		"AfterDone": func(r *realrt.Runtime, f func()) {
			ctx, cancel := r.WithCancelCause(context.Background())
			r.AfterDone(ctx, f)
			cancel(nil)
		},
	}
	if kind := os.Getenv(env); kind != "" {
		r := realrt.New(realrt.Config{})
		start[kind](r, func() { panic("on purpose") })
		r.NewParker().Park(context.Background())
	}
	for kind := range start {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), env+"="+kind)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: on purpose") {
			t.Errorf("%s: the process ended with %v:\n%s", kind, err, out)
		}
	}
}
