package rttest

import (
	"context"
	"sync/atomic"

	"github.com/maculamesh/macula/rt"
)

var groupCases = []testCase{
	{"it waits for every task", func(p *probe) {
		g := rt.NewGroup(p)
		var ended atomic.Int64
		for range 10 {
			ok := g.Go("rttest", func() { p.jitter(); ended.Add(1) })
			p.check(ok, "Go is false")
		}
		p.is(g.Wait(p.ctx), nil, "Wait")
		p.check(ended.Load() == 10, "Wait returned after %d of 10 tasks", ended.Load())
		p.check(g.Count() == 0, "Count is %d after Wait", g.Count())
	}},
	{"without tasks nobody waits, whatever the context", func(p *probe) {
		p.is(rt.NewGroup(p).Wait(p.ended()), nil, "Wait")
	}},
	{"Count is the number of tasks that have not ended", func(p *probe) {
		g, e := rt.NewGroup(p), rt.NewEvent(p)
		for i := range 3 {
			g.Go("rttest", func() { p.is(e.Wait(p.ctx), nil, "Wait") })
			p.check(g.Count() == i+1, "Count is %d, want %d", g.Count(), i+1)
		}
		p.is(g.Wait(p.ended()), errCause, "Wait with tasks and an ended context")
		e.Fire()
		p.is(g.Wait(p.ctx), nil, "Wait")
	}},
	{"after Close it starts nothing", func(p *probe) {
		g, e := rt.NewGroup(p), rt.NewEvent(p)
		g.Go("rttest", func() { p.is(e.Wait(p.ctx), nil, "Wait") })
		g.Close()
		g.Close()
		ok := g.Go("rttest", func() { p.t.Errorf("a task of a closed group ran") })
		p.check(!ok, "Go after Close is true")
		p.check(g.Count() == 1, "Count is %d, want 1", g.Count())
		e.Fire()
		p.is(g.Wait(p.ctx), nil, "Wait")
	}},
	{"a task may start another of its group", func(p *probe) {
		g := rt.NewGroup(p)
		var ended atomic.Int64
		g.Go("rttest", func() {
			g.Go("rttest", func() { p.jitter(); ended.Add(1) })
			ended.Add(1)
		})
		p.is(g.Wait(p.ctx), nil, "Wait")
		p.check(ended.Load() == 2, "Wait returned after %d of 2 tasks", ended.Load())
	}},
	{"the end of the context ends a wait, the tasks go on", func(p *probe) {
		c := &counting{Runtime: p}
		g, e := rt.NewGroup(c), rt.NewEvent(p)
		ctx, cancel := p.WithCancelCause(p.ctx)
		g.Go("rttest", func() { p.is(e.Wait(p.ctx), nil, "Wait") })
		for i := range 4 {
			p.spawn(func() {
				if i%2 == 0 {
					p.is(g.Wait(ctx), errCause, "Wait of one that gives up")
				} else {
					p.is(g.Wait(p.ctx), nil, "Wait of one that stays")
				}
			})
		}
		c.parked(p, 4)
		cancel(errCause)
		p.left(2)
		p.check(g.Count() == 1, "Count is %d, want 1", g.Count())
		e.Fire()
		p.join()
	}},
	{"a task that panics is counted out", func(p *probe) {
		g := rt.NewGroup(recovering{p})
		g.Go("rttest", func() { panic("on purpose") })
		p.is(g.Wait(p.ctx), nil, "Wait")
		p.check(g.Count() == 0, "Count is %d", g.Count())
	}},
	{"a task that ends as the context does loses nobody", func(p *probe) {
		for range 200 {
			g := rt.NewGroup(p)
			ctx, cancel := p.WithCancelCause(context.Background())
			g.Go("rttest", p.jitter)
			p.spawn(func() { p.jitter(); cancel(errCause) })
			p.spawn(func() { p.is(g.Wait(p.ctx), nil, "Wait of one that stays") })
			if err := g.Wait(ctx); err != nil {
				p.is(err, errCause, "Wait")
			}
			p.join()
			p.is(g.Wait(ctx), nil, "Wait after the end")
		}
	}},
}

// recovering is a runtime whose tasks survive their panics.
type recovering struct{ rt.Runtime }

func (r recovering) Go(name string, f func()) {
	r.Runtime.Go(name, func() {
		defer func() { recover() }()
		f()
	})
}
