package realrt

import (
	"context"
	"runtime/pprof"
	"sync"
)

// keptNames bounds the names that are remembered without a live task, so that
// a program which puts an address into its task names does not leak them.
const keptNames = 1024

// Go starts f on a goroutine with the pprof label task=name. A panic in f is
// not recovered: it ends the process, as it should.
func (r *Runtime) Go(name string, f func()) {
	e := r.tasks.begin(name)
	go func() {
		defer r.tasks.end(e)
		pprof.SetGoroutineLabels(e.labels)
		f()
	}()
}

// tasks counts the live tasks by name.
type tasks struct {
	mu     sync.Mutex
	live   int
	byName map[string]*taskName
	idle   chan struct{} // made by the first that waits, closed when live is 0
}

// taskName is one name with its live tasks and its ready-made pprof labels.
type taskName struct {
	name   string
	live   int
	labels context.Context
}

func (t *tasks) init() { t.byName = map[string]*taskName{} }

// begin counts a task in. The caller passes what it returns to end.
func (t *tasks) begin(name string) *taskName {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byName[name]
	if e == nil {
		labels := pprof.WithLabels(context.Background(), pprof.Labels("task", name))
		e = &taskName{name: name, labels: labels}
		t.byName[name] = e
	}
	e.live++
	t.live++
	return e
}

// end counts a task out.
func (t *tasks) end(e *taskName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.live--
	if e.live == 0 && len(t.byName) > keptNames {
		delete(t.byName, e.name)
	}
	t.live--
	if t.live == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

func (t *tasks) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live
}

func (t *tasks) names() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := map[string]int{}
	for name, e := range t.byName {
		if e.live > 0 {
			names[name] = e.live
		}
	}
	return names
}

func (t *tasks) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.live == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
