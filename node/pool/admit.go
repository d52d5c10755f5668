package pool

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
)

// newcomer is a connection that waits for room.
type newcomer[C Conn] struct {
	conn C
	dial *dial[C] // whose callers get it, or nil
	dead *Slot[C] // an older connection to the same peer that gave no sign of life, or nil
	wake rt.Parker
	slot *Slot[C]
	err  error
	done bool
}

func (n *newcomer[C]) finish(s *Slot[C], err error) {
	n.slot, n.err, n.done = s, err, true
	n.wake.Unpark()
}

// ErrDuplicate is the kind of refusal of a connection that lost against
// another one to the same peer.
const ErrDuplicate = fault.Superseded

// Admit takes an accepted connection into the pool, waiting for room until
// ctx ends. It is in use: the caller calls Done when the peer has been told,
// so that it is not evicted before. On an error the caller refuses the
// connection with it: Superseded when another connection to the same peer
// stays, Overload when there is no room.
func (p *Pool[C]) Admit(ctx context.Context, c C) (*Slot[C], error) {
	return p.admit(ctx, c, nil)
}

func (p *Pool[C]) admit(ctx context.Context, c C, d *dial[C]) (*Slot[C], error) {
	var dead *Slot[C]
	for {
		n, rival, out, err := p.enter(c, d, dead)
		p.evict(out)
		switch {
		case err != nil:
			return nil, err
		case rival != nil:
			if err := p.contest(ctx, rival); err != nil {
				return nil, err
			}
			dead = rival
			continue
		}
		if err := n.wake.Park(ctx); err != nil && p.leave(n) {
			return nil, &fault.Error{Op: "pool.Admit", Kind: fault.Overload, Detail: "every connection is in use", RetryAfter: p.cfg.RetryAfter, Err: err}
		}
		return n.slot, n.err
	}
}

// enter admits c at once, or queues it behind those who wait. A rival is the
// connection to the same peer that stays, if it is alive; dead is one that was
// found not to be.
func (p *Pool[C]) enter(c C, d *dial[C], dead *Slot[C]) (n *newcomer[C], rival *Slot[C], out []*Slot[C], err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, nil, errClosed()
	}
	n = &newcomer[C]{conn: c, dial: d, dead: dead, wake: p.r.NewParker()}
	if s := p.stays(n); s != nil {
		return nil, s, nil, nil
	}
	if len(p.waiting) >= p.cfg.Waiting {
		p.counts.Refused++
		return nil, nil, nil, &fault.Error{Op: "pool.Admit", Kind: fault.Overload, Detail: "too many newcomers wait for room", RetryAfter: p.cfg.RetryAfter}
	}
	p.waiting = append(p.waiting, n)
	p.mostWaiting = max(p.mostWaiting, len(p.waiting))
	return n, nil, p.serveWaiting(), nil
}

// stays returns the older connection to the newcomer's peer if the newcomer
// must not replace it. Called with the lock held.
func (p *Pool[C]) stays(n *newcomer[C]) *Slot[C] {
	s, _, ok := p.lru.Get(n.conn.Peer())
	if !ok || s.leaving || s == n.dead {
		return nil
	}
	if anew(n.conn, s.Conn) {
		if s.turns != nil && s.turns.Wait(p.r.Now()) > 0 {
			return s
		}
		return nil
	}
	if p.prefer(n.conn, s.Conn) {
		return nil
	}
	return s
}

// anew reports whether the peer has started anew between two connections: it
// has lost the older one. So it looks too when two machines have the same key.
func anew[C Conn](newer, older C) bool { return newer.Incarnation() != older.Incarnation() }

// contest asks whether the rival is alive. It returns an error when it is, so
// that the newcomer is the duplicate; with nil the newcomer replaces it.
func (p *Pool[C]) contest(ctx context.Context, rival *Slot[C]) error {
	probe, cancel := p.r.WithTimeout(ctx, p.cfg.ProbeTimeout)
	alive := rival.Conn.Alive(probe)
	cancel()
	if alive {
		p.mark("duplicate refused")
		return fault.New("pool.Admit", ErrDuplicate, "another connection to this peer is alive")
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap("pool.Admit", context.Cause(ctx))
	}
	p.mark("dead rival replaced")
	return nil
}

