package rttest

import (
	"context"
	"sync/atomic"

	"github.com/maculamesh/macula/rt"
)

var semaphoreCases = []testCase{
	{"it has n permits", func(p *probe) {
		s := rt.NewSemaphore(p, 3)
		for i := range 3 {
			p.check(s.InUse() == i, "InUse is %d, want %d", s.InUse(), i)
			p.is(s.Acquire(context.Background()), nil, "Acquire")
		}
		p.check(!s.TryAcquire(), "a fourth of three permits")
		p.is(s.Acquire(p.ended()), errCause, "Acquire of a fourth")
		s.Release()
		p.check(s.InUse() == 2, "InUse is %d, want 2", s.InUse())
		p.check(s.TryAcquire(), "TryAcquire of a free permit")
	}},
	{"a free permit wins over an ended context", func(p *probe) {
		p.is(rt.NewSemaphore(p, 1).Acquire(p.ended()), nil, "Acquire")
	}},
	{"with n = 0 there is none", func(p *probe) {
		s := rt.NewSemaphore(p, 0)
		p.check(!s.TryAcquire(), "TryAcquire")
		p.is(s.Acquire(p.ended()), errCause, "Acquire")
	}},
	{"too many releases panic", func(p *probe) {
		s := rt.NewSemaphore(p, 2)
		p.check(panics(s.Release), "Release of a new semaphore does not panic")
		p.is(s.Acquire(p.ctx), nil, "Acquire")
		s.Release()
		p.check(panics(s.Release), "a second Release does not panic")
		p.check(s.TryAcquire() && s.TryAcquire() && !s.TryAcquire(), "a Release that panicked changed the permits")
		p.check(panics(func() { rt.NewSemaphore(p, -1) }), "a negative number does not panic")
	}},
	{"who came first gets the permit first", semaphoreFIFO},
	{"a released permit belongs to who waits", func(p *probe) {
		c := &counting{Runtime: p}
		s := rt.NewSemaphore(c, 1)
		p.is(s.Acquire(p.ctx), nil, "Acquire")
		p.spawn(func() { p.is(s.Acquire(p.ctx), nil, "Acquire of one that waits") })
		c.parked(p, 1)
		s.Release()
		p.check(!s.TryAcquire(), "TryAcquire overtook a task that waits")
		p.join()
		p.check(s.InUse() == 1, "InUse is %d, want 1", s.InUse())
	}},
	{"a Release that meets the end of a context loses no permit", releaseMeetsCancel},
	{"never more than n have one", func(p *probe) {
		const n = 3
		s := rt.NewSemaphore(p, n)
		var in atomic.Int64
		for range 10 {
			p.spawn(func() {
				for range 20 {
					p.is(s.Acquire(p.ctx), nil, "Acquire")
					p.check(in.Add(1) <= n, "more than %d have a permit", n)
					p.jitter()
					in.Add(-1)
					s.Release()
				}
			})
		}
		p.join()
		p.check(s.InUse() == 0, "InUse is %d at the end", s.InUse())
	}},
}

func semaphoreFIFO(p *probe) {
	const n = 8
	c := &counting{Runtime: p}
	s := rt.NewSemaphore(c, 1)
	p.is(s.Acquire(p.ctx), nil, "Acquire")
	order := rt.NewQueue[int](p, n)
	for i := range n {
		p.spawn(func() {
			p.is(s.Acquire(p.ctx), nil, "Acquire")
			p.is(order.TryPut(i), nil, "TryPut")
			s.Release()
		})
		c.parked(p, i+1)
	}
	s.Release()
	p.join()
	for i := range n {
		got, _ := order.TryGet()
		p.check(got == i, "number %d came at place %d", got, i)
	}
}

// releaseMeetsCancel lets a permit be released while one of two waiters gives
// up: it must go to one of them, or be free again.
func releaseMeetsCancel(p *probe) {
	s := rt.NewSemaphore(p, 1)
	for range 200 {
		p.is(s.Acquire(p.ctx), nil, "Acquire")
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.jitter(); cancel(errCause) })
		p.spawn(func() { p.jitter(); s.Release() })
		p.spawn(func() {
			err := s.Acquire(ctx)
			if err == nil {
				s.Release()
				return
			}
			p.is(err, errCause, "Acquire of one that gives up")
		})
		p.spawn(func() {
			p.is(s.Acquire(p.ctx), nil, "Acquire of one that stays")
			s.Release()
		})
		p.join()
		p.check(s.InUse() == 0, "InUse is %d after the round", s.InUse())
	}
}
