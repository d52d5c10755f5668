package rttest

import (
	"context"

	"github.com/maculamesh/macula/rt"
)

var eventCases = []testCase{
	{"it has not fired at first", func(p *probe) {
		e := rt.NewEvent(p)
		p.check(!e.Fired(), "Fired is true")
		p.is(e.Wait(p.ended()), errCause, "Wait")
	}},
	{"it stays fired", func(p *probe) {
		e := rt.NewEvent(p)
		e.Fire()
		e.Fire()
		p.check(e.Fired(), "Fired is false")
		p.is(e.Wait(context.Background()), nil, "Wait")
		p.is(e.Wait(context.Background()), nil, "Wait again")
	}},
	{"having fired wins over an ended context", func(p *probe) {
		e := rt.NewEvent(p)
		e.Fire()
		p.is(e.Wait(p.ended()), nil, "Wait")
	}},
	{"everybody who waits hears of it", func(p *probe) {
		c := &counting{Runtime: p}
		e := rt.NewEvent(c)
		for range 10 {
			p.spawn(func() { p.is(e.Wait(p.ctx), nil, "Wait") })
		}
		c.parked(p, 10)
		e.Fire()
		p.join()
	}},
	{"a waiter that gives up leaves the others", func(p *probe) {
		c := &counting{Runtime: p}
		e := rt.NewEvent(c)
		ctx, cancel := p.WithCancelCause(p.ctx)
		for i := range 9 {
			p.spawn(func() {
				if i%3 == 1 {
					p.is(e.Wait(ctx), errCause, "Wait of one that gives up")
				} else {
					p.is(e.Wait(p.ctx), nil, "Wait")
				}
			})
		}
		c.parked(p, 9)
		cancel(errCause)
		p.left(6)
		e.Fire()
		p.join()
	}},
	{"Fire that meets the end of a context loses nobody", func(p *probe) {
		for range 200 {
			e := rt.NewEvent(p)
			ctx, cancel := p.WithCancelCause(p.ctx)
			p.spawn(func() { p.jitter(); cancel(errCause) })
			p.spawn(func() { p.jitter(); e.Fire() })
			p.spawn(func() { p.is(e.Wait(p.ctx), nil, "Wait of one that stays") })
			if err := e.Wait(ctx); err != nil {
				p.is(err, errCause, "Wait")
			}
			p.join()
			p.is(e.Wait(ctx), nil, "Wait after Fire")
		}
	}},
	{"one task may wait again and again", func(p *probe) {
		e := rt.NewEvent(p)
		for range 20 {
			p.is(e.Wait(p.ended()), errCause, "Wait before")
		}
		p.spawn(e.Fire)
		p.is(e.Wait(p.ctx), nil, "Wait")
	}},
}
