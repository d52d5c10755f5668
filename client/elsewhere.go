package client

import (
	"slices"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
)

// moves is what gateways said of where else to attach. All of it is a hint: a
// dial proves who is there, and in which realm.
type moves struct {
	told  []Gateway     // by the last one that named any; bound: wire.MaxElsewhere
	asked bool          // the gateway of the last session has named others and then asked us to go
	taken *backoff.Rate // moves without a pause
}

// movesPerMinute is how often a client goes at once where it is sent. Gateways
// that sent it to and fro would else keep it running.
const movesPerMinute = 6

func newMoves() moves { return moves{taken: backoff.NewRate(movesPerMinute, time.Minute)} }

// hear notes where a gateway says that the client may go, and reports whether
// there is anything of use in it.
func (c *Client) hear(l *link.Link, e wire.Elsewhere) bool {
	var told []Gateway
	for _, g := range e.Gateways {
		if g.ID != c.deps.ID && g.ID != l.Peer() && g.Addr.Port() != 0 && !g.Addr.Addr().IsUnspecified() {
			told = append(told, Gateway(g))
		}
	}
	if len(told) == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moves.told = told
	return true
}

// askedToMove notes that the gateway which has named others says goodbye.
func (c *Client) askedToMove() {
	c.mu.Lock()
	c.moves.asked = true
	c.mu.Unlock()
}

// move reports whether the client goes on to another gateway without a pause,
// as the last one has asked.
func (c *Client) move() bool {
	now := c.r.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.moves.asked
	c.moves.asked = false
	return asked && c.moves.taken.Take(now) == 0
}

// choice is a gateway to try; next is the configured one after it.
type choice struct {
	Gateway
	next int
}

// choices are all gateways that the client knows, in the order in which it
// tries them: the configured ones from that one on, then those that it was told
// of. When it moves, the configured ones that it was told of come first, and
// then the others that it was told of.
func (c *Client) choices(from int, moving bool) []choice {
	c.mu.Lock()
	told := c.moves.told
	c.mu.Unlock()
	var named, own, other []choice
	for i := range c.cfg.Gateways {
		at := (from + i) % len(c.cfg.Gateways)
		g := choice{c.cfg.Gateways[at], at + 1}
		if moving && slices.Contains(told, g.Gateway) {
			named = append(named, g)
		} else {
			own = append(own, g)
		}
	}
	for _, g := range told {
		if !slices.Contains(c.cfg.Gateways, g) {
			other = append(other, choice{g, from})
		}
	}
	if moving {
		return slices.Concat(named, other, own)
	}
	return append(own, other...)
}
