package scenario

import (
	"time"

	"github.com/maculamesh/macula/netsim"
)

// worldLines carry out worldVerbs.
var worldLines = map[string]func(p *performance, r *Request){
	"disk":    setDisks,
	"buggify": func(*performance, *Request) {}, // the world was made with it
	"link": func(p *performance, r *Request) {
		p.eachLink(p.chosen(r), func(a, b *Place) { p.s.SetLink(a, b, link(r)) })
	},
}

// link reads the link of a line.
func link(r *Request) Link {
	return Link{
		Latency: r.Duration("latency"), Jitter: r.Duration("jitter"), Loss: netsim.Ratio(r.Int("loss")),
		Reorder: netsim.Ratio(r.Int("reorder")), Bandwidth: r.Int("bandwidth"),
		Tail: netsim.Ratio(r.Int("tail")), TailLatency: r.Duration("tail-latency"), Queue: r.Int("queue"),
		MTU: int(r.Int("mtu")), Duplicate: netsim.Ratio(r.Int("duplicate")),
	}
}

// chosen are the nodes that a line names, or all.
func (p *performance) chosen(r *Request) []*Node {
	if r.Has("nodes") {
		return r.Each("nodes")
	}
	return p.nodes
}

// eachLink calls f for each two of the nodes, or for each other node when
// there is only one.
func (p *performance) eachLink(nodes []*Node, f func(a, b *Place)) {
	if len(nodes) == 1 {
		for _, o := range p.nodes {
			if o != nodes[0] {
				f(nodes[0].Place, o.Place)
			}
		}
	}
	for i, a := range nodes {
		for _, b := range nodes[:i] {
			f(a.Place, b.Place)
		}
	}
}

// cut drops what goes from a place to another, until the end of every cut of
// the two.
func (p *performance) cut(pairs [][2]*Place) (end func()) {
	for _, x := range pairs {
		if p.cuts[x]++; p.cuts[x] == 1 {
			p.s.net.Cut(x[0].host, x[1].host)
		}
	}
	return func() {
		for _, x := range pairs {
			if p.cuts[x]--; p.cuts[x] == 0 {
				p.s.net.Heal(x[0].host, x[1].host)
			}
		}
	}
}

func beginCut(p *performance, r *Request) func() {
	return p.cut([][2]*Place{{r.At("from").Place, r.At("to").Place}})
}

func beginPartition(p *performance, r *Request) func() {
	groups := r.Groups("group")
	var pairs [][2]*Place
	for i, g := range groups {
		for j, other := range groups {
			if i == j {
				continue
			}
			for _, a := range g {
				for _, b := range other {
					if a != b {
						pairs = append(pairs, [2]*Place{p.by[a].Place, p.by[b].Place})
					}
				}
			}
		}
	}
	return p.cut(pairs)
}

func beginIsolate(p *performance, r *Request) func() {
	n := r.At("node")
	var pairs [][2]*Place
	for _, o := range p.nodes {
		if o != n {
			pairs = append(pairs, [2]*Place{n.Place, o.Place}, [2]*Place{o.Place, n.Place})
		}
	}
	return p.cut(pairs)
}

func beginRing(p *performance, r *Request) func() {
	nodes := r.Each("nodes")
	var pairs [][2]*Place
	for i, a := range nodes {
		for j, b := range nodes {
			if apartInRing(i, j, len(nodes)) {
				pairs = append(pairs, [2]*Place{a.Place, b.Place})
			}
		}
	}
	return p.cut(pairs)
}

func beginKill(p *performance, r *Request) func() {
	p.s.Kill(r.At("from").Place, r.At("to").Place)
	return nil
}

func beginBreak(p *performance, r *Request) func() {
	p.s.KillAfter(r.At("from").Place, r.At("to").Place, r.Int("after"))
	return nil
}

// beginHold holds a link until the end of every hold of it.
func beginHold(p *performance, r *Request) func() {
	key := [2]*Place{r.At("from").Place, r.At("to").Place}
	if p.held[key]++; p.held[key] == 1 {
		p.s.Hold(key[0], key[1])
	}
	return func() {
		if p.held[key]--; p.held[key] == 0 {
			p.s.Release(key[0], key[1])
		}
	}
}

// beginSwizzle ends by itself: when the line says, or five seconds later, and
// not after the border of the phases.
func beginSwizzle(p *performance, r *Request) func() {
	within, ok := r.Lasting()
	if !ok {
		within = 5 * time.Second
		if p.sc.Calm > 0 {
			within = min(within, p.begun.Add(p.sc.Calm).Sub(p.s.director.Now()))
		}
	}
	var places []*Place
	for _, n := range r.Each("nodes") {
		places = append(places, n.Place)
	}
	if within > 0 {
		p.s.Go("swizzle", func() { p.s.Swizzle(r.Rand, places, within) })
	}
	return func() {}
}

