package live

import "sync"

// turn is the lock that a task holds while it runs. Those who wait are served
// in their order, but for those who may not run now.
type turn struct {
	mu   sync.Mutex
	held bool
	line []*task

	// Set by whoever holds the turn.
	stopped  bool  // only the driver may run
	crashing *task // waits until everybody who was killed has ended; nobody else runs
	dying    int   // killed tasks that have not ended
}

// take waits for the turn.
func (u *turn) take(t *task) {
	u.mu.Lock()
	if !u.held && u.may(t) {
		u.held = true
		u.mu.Unlock()
		return
	}
	u.line = append(u.line, t)
	u.mu.Unlock()
	<-t.granted
}

// queue puts the one who holds the turn into the line.
func (u *turn) queue(t *task) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.line = append(u.line, t)
}

// give hands the turn to the next who may run.
func (u *turn) give() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, t := range u.line {
		if u.may(t) {
			u.line = append(u.line[:i], u.line[i+1:]...)
			t.granted <- struct{}{}
			return
		}
	}
	u.held = false
}

// may reports whether a task may run now.
func (u *turn) may(t *task) bool {
	switch {
	case u.crashing == t:
		return u.dying == 0
	case u.crashing != nil:
		return t.killed || t.life != nil && t.life.over
	case u.stopped:
		return t.life == nil
	case t.life == nil || t.killed || t.life.over:
		return true
	}
	return !t.life.m.paused
}