// leave takes n out of the queue; false when it was served already. There may
// be room for those behind it.
func (p *Pool[C]) leave(n *newcomer[C]) bool {
	p.mu.Lock()
	if n.done {
		p.mu.Unlock()
		return false
	}
	for i, other := range p.waiting {
		if other == n {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			break
		}
	}
	p.counts.Refused++
	out := p.serveWaiting()
	p.mu.Unlock()
	p.evict(out)
	return true
}

// serveWaiting admits newcomers from the head of the queue for as long as
// there is room, and returns the connections that they replace. Called with
// the lock held; the caller evicts them after unlocking.
func (p *Pool[C]) serveWaiting() (out []*Slot[C]) {
	for len(p.waiting) > 0 {
		n := p.waiting[0]
		if p.stays(n) != nil {
			p.waiting = p.waiting[1:] // another one came in while it waited
			n.finish(nil, fault.New("pool.Admit", ErrDuplicate, "another connection to this peer was admitted"))
			continue
		}
		victim, ok := p.room(n.conn)
		if !ok {
			break
		}
		p.waiting = p.waiting[1:]
		if victim != nil {
			why, count := fault.Overload, &p.counts.Evicted
			if victim.peer == n.conn.Peer() {
				why, count = fault.Superseded, &p.counts.Superseded
			}
			p.takeOut(victim, why)
			victim.dead, victim.reason = victim == n.dead, reasonRoom
			if why == fault.Superseded {
				victim.reason = reasonSuperseded
			}
			*count++
			out = append(out, victim)
		}
		s := p.add(n)
		s.turns = p.turns(victim, s)
		n.finish(s, nil)
	}
	if len(p.waiting) == 0 {
		p.waiting = nil // its array would keep growing at one end
	}
	return out
}

// turns are those of the peer, with the one that replaces old by s if it is
// one. Called with the lock held.
func (p *Pool[C]) turns(old, s *Slot[C]) *backoff.Rate {
	if old == nil || old.peer != s.peer {
		return nil
	}
	turns := old.turns
	if anew(s.Conn, old.Conn) {
		if turns == nil {
			turns = backoff.NewRate(p.cfg.Takeovers, time.Minute)
		}
		turns.Note(p.r.Now())
	}
	return turns
}

// room says whether c can be admitted now, and whom it replaces.
func (p *Pool[C]) room(c C) (victim *Slot[C], ok bool) {
	if s, _, found := p.lru.Get(c.Peer()); found {
		return s, p.mayClose() // the older connection of the same peer
	}
	if p.lru.Len() < p.lru.Cap() {
		return nil, true
	}
	_, s, _, idle := p.lru.Oldest()
	if !idle || !p.mayClose() {
		return nil, false
	}
	return s, true
}

// add puts the newcomer into the table; the callers of its dial, or whoever
// admits it, have it in use from this very step.
func (p *Pool[C]) add(n *newcomer[C]) *Slot[C] {
	s := &Slot[C]{Conn: n.conn, pool: p, peer: n.conn.Peer()}
	ref, err := p.lru.Add(s.peer, s, p.r.Now())
	if err != nil {
		panic("macula bug: pool.add: " + err.Error())
	}
	s.ref = ref
	p.counts.Admitted++
	p.counts.Peak = max(p.counts.Peak, p.lru.Len())
	if n.dial != nil {
		p.settle(n.dial, s, nil)
	} else {
		p.lru.Use(s.peer, s.ref)
	}
	return s
}

// prefer reports whether the newcomer replaces the older connection to the
// same run of the same peer. Of two connections dialled from one side the
// later one stays. Of two dialled from both sides at once, the one stays that
// the smaller id dialled: both ends decide alike.
func (p *Pool[C]) prefer(newer, older C) bool {
	if newer.Dialled() == older.Dialled() {
		return true
	}
	peer := newer.Peer()
	selfSmaller := compareIDs(p.cfg.Self, peer) < 0
	return newer.Dialled() == selfSmaller
}

// takeOut moves an admitted connection to the closing ones. Called with the
// lock held.
func (p *Pool[C]) takeOut(s *Slot[C], why fault.Kind) {
	p.lru.Remove(s.peer, s.ref)
	s.out, s.why = true, why
	p.closing++
	p.mostClosing = max(p.mostClosing, p.closing)
}

// evict closes what was taken out, outside of the lock.
func (p *Pool[C]) evict(out []*Slot[C]) {
	for _, s := range out {
		drain := p.cfg.DrainTimeout
		if s.dead {
			drain = 0 // it would not hear of it
		}
		s.Conn.GoAway(s.why, 0, drain)
	}
}
