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
	conn  C
	dial  *dial[C] // whose callers get it, or nil
	dead  *Slot[C] // an older connection to the same peer that gave no sign of life, or nil
	place uint64   // in the queue
	wake  rt.Parker
	slot  *Slot[C]
	err   error
	done  bool
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
		if err := n.wake.Park(ctx); err != nil {
			p.leave(n, err)
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
	p.waiting.push(n)
	out = p.serveWaiting()
	if p.waiting.len() > p.cfg.Waiting {
		// There must be a place to wait in for what we dial: the last of those gives
		// way who wait for their quota.
		if last := p.waiting.lastAccepted(); c.Dialled() && p.full() && last != nil {
			p.turnAway(last, nil)
		} else {
			p.waiting.remove(n)
			p.counts.Refused++
			return nil, nil, out, p.noRoom("too many newcomers wait for room", nil)
		}
	}
	p.mostWaiting = max(p.mostWaiting, p.waiting.len())
	return n, nil, out, nil
}

// turnAway takes n out of the queue, with the refusal that there is no room.
// Called with the lock held.
func (p *Pool[C]) turnAway(n *newcomer[C], err error) {
	p.waiting.remove(n)
	p.counts.Refused++
	why := "every connection is in use"
	if p.waitsForQuota(n) {
		why = "every connection is in use of those that peers may have dialled"
	}
	n.finish(nil, p.noRoom(why, err))
}

func (p *Pool[C]) noRoom(why string, err error) error {
	return &fault.Error{Op: "pool.Admit", Kind: fault.Overload, Detail: why, RetryAfter: p.cfg.RetryAfter, Err: err}
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

// leave takes n out of the queue, if it was not served already. There may be
// room for those behind it.
func (p *Pool[C]) leave(n *newcomer[C], err error) {
	p.mu.Lock()
	if n.done {
		p.mu.Unlock()
		return
	}
	p.turnAway(n, err)
	out := p.serveWaiting()
	p.mu.Unlock()
	p.evict(out)
}

// serveWaiting admits newcomers in their order for as long as there is room,
// and returns the connections that they replace. Called with the lock held; the
// caller evicts them after unlocking.
func (p *Pool[C]) serveWaiting() (out []*Slot[C]) {
	for {
		n := p.waiting.first()
		served := n != nil && p.serve(n, &out)
		if !served && n != nil && p.waitsForQuota(n) {
			n = p.waiting.firstDialled()
			served = n != nil && p.serve(n, &out)
		}
		if !served {
			return out
		}
	}
}

// serve ends the wait of a newcomer, if there is room for it or it is not
// needed any more. Called with the lock held.
func (p *Pool[C]) serve(n *newcomer[C], out *[]*Slot[C]) bool {
	if p.stays(n) != nil {
		p.waiting.remove(n) // another one came in while it waited
		n.finish(nil, fault.New("pool.Admit", ErrDuplicate, "another connection to this peer was admitted"))
		return true
	}
	older, idle, ok := p.room(n.conn)
	if !ok {
		return false
	}
	p.waiting.remove(n)
	if older != nil {
		p.takeOut(older, fault.Superseded)
		older.dead, older.reason = older == n.dead, reasonSuperseded
		p.counts.Superseded++
		*out = append(*out, older)
	}
	if idle != nil {
		p.takeOut(idle, fault.Overload)
		idle.reason = reasonRoom
		p.counts.Evicted++
		*out = append(*out, idle)
	}
	s := p.add(n)
	s.turns = p.turns(older, s)
	n.finish(s, nil)
	return true
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

// room says whether c can be admitted now, and whom it replaces: the older
// connection of the same peer, and an idle one that makes room. Of a connection
// that a peer has dialled over the quota that is another such one, and never
// what we have dialled.
func (p *Pool[C]) room(c C) (older, idle *Slot[C], ok bool) {
	older, _, _ = p.lru.Get(c.Peer())
	closing := 0
	if older != nil {
		closing++
	}
	switch {
	case !c.Dialled() && p.full() && (older == nil || older.Conn.Dialled()):
		_, idle, _, ok = p.lru.OldestMarked()
	case older == nil && p.lru.Len() >= p.lru.Cap():
		_, idle, _, ok = p.lru.Oldest()
	default:
		return older, nil, older == nil || p.mayClose(1)
	}
	if !ok || !p.mayClose(closing+1) {
		return nil, nil, false
	}
	return older, idle, true
}

// full reports whether there are as many connections as may be that peers have
// dialled, when those have a limit of their own. Called with the lock held.
func (p *Pool[C]) full() bool { return p.inbound > 0 && p.lru.Marked() >= p.inbound }

// waitsForQuota reports whether a newcomer waits for others that peers have
// dialled, and so for nobody whom we have. Called with the lock held.
func (p *Pool[C]) waitsForQuota(n *newcomer[C]) bool { return !n.conn.Dialled() && p.full() }

// inboundLimit is how many connections there may be that peers have dialled.
// Called with the lock held.
func (p *Pool[C]) inboundLimit() int {
	if p.inbound > 0 {
		return min(p.inbound, p.lru.Cap())
	}
	return p.lru.Cap()
}

// add puts the newcomer into the table; the callers of its dial, or whoever
// admits it, have it in use from this very step.
func (p *Pool[C]) add(n *newcomer[C]) *Slot[C] {
	s := &Slot[C]{Conn: n.conn, pool: p, peer: n.conn.Peer()}
	add := p.lru.AddMarked
	if n.conn.Dialled() {
		add = p.lru.Add
	}
	ref, err := add(s.peer, s, p.r.Now())
	if err != nil {
		panic("macula bug: pool.add: " + err.Error())
	}
	s.ref = ref
	p.counts.Admitted++
	p.counts.Peak = max(p.counts.Peak, p.lru.Len())
	p.mostInbound = max(p.mostInbound, p.lru.Marked())
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
// the smaller id dialled: both ends decide alike. One that is over the quota
// takes the place of none that we have dialled: the peer has admitted that one,
// and uses it when it hears of the refusal.
func (p *Pool[C]) prefer(newer, older C) bool {
	if newer.Dialled() == older.Dialled() {
		return true
	}
	if older.Dialled() && p.full() {
		return false
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
