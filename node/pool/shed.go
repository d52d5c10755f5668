package pool

import (
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// What is shed is out of the books of the admitted in one step, however much
// it is: the cap holds at once. It counts as closing until it has gone, but not
// against Config.Closing, which is for what makes room one by one.

// SetLimits changes how many connections may be admitted, at least 1, and how
// many of them peers may have dialled; 0 is no limit of their own. What is over
// the new limits goes, the quota first: idle ones first, the least recently used
// of them first, then those in use, the youngest first. All of them are asked to
// go away within drain, so the calls that they carry finish. It returns how many
// that is. It does not block.
func (p *Pool[C]) SetLimits(limit, inbound int, drain time.Duration) int {
	p.mu.Lock()
	p.lru.SetCap(limit)
	p.inbound = inbound
	var out []*Slot[C]
	if inbound > 0 {
		out = p.shedOver(out, p.lru.Marked()-inbound, p.lru.OldestMarked, func(s *Slot[C]) bool { return !s.Conn.Dialled() })
	}
	out = p.shedOver(out, p.lru.Len()-limit, p.lru.Oldest, func(*Slot[C]) bool { return true })
	p.counts.LimitLowered += uint64(len(out))
	replaced := p.serveWaiting() // a higher limit is room for those who wait
	p.mu.Unlock()
	p.evict(replaced)
	p.leaveWithin(out, drain)
	return len(out)
}

// shedOver sheds so many of some connections, in the order in which they go,
// and appends them. Called with the lock held.
func (p *Pool[C]) shedOver(out []*Slot[C], over int, oldest func() (transport.PeerID, *Slot[C], mono.Time, bool), some func(*Slot[C]) bool) []*Slot[C] {
	for ; over > 0; over-- {
		_, s, _, ok := oldest()
		if !ok {
			break
		}
		out = append(out, p.shed(s, fault.Overload))
	}
	if over <= 0 {
		return out
	}
	var busy []*Slot[C]
	for _, s := range p.lru.All() {
		if some(s) {
			busy = append(busy, s)
		}
	}
	for _, s := range busy[len(busy)-over:] {
		out = append(out, p.shed(s, fault.Overload))
	}
	return out
}

// Trim closes idle connections, the least recently used first, until no more
// than idle of them are left, at most max and at most as many as may be closing.
// Their peers are told to come back no sooner than after retryAfter. It returns
// how many it closed. It does not block.
func (p *Pool[C]) Trim(idle, max int, retryAfter time.Duration) int {
	var out []*Slot[C]
	p.mu.Lock()
	for len(out) < max && p.mayClose(1) && p.lru.Len()-p.lru.InUse() > idle {
		_, s, _, ok := p.lru.Oldest()
		if !ok {
			break
		}
		p.takeOut(s, fault.Overload)
		s.reason = reasonPressure
		out = append(out, s)
	}
	p.counts.Pressure += uint64(len(out))
	p.mu.Unlock()
	for _, s := range out {
		s.Conn.GoAway(s.why, retryAfter, p.cfg.DrainTimeout)
	}
	return len(out)
}

// Expel asks all connections whose peers are not allowed to go away within
// drain, in use or not, and returns whose they were. Newcomers that wait for
// room are turned away with Unauthorized. It does not block; allowed must not
// either.
func (p *Pool[C]) Expel(allowed func(transport.PeerID) bool, drain time.Duration) []transport.PeerID {
	var out []*Slot[C]
	p.mu.Lock()
	for peer, s := range p.lru.All() {
		if !allowed(peer) {
			out = append(out, p.shed(s, fault.Unauthorized))
		}
	}
	p.counts.Policy += uint64(len(out))
	p.waiting.removeIf(func(n *newcomer[C]) bool {
		turned := !allowed(n.conn.Peer())
		if turned {
			n.finish(nil, fault.New("pool.Expel", fault.Unauthorized, "this id is not in the list of peers any more"))
		}
		return turned
	})
	replaced := p.serveWaiting()
	p.mu.Unlock()
	p.evict(replaced)
	p.leaveWithin(out, drain)
	peers := make([]transport.PeerID, len(out))
	for i, s := range out {
		peers[i] = s.peer
	}
	return peers
}

// Expel is that of the pool for one connection whose peer is not allowed.
func (s *Slot[C]) Expel(drain time.Duration) {
	p := s.pool
	p.mu.Lock()
	was := s.out || s.gone
	var replaced []*Slot[C]
	if !was {
		p.shed(s, fault.Unauthorized)
		p.counts.Policy++
		replaced = p.serveWaiting()
	}
	p.mu.Unlock()
	p.evict(replaced)
	if !was {
		p.leaveWithin([]*Slot[C]{s}, drain)
	}
}

// shed takes an admitted connection out. Called with the lock held.
func (p *Pool[C]) shed(s *Slot[C], why fault.Kind) *Slot[C] {
	p.takeOut(s, why)
	s.shed, s.reason = true, reasonLimit
	if why == fault.Unauthorized {
		s.reason = reasonPolicy
	}
	p.shedding++
	return s
}

// mayClose reports whether so many connections more may be closing. Called with
// the lock held.
func (p *Pool[C]) mayClose(more int) bool { return p.closing-p.shedding+more <= p.cfg.Closing }

// leaveWithin asks what was shed to go away, outside of the lock.
func (p *Pool[C]) leaveWithin(out []*Slot[C], drain time.Duration) {
	for _, s := range out {
		s.Conn.GoAway(s.why, p.cfg.RetryAfter, drain)
	}
}
