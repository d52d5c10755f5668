// Package mono holds the instant that everything in macula decides by.
//
// An instant is monotonic: no step of the wall clock moves it, so a lease, a
// deadline or a TTL that is kept in it cannot expire early or live on because
// somebody set the clock.
package mono

import "time"

// Time is a monotonic instant in nanoseconds. Its origin is chosen by the
// runtime that hands it out, so instants of two runtimes must not be compared.
// The zero value is no instant: as a deadline or an expiry it means "never".
// A runtime never returns it from Now.
type Time int64

// Add returns the instant d after t. It saturates instead of wrapping, and it
// keeps zero zero: no deadline plus a grace is still no deadline.
func (t Time) Add(d time.Duration) Time {
	if t == 0 {
		return 0
	}
	s := t + Time(d)
	if d > 0 && s < t {
		return 1<<63 - 1
	}
	if d < 0 && s > t {
		return -1 << 63
	}
	return s
}

// Sub returns the time from u to t; it is negative when t is before u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// After reports whether t is later than u.
func (t Time) After(u Time) bool { return t > u }

// IsZero reports whether t is unset.
func (t Time) IsZero() bool { return t == 0 }

// Reached reports whether the deadline t has passed at now. A deadline is
// reached in the very instant that it names; an unset one never is.
func (t Time) Reached(now Time) bool { return t != 0 && now >= t }

// Earliest returns the earlier of two deadlines, where unset is later than
// every set one.
func Earliest(a, b Time) Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
