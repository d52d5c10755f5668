package rttest

import (
	"context"
	"time"

	"github.com/maculamesh/macula/rt"
)

var parkerCases = []testCase{
	{"a new parker has no permit", func(p *probe) {
		p.is(p.NewParker().Park(p.ended()), errCause, "Park")
	}},
	{"a permit is kept until Park takes it", func(p *probe) {
		k := p.NewParker()
		k.Unpark()
		p.is(k.Park(context.Background()), nil, "Park with a permit")
		p.is(k.Park(p.ended()), errCause, "Park after the permit was taken")
	}},
	{"a second permit is not kept", func(p *probe) {
		k := p.NewParker()
		k.Unpark()
		k.Unpark()
		p.is(k.Park(p.ctx), nil, "first Park")
		p.is(k.Park(p.ended()), errCause, "second Park")
	}},
	{"a permit wins over an ended context", func(p *probe) {
		k, ctx := p.NewParker(), p.ended()
		for range 100 {
			k.Unpark()
			p.is(k.Park(ctx), nil, "Park")
		}
	}},
	{"Unpark ends a Park that waits", func(p *probe) {
		c := &counting{Runtime: p}
		k := c.NewParker()
		p.spawn(func() {
			c.parked(p, 1)
			k.Unpark()
		})
		p.is(k.Park(context.Background()), nil, "Park")
	}},
	{"the end of the context ends a Park that waits, with the cause", func(p *probe) {
		c := &counting{Runtime: p}
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() {
			c.parked(p, 1)
			cancel(errCause)
		})
		p.is(c.NewParker().Park(ctx), errCause, "Park")
	}},
	{"a timeout ends a Park that waits, with DeadlineExceeded", func(p *probe) {
		ctx, cancel := p.WithTimeout(p.ctx, time.Millisecond)
		defer cancel()
		p.is(p.NewParker().Park(ctx), context.DeadlineExceeded, "Park")
	}},
	{"a context with values ends a Park as well", func(p *probe) {
		type key struct{}
		ctx, cancel := p.WithTimeout(p.ctx, time.Millisecond)
		defer cancel()
		ctx = context.WithValue(ctx, key{}, 1)
		p.is(p.NewParker().Park(ctx), context.DeadlineExceeded, "Park")
	}},
	{"a parker serves again after its context ended", func(p *probe) {
		k := p.NewParker()
		for range 10 {
			p.is(k.Park(p.ended()), errCause, "Park without a permit")
			p.spawn(k.Unpark)
			p.is(k.Park(p.ctx), nil, "Park with a permit")
		}
	}},
	{"a second waiter panics", secondWaiterPanics},
	{"a permit that meets the end of the context is not lost", func(p *probe) {
		for range 200 {
			k := p.NewParker()
			ctx, cancel := p.WithCancelCause(p.ctx)
			p.spawn(func() { p.jitter(); k.Unpark() })
			p.spawn(func() { p.jitter(); cancel(errCause) })
			if err := k.Park(ctx); err != nil {
				p.is(err, errCause, "Park")
				p.is(k.Park(p.ctx), nil, "Park after one that was cancelled")
			}
			p.join()
		}
	}},
	{"no permit is lost between two tasks", func(p *probe) {
		const rounds = 500
		ping, pong := p.NewParker(), p.NewParker()
		p.spawn(func() {
			for range rounds {
				p.is(ping.Park(p.ctx), nil, "ping")
				pong.Unpark()
			}
		})
		for range rounds {
			ping.Unpark()
			p.is(pong.Park(p.ctx), nil, "pong")
		}
	}},
	{"many tasks may unpark at once", func(p *probe) {
		k := p.NewParker()
		left := rt.NewSemaphore(p, 8)
		for range 8 {
			p.is(left.Acquire(p.ctx), nil, "Acquire")
			p.spawn(func() {
				left.Release()
				k.Unpark()
			})
		}
		for left.InUse() > 0 {
			p.is(k.Park(p.ctx), nil, "Park")
		}
		p.join()
		k.Unpark()
		p.is(k.Park(p.ctx), nil, "last Park")
		p.is(k.Park(p.ended()), errCause, "Park after the last permit")
	}},
}

// secondWaiterPanics lets two tasks park on one parker: whichever comes second
// must panic, and the first must not notice.
func secondWaiterPanics(p *probe) {
	k := p.NewParker()
	ctx, cancel := p.WithCancelCause(p.ctx)
	defer cancel(nil)
	panicked := rt.NewEvent(p)
	parked := rt.NewQueue[error](p, 2)
	for range 2 {
		p.spawn(func() {
			if panics(func() { parked.TryPut(k.Park(ctx)) }) {
				panicked.Fire()
			}
		})
	}
	p.await(panicked, "the second waiter to panic")
	k.Unpark()
	err, got := parked.Get(p.ctx)
	p.is(got, nil, "the first waiter's return")
	p.is(err, nil, "the first waiter's Park")
	cancel(nil)
	p.join()
	p.check(parked.Len() == 0, "both waiters returned from Park")
}
