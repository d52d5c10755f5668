package node

import (
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Pressure is how short the node is of memory and processor time.
type Pressure struct {
	Level   pressure.Level
	Used    int64 // bytes, by the last sample
	Limit   int64 // bytes that there may be; 0 when there is no limit
	Latency time.Duration
	Since   mono.Time // when the level was reached; the start of the node for the first
	Changes uint64    // of the level
}

// Pressure returns what load adaptation goes by. Without Deps.Load it is
// Normal for ever.
func (n *Node) Pressure() Pressure {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.pressure
	return Pressure{Level: s.Level, Used: s.Last.Used, Limit: s.Last.Limit, Latency: s.Last.Latency, Since: s.Since, Changes: s.Changes}
}

func (n *Node) level() pressure.Level {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pressure.Level
}

// critical reports whether the node takes nobody whom it does not know.
func (n *Node) critical() bool { return n.level() >= pressure.Critical }

const (
	// idleShare is which part of its places for peers a node keeps idle ones in,
	// under high pressure: an eighth is more than what is called again soon.
	idleShare = 8
	// hurry is how many times sooner an idle connection is closed then.
	hurry = 4
	// comeBack is what peers are told whose idle connections are closed then, plus
	// up to as much again: two levels are left in that time, and those who come
	// back sooner would cost more than they did.
	comeBack = 30 * time.Second
)

// adapted are the limits as they count under a level of pressure. Each level
// does what the one below does, and more.
func adapted(l Limits, level pressure.Level) Limits {
	if level >= pressure.Elevated {
		l.Clients = (3*l.Clients + 3) / 4
	}
	if level >= pressure.High {
		l.Clients = (2*l.Clients + 2) / 3 // half of what is configured
		l.IdleAfter = max(l.IdleAfter/hurry, 1)
		// No less than half: providers renew when a third has passed.
		l.TTL, l.MaxTTL = max(l.TTL/2, l.MinTTL), max(l.MaxTTL/2, l.MinTTL)
	}
	if level >= pressure.Critical {
		l.Clients = 0
	}
	return l
}

// adaptLoop follows the load until the node stops.
func (n *Node) adaptLoop() {
	g := pressure.New(n.cfg.Adapt, n.r.Now())
	for rt.Sleep(n.ctx, n.r, n.cfg.Adapt.Interval) == nil {
		n.adapt(g, n.deps.Load())
	}
}

// adapt takes one sample.
func (n *Node) adapt(g *pressure.Gauge, s pressure.Sample) {
	if n.change() != nil {
		return
	}
	defer n.changing.Release()
	was := g.State().Level
	level := g.Take(n.r.Now(), s)
	st := g.State()
	n.mu.Lock()
	n.pressure = st
	n.mu.Unlock()
	if level != was {
		n.actOn(level)
		l := n.acting()
		n.log.Info("pressure changed", "level", level.String(), "was", was.String(), "cause", st.Cause,
			"used", s.Used, "limit", s.Limit, "latency", s.Latency, "clients", l.Clients, "idle_after", l.IdleAfter)
	}
	if level < pressure.High {
		return
	}
	again := comeBack + time.Duration(n.r.Rand("node/adapt").Int64N(int64(comeBack)))
	if closed := n.pool.Trim(n.idleUnder(n.acting()), n.cfg.CleanupBatch, again); closed > 0 {
		n.mark("idle connections closed under pressure")
		n.log.Info("idle connections closed: short of memory", "closed", closed)
	}
}

// pressed refuses, before it says a word, a stranger whom a node under critical
// pressure does not take; nil for everybody else. Who is attached may come back.
func (n *Node) pressed(id transport.PeerID) *fault.Error {
	if !n.critical() || n.allowed(id) {
		return nil
	}
	if _, attached := n.clients.Get(id); attached {
		return nil
	}
	n.clients.Pressed()
	return &fault.Error{Op: "node", Kind: fault.Overload, Detail: "short of memory: nobody new is taken for now", RetryAfter: n.clients.RetryAfter()}
}
