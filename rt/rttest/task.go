package rttest

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/maculamesh/macula/rt"
)

var taskCases = []testCase{
	{"Go runs f beside the caller", func(p *probe) {
		// f needs the lock that its starter holds: it cannot run within Go.
		mu := rt.NewMutex(p)
		e := rt.NewEvent(p)
		mu.Lock()
		p.Go("rttest", func() {
			mu.Lock()
			mu.Unlock()
			e.Fire()
		})
		mu.Unlock()
		p.await(e, "the task")
	}},
	{"tasks start tasks", func(p *probe) {
		const depth = 50
		e := rt.NewEvent(p)
		var start func(n int)
		start = func(n int) {
			p.Go("rttest", func() {
				if n == 0 {
					e.Fire()
					return
				}
				start(n - 1)
			})
		}
		start(depth)
		p.await(e, "the innermost task")
	}},
	{"a mutex keeps tasks apart", func(p *probe) {
		mu := rt.NewMutex(p)
		n := 0
		for range 8 {
			p.spawn(func() {
				for range 100 {
					mu.Lock()
					n++
					mu.Unlock()
					p.Yield()
				}
			})
		}
		p.join()
		p.check(n == 800, "counted %d of 800", n)
	}},
	{"what never blocks may be called under a mutex", underMutex},
	{"Rand is the same stream at every call", func(p *probe) {
		a, b := p.Rand("one"), p.Rand("one")
		p.check(draw(a) != draw(b), "two calls gave the same numbers: two streams")
	}},
	{"Rand differs by purpose", func(p *probe) {
		p.check(draw(p.Rand("one")) != draw(p.Rand("two")), "two purposes gave the same numbers")
	}},
	{"Rand is safe for concurrent use", func(p *probe) {
		var drawn atomic.Int64
		for range 4 {
			p.spawn(func() {
				for range 200 {
					p.Rand("one").Uint64()
					drawn.Add(1)
				}
			})
		}
		p.join()
		p.check(drawn.Load() == 800, "drew %d of 800", drawn.Load())
	}},
}

// draw takes enough that equality is no coincidence.
func draw(r *rand.Rand) [4]uint64 {
	return [4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}

// underMutex calls each non-blocking operation with an rt.Mutex held while
// tasks wait for it. The simulator panics if one of them could park.
func underMutex(p *probe) {
	c := &counting{Runtime: p}
	event, gate := rt.NewEvent(c), rt.NewGate(c, false)
	full, empty := rt.NewQueue[int](c, 1), rt.NewQueue[int](c, 1)
	sem, group, k := rt.NewSemaphore(c, 1), rt.NewGroup(c), c.NewParker()
	p.is(full.TryPut(1), nil, "TryPut")
	p.check(sem.TryAcquire(), "TryAcquire")
	waits := []func() error{
		func() error { return event.Wait(p.ctx) },
		func() error { return gate.Pass(p.ctx) },
		func() error { return full.Put(p.ctx, 2) },
		func() error { _, err := empty.Get(p.ctx); return err },
		func() error { return sem.Acquire(p.ctx) },
		func() error { return k.Park(p.ctx) },
	}
	for _, wait := range waits {
		p.spawn(func() { p.is(wait(), nil, "a wait") })
	}
	c.parked(p, len(waits))
	mu := rt.NewMutex(p)
	mu.Lock()
	event.Fire()
	gate.Open()
	full.TryGet()
	p.is(empty.TryPut(3), nil, "TryPut under a mutex")
	sem.Release()
	k.Unpark()
	p.check(group.Go("rttest", func() { mu.Lock(); mu.Unlock() }), "Group.Go under a mutex is false")
	mu.Unlock()
	p.join()
	mu.Lock()
	gate.Shut()
	p.check(!sem.TryAcquire(), "TryAcquire took a permit that was handed on")
	full.Close(nil)
	group.Close()
	mu.Unlock()
	p.is(group.Wait(p.ctx), nil, "Group.Wait")
}
