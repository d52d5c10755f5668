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
