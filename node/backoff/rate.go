package backoff

import (
	"time"

	"github.com/maculamesh/macula/mono"
)

// Rate allows so many events in any stretch of time of a given length. It
// remembers when the last ones were, and nothing else. Not safe for concurrent
// use.
type Rate struct {
	last []mono.Time // as a ring; bound: the number of events
	next int         // the oldest one
	per  time.Duration
	full bool // every place holds an event
}

// NewRate returns a Rate of n events, at least one, in any stretch of per.
func NewRate(n int, per time.Duration) *Rate {
	return &Rate{last: make([]mono.Time, max(n, 1)), per: per}
}

// Wait returns how long it is until there may be one event more; zero when it
// may be now.
func (r *Rate) Wait(now mono.Time) time.Duration {
	if !r.full {
		return 0
	}
	return max(0, r.last[r.next].Add(r.per).Sub(now))
}

// Take notes an event and returns zero; or it returns how long to wait before
// there may be one, and notes nothing.
func (r *Rate) Take(now mono.Time) (wait time.Duration) {
	if wait := r.Wait(now); wait > 0 {
		return wait
	}
	r.Note(now)
	return 0
}

// Note notes an event that was not to be kept from happening.
func (r *Rate) Note(now mono.Time) {
	r.last[r.next] = now
	r.next = (r.next + 1) % len(r.last)
	r.full = r.full || r.next == 0
}
