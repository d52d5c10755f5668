// Package pressure says how short a node is of memory and of processor time,
// as one of four levels.
//
// A level is reached when a figure has been at its threshold for a while, and
// left, one at a time, when it has been well below for longer: whoever acts on
// a level changes what is measured, and without the two thresholds and the two
// times both would swing for ever.
package pressure

import (
	"cmp"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
)

// Level is how short things are. The set is closed; a higher level is worse.
type Level uint8

// The levels.
const (
	Normal Level = iota
	Elevated
	High
	Critical
)

// String returns the level's name, in lower case.
func (l Level) String() string {
	return [...]string{"normal", "elevated", "high", "critical"}[min(l, Critical)]
}

// Sample is what was measured at one moment.
type Sample struct {
	Used    int64         // bytes that count against Limit
	Limit   int64         // bytes that there may be; 0 when there is no limit
	Latency time.Duration // how long a task that is ready waits for a processor: 99 of 100 wait no longer
}

// Config holds the thresholds. Zero fields take the default beside them.
type Config struct {
	Interval time.Duration // between two samples; 1 s. The gauge itself does not need it

	Elevated float64 // share of the limit from which on the level is at least Elevated; 0.70: the collector begins to work more
	High     float64 // the same for High; 0.80
	Critical float64 // the same for Critical; 0.90: what one burst of large bodies takes away is left
	Margin   float64 // a level is left when the share is so much below its threshold; 0.08

	ElevatedLatency time.Duration // latency from which on the level is at least Elevated; 100 ms: a tenth of the shortest timeout
	HighLatency     time.Duration // the same for High; 500 ms
	CriticalLatency time.Duration // the same for Critical; 2 s: callers give up. A level is left below half of its latency

	Rise time.Duration // a level is reached when a figure asks for it for so long; 2 s: one slow collection is no pressure
	Fall time.Duration // and left when none asks for it for so long; 15 s, then the one below it after as long again
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Elevated = cmp.Or(c.Elevated, 0.70)
	c.High = cmp.Or(c.High, 0.80)
	c.Critical = cmp.Or(c.Critical, 0.90)
	c.Margin = cmp.Or(c.Margin, 0.08)
	c.ElevatedLatency = cmp.Or(c.ElevatedLatency, 100*time.Millisecond)
	c.HighLatency = cmp.Or(c.HighLatency, 500*time.Millisecond)
	c.CriticalLatency = cmp.Or(c.CriticalLatency, 2*time.Second)
	c.Rise = cmp.Or(c.Rise, 2*time.Second)
	c.Fall = cmp.Or(c.Fall, 15*time.Second)
	return c
}

// Check says what of c, with its defaults set, cannot be: Invalid.
func (c Config) Check() error {
	c = c.WithDefaults()
	bad := func(format string, args ...any) error { return fault.New("pressure", fault.Invalid, format, args...) }
	switch {
	case c.Interval < 0 || c.Rise < 0 || c.Fall < 0:
		return bad("the interval and the times to rise and to fall are not negative")
	case !(0 < c.Elevated && c.Elevated <= c.High && c.High <= c.Critical && c.Critical <= 1):
		return bad("the shares %g, %g and %g do not rise from 0 to 1", c.Elevated, c.High, c.Critical)
	case !(0 < c.Margin && c.Margin < c.Elevated):
		return bad("the margin %g is not between 0 and the lowest share %g", c.Margin, c.Elevated)
	case !(0 < c.ElevatedLatency && c.ElevatedLatency <= c.HighLatency && c.HighLatency <= c.CriticalLatency):
		return bad("the latencies %v, %v and %v do not rise", c.ElevatedLatency, c.HighLatency, c.CriticalLatency)
	}
	return nil
}

// Gauge is the level over time. Make it with New. It is not safe for
// concurrent use.
type Gauge struct {
	cfg     Config
	level   Level
	since   mono.Time
	changes uint64
	last    Sample

	above     mono.Time // since when every sample has asked for a higher level; 0 when the last one did not
	aboveAll  Level     // the lowest of those
	below     mono.Time // since when no sample has held the level; 0 when the last one did
	byMemory  Level     // what the last sample asked for, by its memory
	byLatency Level
}

// New returns a gauge at Normal. cfg must pass Check.
func New(cfg Config, now mono.Time) *Gauge { return &Gauge{cfg: cfg.WithDefaults(), since: now} }

// Take notes a sample and returns the level after it. Samples come in the
// order of their times.
func (g *Gauge) Take(now mono.Time, s Sample) Level {
	g.last = s
	g.byMemory, g.byLatency = g.wants(s, 0)
	g.rise(now, max(g.byMemory, g.byLatency))
	held, heldToo := g.wants(s, g.level)
	g.fall(now, max(held, heldToo))
	return g.level
}

// rise goes to the highest level that every sample of the last while asked for.
func (g *Gauge) rise(now mono.Time, want Level) {
	if want <= g.level {
		g.above = 0
		return
	}
	if g.above == 0 {
		g.above, g.aboveAll = now, want
	}
	g.aboveAll = min(g.aboveAll, want)
	if now.Sub(g.above) >= g.cfg.Rise {
		g.set(now, g.aboveAll)
	}
}

// fall goes down by one level when no sample of the last while held this one.
func (g *Gauge) fall(now mono.Time, held Level) {
	if g.level == Normal || held >= g.level {
		g.below = 0
		return
	}
	if g.below == 0 {
		g.below = now
	}
	if now.Sub(g.below) >= g.cfg.Fall {
		g.set(now, g.level-1)
	}
}

// set changes the level: what was seen of the one before counts no more.
func (g *Gauge) set(now mono.Time, l Level) {
	g.level, g.since = l, now
	g.changes++
	g.above, g.below = 0, 0
}

// wants is the level that a sample asks for, by its memory and by its latency.
// Levels up to hold are still asked for a margin below their thresholds.
func (g *Gauge) wants(s Sample, hold Level) (memory, latency Level) {
	c := &g.cfg
	shares := [...]float64{0, c.Elevated, c.High, c.Critical}
	waits := [...]time.Duration{0, c.ElevatedLatency, c.HighLatency, c.CriticalLatency}
	for l := Elevated; l <= Critical; l++ {
		share, wait := shares[l], waits[l]
		if l <= hold {
			share, wait = share-c.Margin, wait/2
		}
		if s.Limit > 0 && float64(s.Used) >= share*float64(s.Limit) {
			memory = l
		}
		if s.Latency >= wait {
			latency = l
		}
	}
	return memory, latency
}

// State is what a gauge shows.
type State struct {
	Level   Level
	Since   mono.Time // when the level was reached
	Changes uint64    // of the level, up and down
	Last    Sample
	Cause   string // "memory", "latency" or both, of what the last sample asked for; "" when for nothing
}

// State returns what the gauge shows now.
func (g *Gauge) State() State {
	s := State{Level: g.level, Since: g.since, Changes: g.changes, Last: g.last}
	switch {
	case g.byMemory > 0 && g.byLatency > 0:
		s.Cause = "memory and latency"
	case g.byMemory > 0:
		s.Cause = "memory"
	case g.byLatency > 0:
		s.Cause = "latency"
	}
	return s
}
