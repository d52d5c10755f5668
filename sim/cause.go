package sim

import (
	"context"
	"time"
)

// context.Cause asks a context for the value of a private key and takes the
// cause out of what it gets, if that is a context of the standard library;
// from other types it gets Err. There is no other way for a type to have a
// cause. So we look which key it asks for, and answer with a context of the
// standard library that was ended with our cause.

// causeKey returns the key that context.Cause asks for.
func causeKey() any {
	p := &keyProbe{}
	context.Cause(p) //nolint:errcheck // the question counts
	return p.key
}

// keyProbe is an ended context that remembers the key it was asked for.
type keyProbe struct{ key any }

func (*keyProbe) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*keyProbe) Done() <-chan struct{}       { return nil } //simvet:allow chan the interface has it
func (*keyProbe) Err() error                  { return context.Canceled }
func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}

// causeCarrier returns what context.Cause looks into, or nil when Err is the
// cause or there is none yet.
func (c *simCtx) causeCarrier() any {
	if c.cause == c.Err() {
		return nil
	}
	if c.std == nil {
		std, cancel := context.WithCancelCause(context.Background()) //simvet:allow context nobody waits for it
		cancel(c.cause)
		c.std = std
	}
	return c.std
}
