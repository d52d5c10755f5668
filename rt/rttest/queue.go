package rttest

import (
	"context"

	"github.com/maculamesh/macula/rt"
)

var queueCases = []testCase{
	{"items leave in the order in which they came", func(p *probe) {
		q := rt.NewQueue[int](p, 5)
		in, out := 0, 0
		// The steps let the ring grow and wrap around.
		for _, step := range []int{2, -1, 4, -5, 3, -2, 4, -5, 5, -5} {
			for ; step > 0; step-- {
				p.is(q.Put(p.ctx, in), nil, "Put")
				in++
			}
			for ; step < 0; step++ {
				v, err := q.Get(p.ctx)
				p.is(err, nil, "Get")
				p.check(v == out, "got item %d, want %d", v, out)
				out++
			}
			p.check(q.Len() == in-out, "Len is %d, want %d", q.Len(), in-out)
		}
		p.check(q.Cap() == 5, "Cap is %d, want 5", q.Cap())
	}},
	{"it holds no more than its capacity", func(p *probe) {
		q := rt.NewQueue[int](p, 2)
		p.is(q.TryPut(1), nil, "first TryPut")
		p.is(q.TryPut(2), nil, "second TryPut")
		p.is(q.TryPut(3), rt.ErrFull, "third TryPut")
		p.is(q.Put(p.ended(), 3), errCause, "third Put")
		p.check(q.Len() == 2, "Len is %d, want 2", q.Len())
		v, ok := q.TryGet()
		p.check(ok && v == 1, "TryGet: %d, %v", v, ok)
		p.is(q.TryPut(4), nil, "TryPut after TryGet")
	}},
	{"nothing comes out of an empty one", func(p *probe) {
		q := rt.NewQueue[int](p, 2)
		_, ok := q.TryGet()
		p.check(!ok, "TryGet of an empty queue is true")
		_, err := q.Get(p.ended())
		p.is(err, errCause, "Get")
	}},
	{"an item or room wins over an ended context", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		p.is(q.Put(p.ended(), 7), nil, "Put with room")
		v, err := q.Get(p.ended())
		p.is(err, nil, "Get with an item")
		p.check(v == 7, "got %d, want 7", v)
	}},
	{"a capacity below one panics", func(p *probe) {
		p.check(panics(func() { rt.NewQueue[int](p, 0) }), "it does not")
	}},
	{"Put waits for room", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		p.is(q.Put(p.ctx, 1), nil, "Put")
		p.spawn(func() { p.is(q.Put(p.ctx, 2), nil, "Put of one that waits") })
		c.parked(p, 1)
		p.check(q.Len() == 1, "Len is %d with one that waits, want 1", q.Len())
		for want := 1; want <= 2; want++ {
			v, err := q.Get(p.ctx)
			p.is(err, nil, "Get")
			p.check(v == want, "got %d, want %d", v, want)
		}
	}},
	{"tasks that wait in Put are served in their order", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		p.is(q.TryPut(0), nil, "TryPut")
		for i := 1; i <= 6; i++ {
			p.spawn(func() { p.is(q.Put(p.ctx, i), nil, "Put") })
			c.parked(p, i)
		}
		for want := 0; want <= 6; want++ {
			v, ok := q.TryGet()
			p.check(ok && v == want, "got %d (%v), want %d", v, ok, want)
			if want < 6 {
				p.is(q.TryPut(99), rt.ErrFull, "TryPut before tasks that wait")
			}
		}
		p.join()
	}},
	{"tasks that wait in Get are served in their order", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		for i := range 6 {
			p.spawn(func() {
				v, err := q.Get(p.ctx)
				p.is(err, nil, "Get")
				p.check(v == i, "number %d got item %d", i, v)
			})
			c.parked(p, i+1)
		}
		for i := range 6 {
			p.is(q.TryPut(i), nil, "TryPut for a task that waits")
			p.check(q.Len() == 0, "Len is %d with tasks that wait", q.Len())
			_, ok := q.TryGet()
			p.check(!ok, "TryGet overtook a task that waits")
		}
		p.join()
	}},
	{"a Put that gives up leaves nothing", func(p *probe) {
		c := &counting{Runtime: p}
		q := rt.NewQueue[int](c, 1)
		p.is(q.TryPut(1), nil, "TryPut")
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.is(q.Put(ctx, 2), errCause, "Put of one that gives up") })
		c.parked(p, 1)
		p.spawn(func() { p.is(q.Put(p.ctx, 3), nil, "Put of one that stays") })
		c.parked(p, 2)
		cancel(errCause)
		p.left(1)
		for _, want := range []int{1, 3} {
			v, err := q.Get(p.ctx)
			p.is(err, nil, "Get")
			p.check(v == want, "got %d, want %d", v, want)
		}
		p.join()
		p.check(q.Len() == 0, "Len is %d at the end", q.Len())
	}},
	{"an item that meets the end of a context is not lost", putMeetsCancel},
	{"room that meets the end of a context is not lost", getMeetsCancel},
	{"each producer's items stay in order", producersInOrder},
}

