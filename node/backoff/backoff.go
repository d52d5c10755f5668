// Package backoff says how long to wait before the next attempt: longer each
// time, up to a cap, and spread by chance, so that ten thousand clients of a
// gateway that restarts do not come back in the same moment.
package backoff

import (
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// Jitter is how much of a delay is left to chance.
type Jitter uint8

// The jitters.
const (
	Equal Jitter = iota // from half of the delay to all of it: attempts spread, and none comes at once
	Full                // from nothing to all of the delay: they spread most
)

// String returns the jitter's name.
func (j Jitter) String() string {
	switch j {
	case Equal:
		return "equal"
	case Full:
		return "full"
	}
	return "unknown jitter"
}

// Config is how delays grow. Zero fields take the default that is named
// beside them.
type Config struct {
	Base   time.Duration // the first delay; 250 ms: a few round trips on a slow link
	Max    time.Duration // delays grow up to it; 30 s: how late a peer that is back is noticed
	Factor int           // each delay is so many times the one before; 2; 1 keeps them equal
	Jitter Jitter        // Equal
}

// WithDefaults returns c with every zero field set. A Base above Max is cut to
// it.
func (c Config) WithDefaults() Config {
	if c.Max == 0 {
		c.Max = 30 * time.Second
	}
	if c.Base == 0 {
		c.Base = 250 * time.Millisecond
	}
	if c.Factor == 0 {
		c.Factor = 2
	}
	c.Base = min(c.Base, c.Max)
	return c
}

// Validate reports what of a configuration makes no sense, as Invalid: a
// negative value, a Base above Max, or an unknown Jitter. Zero fields are
// fine.
func (c Config) Validate() error {
	switch {
	case c.Base < 0 || c.Max < 0 || c.Factor < 0:
		return fault.New("backoff", fault.Invalid, "base %v, max %v and factor %d must not be negative", c.Base, c.Max, c.Factor)
	case c.Max > 0 && c.Base > c.Max:
		return fault.New("backoff", fault.Invalid, "base %v is above max %v", c.Base, c.Max)
	case c.Jitter > Full:
		return fault.New("backoff", fault.Invalid, "jitter %d is unknown", c.Jitter)
	}
	return nil
}

// Backoff counts the failed attempts at one thing. It is a value: a copy goes
// on by itself. Not safe for concurrent use.
type Backoff struct {
	cfg      Config
	next     time.Duration // the delay of the next attempt before chance
	attempts int
}

// New returns a Backoff before its first attempt. It panics when cfg does not
// pass Validate, but for a Base above Max, which it cuts.
func New(cfg Config) Backoff {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		panic("macula bug: " + err.Error())
	}
	return Backoff{cfg: cfg, next: cfg.Base}
}

// Next returns how long to wait before the next attempt: more than zero and
// at most Config.Max. It draws once from rand.
func (b *Backoff) Next(rand *rand.Rand) time.Duration {
	d := b.next
	if d > b.cfg.Max/time.Duration(b.cfg.Factor) {
		b.next = b.cfg.Max // without a product that could overflow
	} else {
		b.next = d * time.Duration(b.cfg.Factor)
	}
	b.attempts++
	least := time.Duration(1)
	if b.cfg.Jitter == Equal {
		least = max(least, d/2)
	}
	return least + time.Duration(rand.Int64N(int64(d-least)+1))
}

// Reset forgets all attempts: what was tried has worked.
func (b *Backoff) Reset() { b.next, b.attempts = b.cfg.Base, 0 }

// Attempts is how often Next was called since New or Reset.
func (b *Backoff) Attempts() int { return b.attempts }
