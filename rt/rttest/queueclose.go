package rttest

import (
	"github.com/maculamesh/macula/rt"
)

var queueCloseCases = []testCase{
	{"what is queued comes out, then the error", func(p *probe) {
		q := rt.NewQueue[int](p, 3)
		p.is(q.TryPut(1), nil, "TryPut")
		p.is(q.TryPut(2), nil, "TryPut")
		p.is(q.TryPut(3), nil, "TryPut")
		q.Close(errOther)
		v, err := q.Get(p.ctx)
		p.check(v == 1 && err == nil, "first Get: %d, %v", v, err)
		v, ok := q.TryGet()
		p.check(v == 2 && ok, "TryGet: %d, %v", v, ok)
		v, err = q.Get(p.ended())
		p.check(v == 3 && err == nil, "third Get: %d, %v", v, err)
		_, ok = q.TryGet()
		p.check(!ok, "TryGet at the end is true")
		_, err = q.Get(p.ctx)
		p.is(err, errOther, "Get at the end")
		_, err = q.Get(p.ended())
		p.is(err, errOther, "Get at the end with an ended context")
	}},
	{"nothing goes in any more", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		q.Close(errOther)
		p.is(q.TryPut(1), errOther, "TryPut")
		p.is(q.Put(p.ctx, 1), errOther, "Put")
		p.is(q.Put(p.ended(), 1), errOther, "Put with an ended context")
		p.check(q.Len() == 0, "Len is %d", q.Len())
	}},
	{"the first error stays", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		q.Close(errOther)
		q.Close(errCause)
		q.Close(nil)
		p.is(q.TryPut(1), errOther, "TryPut")
	}},
	{"no error is ErrClosed", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		q.Close(nil)
		q.Close(errOther)
		_, err := q.Get(p.ctx)
		p.is(err, rt.ErrClosed, "Get")
	}},
	{"any error will do", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		q.Close(rt.ErrFull)
		p.is(q.Put(p.ctx, 1), rt.ErrFull, "Put")
	}},
	{"who waits in Get gets the error", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		for range 3 {
			p.spawn(func() {
				_, err := q.Get(p.ctx)
				p.is(err, errOther, "Get")
			})
		}
		c.parked(p, 3)
		q.Close(errOther)
		p.join()
	}},
	{"who waits in Put gets the error, and its item is not queued", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		p.is(q.TryPut(1), nil, "TryPut")
		for range 3 {
			p.spawn(func() { p.is(q.Put(p.ctx, 2), errOther, "Put") })
		}
		c.parked(p, 3)
		q.Close(errOther)
		p.join()
		v, ok := q.TryGet()
		p.check(ok && v == 1, "TryGet: %d, %v", v, ok)
		p.check(q.Len() == 0, "Len is %d, want 0", q.Len())
	}},
	{"Close that meets a Put leaves the item in or out", func(p *probe) {
		for i := range 200 {
			q := rt.NewQueue[int](p, 1)
			p.spawn(func() { p.jitter(); q.Close(errOther) })
			p.jitter()
			err := q.Put(p.ctx, i)
			p.join()
			v, ok := q.TryGet()
			p.check(ok == (err == nil), "Put: %v, but the item's presence is %v", err, ok)
			p.check(!ok || v == i, "got %d, want %d", v, i)
		}
	}},
}
