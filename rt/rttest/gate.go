package rttest

import (
	"github.com/maculamesh/macula/rt"
)

var gateCases = []testCase{
	{"it begins as it is made", func(p *probe) {
		p.check(rt.NewGate(p, true).IsOpen(), "an open gate is shut")
		p.check(!rt.NewGate(p, false).IsOpen(), "a shut gate is open")
	}},
	{"one passes as long as it is open", func(p *probe) {
		g := rt.NewGate(p, false)
		p.is(g.Pass(p.ended()), errCause, "Pass of a shut gate")
		g.Open()
		g.Open()
		p.is(g.Pass(p.ctx), nil, "Pass of an open gate")
		p.is(g.Pass(p.ctx), nil, "Pass once more")
		g.Shut()
		p.check(!g.IsOpen(), "IsOpen after Shut")
		p.is(g.Pass(p.ended()), errCause, "Pass after Shut")
	}},
	{"an open gate wins over an ended context", func(p *probe) {
		p.is(rt.NewGate(p, true).Pass(p.ended()), nil, "Pass")
	}},
	{"Open lets everybody pass who waits", func(p *probe) {
		c := &counting{Runtime: p}
		g := rt.NewGate(c, false)
		for range 10 {
			p.spawn(func() { p.is(g.Pass(p.ctx), nil, "Pass") })
		}
		c.parked(p, 10)
		g.Open()
		p.join()
	}},
	{"the end of the context ends a wait, with the cause", func(p *probe) {
		c := &counting{Runtime: p}
		g := rt.NewGate(c, false)
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { p.is(g.Pass(ctx), errCause, "Pass") })
		c.parked(p, 1)
		cancel(errCause)
		p.join()
		g.Open()
		p.is(g.Pass(p.ctx), nil, "Pass of another")
	}},
	{"who meets it shut again waits for the next time", func(p *probe) {
		c := &counting{Runtime: p}
		g := rt.NewGate(c, false)
		for range 5 {
			p.spawn(func() { p.is(g.Pass(p.ctx), nil, "Pass") })
		}
		c.parked(p, 5)
		for range 20 {
			g.Open()
			g.Shut()
			p.jitter()
		}
		g.Open()
		p.join()
	}},
	{"it is a condition that misses nothing", gateAsCondition},
}

// gateAsCondition passes items through a variable under a mutex, with a gate
// that says whether there are any: if an Open were lost, it would hang.
func gateAsCondition(p *probe) {
	const n = 300
	mu := rt.NewMutex(p)
	g := rt.NewGate(p, false)
	items := 0
	p.spawn(func() {
		for range n {
			mu.Lock()
			items++
			g.Open()
			mu.Unlock()
			p.jitter()
		}
	})
	for taken := 0; taken < n; {
		if err := g.Pass(p.ctx); err != nil {
			p.t.Errorf("hangs with %d of %d taken", taken, n)
			return
		}
		mu.Lock()
		taken += items
		items = 0
		g.Shut()
		mu.Unlock()
	}
}