func beginRebind(p *performance, r *Request) func() {
	r.At("node").Rebind()
	return nil
}

func beginExhaust(p *performance, r *Request) func() {
	n := r.At("node")
	return p.switched("exhaust", n, n.ExhaustPorts)
}

// beginSlowRead, of several that overlap, lets the last one decide.
func beginSlowRead(p *performance, r *Request) func() {
	n := r.At("node")
	end := p.switched("slowread", n, func(on bool) {
		if !on {
			n.SlowReader(0)
		}
	})
	n.SlowReader(r.Int("rate"))
	return end
}

func beginForget(p *performance, r *Request) func() {
	p.s.net.HalfOpen(r.At("from").host, r.At("to").host)
	return nil
}

// switched is a fault of a node that is on or off, whoever began it.
func (p *performance) switched(kind string, n *Node, set func(on bool)) (end func()) {
	n.disturb()
	if n.on[kind]++; n.on[kind] == 1 {
		set(true)
	}
	return func() {
		n.disturb()
		if n.on[kind]--; n.on[kind] == 0 {
			set(false)
		}
	}
}

func beginStall(p *performance, r *Request) func() {
	n := r.At("node")
	return p.switched("stall", n, func(on bool) { p.s.net.StallHandshakes(n.host, on) })
}

func beginRefuse(p *performance, r *Request) func() {
	n := r.At("node")
	return p.switched("refuse", n, func(on bool) { p.s.net.FailHandshakes(n.host, on) })
}

// beginWeather remembers what each link was like before the first of the
// changes that have not ended.
func beginWeather(p *performance, r *Request) func() {
	type dir struct{ from, to *Place }
	var dirs []dir
	p.eachLink(r.Each("nodes"), func(a, b *Place) { dirs = append(dirs, dir{a, b}, dir{b, a}) })
	for _, d := range dirs {
		key := [2]*Place{d.from, d.to}
		w := p.weather[key]
		if w == nil {
			w = &weather{clear: p.s.net.Link(d.from.host, d.to.host)}
			p.weather[key] = w
		}
		w.changes++
		p.s.net.SetLink(d.from.host, d.to.host, link(r))
	}
	return func() {
		for _, d := range dirs {
			w := p.weather[[2]*Place{d.from, d.to}]
			if w.changes--; w.changes == 0 {
				p.s.net.SetLink(d.from.host, d.to.host, w.clear)
				delete(p.weather, [2]*Place{d.from, d.to})
			}
		}
	}
}

// weather is a link that was changed.
type weather struct {
	clear   Link // what it was before
	changes int
}

// beginCrash lets a machine crash; one that is down stays down until the last
// of its crashes ends.
func beginCrash(p *performance, r *Request) func() {
	n := r.At("node")
	return p.switched("crash", n, func(on bool) {
		if on {
			n.Place.Crash()
			if p.sub.Crashed != nil {
				p.sub.Crashed(n)
			}
			return
		}
		n.Place.Restart()
		if p.sub.Restarted != nil {
			p.sub.Restarted(n)
		}
		if n.on["pause"] > 0 {
			n.Pause() // the crash has ended it
		}
	})
}

func beginPause(p *performance, r *Request) func() {
	n := r.At("node")
	return p.switched("pause", n, func(on bool) {
		if on {
			n.Pause()
		} else {
			n.Resume()
		}
	})
}

// beginSlow, of several that overlap, lets the last one decide.
func beginSlow(p *performance, r *Request) func() {
	n := r.At("node")
	end := p.switched("slow", n, func(on bool) {
		if !on {
			n.machine.Slow(0)
		}
	})
	n.machine.Slow(r.Duration("by"))
	return end
}

func beginWall(_ *performance, r *Request) func() {
	r.At("node").StepWall(r.Duration("by"))
	return nil
}

func beginJump(_ *performance, r *Request) func() {
	n := r.At("node")
	n.disturb()
	n.machine.StepMono(r.Duration("by"))
	return nil
}

func beginDrift(p *performance, r *Request) func() {
	n := r.At("node")
	end := p.switched("drift", n, func(on bool) {
		if !on {
			n.machine.Drift(0)
		}
	})
	n.machine.Drift(r.Int("by"))
	return end
}

// disturb notes that the speed or a clock of the place changes now.
func (p *Place) disturb() { p.disturbed = p.s.director.Now() }

// Steady reports whether the machine has run at its usual speed, with clocks
// that run as the others do, for the last d: else what it does may be late,
// and nobody's fault.
func (p *Place) Steady(d time.Duration) bool {
	return p.on["pause"]+p.on["slow"]+p.on["drift"] == 0 && p.disturbed.Add(d) <= p.s.director.Now()
}

// Down reports whether a fault of the plan keeps the machine down.
func (p *Place) Down() bool { return p.on["crash"] > 0 }
