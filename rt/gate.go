package rt

import (
	"context"
	"sync"
)

// Gate is open or shut, and tasks pass while it is open. It is triggered by
// level: a Pass that finds the gate shut again, because Shut followed Open
// before the task ran, goes on waiting. All methods are safe for concurrent
// use.
//
// It serves as a condition too: change the state and open the gate under the
// rt.Mutex that guards the state; shut it there when there is nothing to do.
type Gate struct {
	mu      sync.Mutex //simvet:allow sync Open and Shut are called under an rt.Mutex; never held across a park
	open    bool
	waiting waiters[struct{}]
}

// NewGate returns a gate in the given position.
func NewGate(r Runtime, open bool) *Gate {
	g := &Gate{open: open}
	g.waiting = newWaiters[struct{}](r, &g.mu)
	return g
}

// Open opens the gate and wakes every task that waits in Pass. It never
// blocks, may be called with an rt.Mutex held, and does nothing when the gate
// is open.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	g.waiting.wakeAll()
}

// Shut closes the gate for every later Pass. It never blocks and may be called
// with an rt.Mutex held.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
}

// IsOpen reports the gate's position at this moment. It never blocks.
func (g *Gate) IsOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// Pass waits until the gate is open or ctx ends. It returns nil in the first
// case, also if ctx has ended too, and context.Cause(ctx) in the second. The
// gate may be shut again by the time the caller looks.
func (g *Gate) Pass(ctx context.Context) error {
	g.waiting.mayPark("Gate.Pass")
	for {
		g.mu.Lock()
		if g.open {
			g.mu.Unlock()
			return nil
		}
		w := g.waiting.add()
		g.mu.Unlock()
		if _, err := g.waiting.wait(ctx, w); err != nil {
			return err
		}
	}
}
