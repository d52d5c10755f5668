package churn

import (
	"fmt"

	"github.com/maculamesh/macula/client"
)

// leave is a way to leave.
type leave int

const (
	leaves   leave = iota // in good order
	drops                 // its connection is closed under its calls
	vanishes              // without a word
	replaced              // by a newer session of the same id
)

// way draws how a party leaves. Who vanishes keeps a place until its silence is
// noticed, half a minute later, so more of them would leave room for little
// else.
func way(r interface{ Float64() float64 }) leave {
	switch x := r.Float64(); {
	case x < 0.40:
		return leaves
	case x < 0.65:
		return drops
	case x < 0.80:
		return vanishes
	}
	return replaced
}

// chair is where one party after the other sits, at two seats: when one is
// replaced by its next session, both exist for a while.
type chair struct {
	l     *Load
	at    int // the node
	name  string
	hoard bool
	seats [2]Seat // the second one of a peer is nil
	turn  int
}

func (s *chair) gateway() client.Gateway { return s.l.cfg.Nodes[s.at] }

// begin waits for the turn of the chair.
func (s *chair) begin() bool {
	r := s.l.r
	return s.l.sleep(r, durationUpTo(r, s.l.cfg.Ramp))
}

// clients lets one client after the other sit.
func (s *chair) clients() {
	l := s.l
	name, older := "", (*guest)(nil)
	for n := 0; ; n++ {
		if older == nil {
			name = fmt.Sprintf("%s-%d", s.name, n)
		}
		ok := n > 0 || s.begin()
		if ok && n > 0 && older == nil {
			ok = l.sleep(l.r, about(l.r, l.cfg.Away))
		}
		if !ok {
			break
		}
		at := s.seats[s.turn]
		g := &guest{chair: s, seat: at}
		done := at.Do("client", func() { g.visit(name) })
		if older != nil {
			s.bury(older, g)
			older = nil
		}
		switch {
		case !done:
			l.count(func(c *Counts) { c.Struck++ })
		case g.how == vanishes:
			at.Strike(g.clear)
			l.count(func(c *Counts) { c.Vanished++ })
		case g.how == replaced:
			older = g
			s.turn = 1 - s.turn
		}
	}
	if older != nil {
		s.bury(older, nil)
	}
}

// bury ends a session that was left behind for a newer one: when that one was
// let in, the older one has heard of it.
func (s *chair) bury(older, newer *guest) {
	ok := older.seat.Do("older session", func() {
		if newer != nil && newer.attached && !older.replacedBy() {
			s.l.wrong("the older session of %s does not end", s.name)
		}
		older.clear()
	})
	if !ok {
		s.l.count(func(c *Counts) { c.Struck++ })
	}
}
