package sim

import (
	"math"
	"time"

	"github.com/maculamesh/macula/mono"
)

// machineClock is how a machine's time derives from the virtual one. Its
// oscillator runs at 1+ppm/10^6 of the true rate; on that count both of its
// clocks, each with steps of its own.
type machineClock struct {
	origin int64 // what the monotonic clock shows at virtual time zero
	base   int64 // what the oscillator had counted at virtual time from
	from   int64
	ppm    int64
	mono   int64 // sum of the steps of the monotonic clock
	wall   int64 // and of the wall clock
}

const million = 1_000_000

// counted is what the oscillator has counted at virtual time now.
func (c *machineClock) counted(now int64) int64 {
	d := now - c.from
	if c.ppm != 0 {
		part := d % million * c.ppm
		if part < 0 {
			part -= million - 1 // the division below rounds down, not to zero
		}
		d += d/million*c.ppm + part/million
	}
	return c.base + d
}

// lasts returns how much virtual time passes until the oscillator has counted
// d more, from virtual time now on.
func (c *machineClock) lasts(now, d int64) int64 {
	if c.ppm == 0 || d <= 0 {
		return d
	}
	target := saturate(c.counted(now), d)
	rate := million + c.ppm
	need := target - c.base
	if need/rate >= forever/million {
		return math.MaxInt64
	}
	// From below, then up to the first instant at which it has counted enough:
	// counted rounds twice, so this takes a few steps at most.
	at := c.from + need/rate*million + need%rate*million/rate
	at = max(at-2, now)
	for c.counted(at) < target {
		at++
	}
	return at - now
}

// local is what the machine's monotonic clock shows.
func (m *Machine) local() int64 {
	c := &m.clock
	return c.origin + c.counted(m.w.now) + c.mono
}

// Now implements rt.Clock.
func (m *Machine) Now() mono.Time { return mono.Time(m.local()) }

// Wall implements rt.Clock. It is in UTC and has no monotonic reading.
func (m *Machine) Wall() time.Time {
	c := &m.clock
	return m.w.cfg.Start.Add(time.Duration(c.counted(m.w.now) + c.wall))
}

// set notes when t is to fire, d from now on the machine's clock, and arms it
// if so asked.
func (m *Machine) set(t *timer, d time.Duration, arm bool) {
	t.local = saturate(m.local(), int64(d))
	if arm {
		m.w.arm(t, saturate(m.w.now, m.clock.lasts(m.w.now, max(int64(d), 0))))
	}
}

// What KindClock was about.
const (
	clockWall = iota + 1
	clockMono
	clockDrift
)

// StepWall moves the wall clock by d, forward or back, as setting the date
// does. Nothing that waits notices.
func (m *Machine) StepWall(d time.Duration) {
	if m.w.deaf() {
		return
	}
	m.w.fold(KindClock, m, clockWall, uint64(d))
	m.clock.wall += int64(d)
}

// StepMono moves the monotonic clock forward by d, as waking from suspension
// does: timers that this makes due fire at once. A negative d panics.
func (m *Machine) StepMono(d time.Duration) {
	if m.w.deaf() {
		return
	}
	if d < 0 {
		panic("sim: Machine.StepMono by a negative duration: a monotonic clock does not go back")
	}
	m.w.fold(KindClock, m, clockMono, uint64(d))
	m.clock.mono += int64(d)
	m.retime()
}

// Drift lets both clocks run fast by ppm millionths of the true rate from now
// on, or slow when it is negative; zero ends it. It is at most 500,000 either
// way, far more than any real clock.
func (m *Machine) Drift(ppm int64) {
	if m.w.deaf() {
		return
	}
	if ppm < -maxDrift || ppm > maxDrift {
		panic("sim: Machine.Drift of more than 500,000 ppm")
	}
	m.w.fold(KindClock, m, clockDrift, uint64(ppm))
	c := &m.clock
	c.base, c.from, c.ppm = c.counted(m.w.now), m.w.now, ppm
	m.retime()
}

const maxDrift = 500_000

// retime gives the machine's pending timers the virtual times that follow
// from its clock as it is now.
func (m *Machine) retime() {
	w := m.w
	now := m.local()
	again := func(t *timer) bool {
		if t.m == m && t.kind != timerReady {
			t.at = saturate(w.now, m.clock.lasts(w.now, max(t.local-now, 0)))
		}
		return false
	}
	w.heap.filter(again)
	for _, t := range m.heldTimers {
		again(t)
	}
}