// putMeetsCancel puts an item while the only Get gives up: either it has the
// item, or the queue still has it.
func putMeetsCancel(p *probe) {
	q := rt.NewQueue[int](p, 1)
	for i := range 200 {
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.jitter(); cancel(errCause) })
		p.spawn(func() { p.jitter(); p.is(q.TryPut(i), nil, "TryPut") })
		v, err := q.Get(ctx)
		p.join()
		if err != nil {
			p.is(err, errCause, "Get of one that gives up")
			v, err = q.Get(p.ended())
			p.is(err, nil, "Get of what is left")
		}
		p.check(v == i, "got %d, want %d", v, i)
		p.check(q.Len() == 0, "Len is %d after the round", q.Len())
	}
}

// getMeetsCancel makes room while the only waiting Put gives up: its item is
// in the queue exactly if it returned nil.
func getMeetsCancel(p *probe) {
	q := rt.NewQueue[int](p, 1)
	for i := range 200 {
		p.is(q.TryPut(-1), nil, "TryPut")
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.jitter(); cancel(errCause) })
		p.spawn(func() {
			p.jitter()
			v, ok := q.TryGet()
			p.check(ok && v == -1, "TryGet: %d, %v", v, ok)
		})
		err := q.Put(ctx, i)
		p.join()
		v, ok := q.TryGet()
		p.check(ok == (err == nil), "Put: %v, but the item's presence is %v", err, ok)
		p.check(err != nil || v == i, "got %d, want %d", v, i)
	}
}

// producersInOrder has several tasks put numbered items, some of which give up
// at random, and one that takes them: nothing is lost, doubled or overtaken.
func producersInOrder(p *probe) {
	const producers, each = 4, 60
	type item struct{ from, n int }
	q := rt.NewQueue[item](p, 3)
	done := rt.NewGroup(p)
	var put [producers]int // the accepted items, read after done.Wait
	for from := range producers {
		done.Go("rttest", func() {
			for n := range each {
				ctx, cancel := p.WithCancelCause(p.ctx)
				p.spawn(func() {
					if n%4 == 0 {
						p.jitter()
						cancel(errCause)
					}
				})
				if q.Put(ctx, item{from, n}) == nil {
					put[from]++
				}
				cancel(nil)
			}
		})
	}
	p.spawn(func() {
		p.is(done.Wait(p.ctx), nil, "waiting for the producers")
		q.Close(nil)
	})
	var got [producers]int
	last := [producers]int{-1, -1, -1, -1}
	for {
		v, err := q.Get(context.Background())
		if err != nil {
			p.is(err, rt.ErrClosed, "the end of the queue")
			break
		}
		p.check(v.n > last[v.from], "item %d of producer %d came after its item %d", v.n, v.from, last[v.from])
		last[v.from] = v.n
		got[v.from]++
	}
	p.check(got == put, "put %v items and got %v", put, got)
}
