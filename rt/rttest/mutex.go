package rttest

import (
	"sync/atomic"

	"github.com/maculamesh/macula/rt"
)

// What may not be done with a Mutex held is the simulator's to refuse, and in
// its tests.

var mutexCases = []testCase{
	{"it keeps tasks apart", func(p *probe) {
		const tasks, rounds = 8, 100
		mu := rt.NewMutex(p)
		var inside atomic.Int64
		n := 0
		for range tasks {
			p.spawn(func() {
				for range rounds {
					mu.Lock()
					p.check(inside.Add(1) == 1, "two tasks have it")
					was := n
					for range 10000 {
						inside.Load() // so that it takes a moment
					}
					n = was + 1
					inside.Add(-1)
					mu.Unlock()
					p.Yield()
				}
			})
		}
		p.join()
		p.check(n == tasks*rounds, "counted %d of %d", n, tasks*rounds)
	}},
	{"a panic that unlocks on its way leaves it free", func(p *probe) {
		mu := rt.NewMutex(p)
		n := 0
		for range 3 {
			p.check(panics(func() {
				mu.Lock()
				defer mu.Unlock()
				n++
				panic("under a mutex")
			}), "the panic is gone")
		}
		p.spawn(func() {
			mu.Lock()
			defer mu.Unlock()
			p.check(n == 3, "another task sees %d, want 3", n)
		})
		p.join()
	}},
	{"what never blocks may be called with it held", underMutex},
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
