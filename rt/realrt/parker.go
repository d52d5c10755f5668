package realrt

import (
	"context"
	"sync/atomic"

	"github.com/maculamesh/macula/rt"
)

// parker is an rt.Parker: a channel of one element is exactly one permit.
type parker struct {
	permit  chan struct{}
	waiting atomic.Bool
}

// NewParker returns a parker without a permit.
func (r *Runtime) NewParker() rt.Parker {
	return &parker{permit: make(chan struct{}, 1)}
}

// Park waits for the permit or the end of ctx.
func (p *parker) Park(ctx context.Context) error {
	if !p.waiting.CompareAndSwap(false, true) {
		panic("realrt: a second task parks on one parker")
	}
	defer p.waiting.Store(false)
	if ctx.Done() == nil { // a receive costs a third of a select
		<-p.permit
		return nil
	}
	select {
	case <-p.permit:
		return nil
	default:
	}
	select {
	case <-p.permit:
		return nil
	case <-ctx.Done():
	}
	// select picks at random among what is ready: look once more.
	select {
	case <-p.permit:
		return nil
	default:
		return context.Cause(ctx)
	}
}

// Unpark makes the permit available.
func (p *parker) Unpark() {
	select {
	case p.permit <- struct{}{}:
	default:
	}
}
