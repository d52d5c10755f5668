package live

import (
	"sync"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// clock is the clocks of a machine: those of the runtime, which can be stepped
// and run fast.
type clock struct {
	base rt.Clock
	// One instant in both ways.
	mono0 mono.Time
	wall0 time.Time

	mu    sync.Mutex
	since mono.Time // of the runtime, when the rate was set
	rate  int64     // millionths by which it runs fast
	ahead time.Duration
	step  time.Duration // of the monotonic clock
	wall  time.Duration // of the calendar clock
}

// drifted is how far the clocks are ahead by their rate. Called with mu held.
func (c *clock) drifted() time.Duration {
	if c.rate == 0 {
		return c.ahead
	}
	d := c.base.Now().Sub(c.since)
	return c.ahead + d/1_000_000*time.Duration(c.rate) + d%1_000_000*time.Duration(c.rate)/1_000_000
}

// Now implements rt.Clock.
func (m *Machine) Now() mono.Time {
	c := &m.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Now().Add(c.step + c.drifted())
}

// Wall implements rt.Clock.
func (m *Machine) Wall() time.Time {
	c := &m.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Wall().Add(c.wall + c.drifted())
}

// wallAt is the calendar time at an instant of the machine.
func (c *clock) wallAt(at mono.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall0.Add(at.Sub(c.mono0) - c.step + c.wall)
}

// real is how long a duration of the machine's clock takes.
func (m *Machine) real(d time.Duration) time.Duration {
	c := &m.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rate == 0 || d <= 0 {
		return d
	}
	const unit = 1_000_000
	fast := time.Duration(unit + c.rate)
	return d/fast*unit + d%fast*unit/fast
}

// StepWall moves the calendar clock, forward or back.
func (m *Machine) StepWall(d time.Duration) {
	m.set(func(c *clock) { c.wall += d })
}

// StepMono moves the monotonic clock forward: timers that this makes due fire.
func (m *Machine) StepMono(d time.Duration) {
	if d < 0 {
		panic("live: Machine.StepMono by a negative duration: a monotonic clock does not go back")
	}
	m.set(func(c *clock) { c.step += d })
}

// Drift lets both clocks run fast by that many millionths; zero ends it.
func (m *Machine) Drift(ppm int64) {
	m.set(func(c *clock) { c.ahead, c.since, c.rate = c.drifted(), c.base.Now(), ppm })
}

func (m *Machine) set(f func(c *clock)) {
	if m.w.deaf() {
		return
	}
	m.clock.mu.Lock()
	f(&m.clock)
	m.clock.mu.Unlock()
	for _, t := range m.life.inOrder() {
		t.rearm()
	}
}
