package rt

import (
	"context"
	"sync"
)

// Group owns tasks: it starts them and waits for their end. Every task of a
// component belongs to one, so that nothing is left running after its Close.
// All methods are safe for concurrent use.
type Group struct {
	rt      Runtime
	mu      sync.Mutex //simvet:allow sync Go is called under an rt.Mutex; never held across a park
	count   int
	closed  bool
	waiting waiters[struct{}]
}

// NewGroup returns a group without tasks.
func NewGroup(r Runtime) *Group {
	g := &Group{rt: r}
	g.waiting = newWaiters[struct{}](r, &g.mu)
	return g
}

// Go starts f as a task of the group and returns true; after Close it does
// nothing and returns false. It never blocks and may be called with an
// rt.Mutex held. The task counts until f has returned, panicked or exited.
func (g *Group) Go(name string, f func()) bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	g.count++
	g.mu.Unlock()
	g.rt.Go(name, func() {
		defer g.done()
		f()
	})
	return true
}

// Close makes every later Go return false. The tasks that run are not told:
// end their context too. It never blocks.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// Wait waits until the group has no task or ctx ends. It returns nil in the
// first case, also if ctx has ended too, and context.Cause(ctx) in the second.
// Without Close before it there may be tasks again when it returns. A task
// must not wait for its own group.
func (g *Group) Wait(ctx context.Context) error {
	g.waiting.mayPark("Group.Wait")
	g.mu.Lock()
	if g.count == 0 {
		g.mu.Unlock()
		return nil
	}
	w := g.waiting.add()
	g.mu.Unlock()
	_, err := g.waiting.wait(ctx, w)
	return err
}

// Count returns the number of tasks that have not ended. It never blocks.
func (g *Group) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// done counts one task out.
func (g *Group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	if g.count == 0 {
		g.waiting.wakeAll()
	}
}
