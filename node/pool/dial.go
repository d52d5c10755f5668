package pool

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// dial is one attempt to reach a peer, shared by all who ask for it. It ends
// with its last waiter.
type dial[C Conn] struct {
	peer    transport.PeerID
	ctx     context.Context
	cancel  context.CancelCauseFunc
	done    *rt.Event
	addrs   []transport.Addr // all that were named; bound: cfg.Addrs
	next    int              // the first that was not tried
	waiters int
	settled bool
	slot    *Slot[C] // in use once for each waiter
	err     error
}

// target is what is remembered of a peer that could not be reached.
type target struct {
	backoff backoff.Backoff
	until   mono.Time
	addrs   []transport.Addr // those that failed
	err     error            // of the last one
}

func compareIDs(a, b transport.PeerID) int { return bytes.Compare(a[:], b[:]) }

// Get returns the connection to peer, in use: the caller calls Done when it no
// longer needs it. Without a connection it waits for a dial to one of addrs,
// together with everybody else who asks for that peer, until ctx ends.
//
// Errors: Unreachable with the time to wait while the peer is in backoff and
// no new address is named; Overload when the limits leave no place; the kind
// of the peer's refusal; Deadline or Cancelled when ctx ends.
func (p *Pool[C]) Get(ctx context.Context, peer transport.PeerID, addrs ...transport.Addr) (*Slot[C], error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed()
	}
	if s, ref, ok := p.lru.Get(peer); ok && !s.leaving && p.lru.Use(peer, ref) {
		p.counts.Hits++
		p.mu.Unlock()
		return s, nil
	}
	p.counts.Misses++
	d, err := p.join(peer, addrs)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := d.done.Wait(ctx); err != nil && p.quit(d) {
		return nil, fault.Wrap("pool.Get", err)
	}
	return d.slot, d.err
}

// join makes the caller a waiter of the dial to peer, and starts it when
// there is none. Called with the lock held.
func (p *Pool[C]) join(peer transport.PeerID, addrs []transport.Addr) (*dial[C], error) {
	now := p.r.Now()
	d, _, ok := p.dials.Get(peer, now)
	if ok {
		d.waiters++
		p.addAddrs(d, addrs)
		return d, nil
	}
	if t, _, ok := p.retry.Get(peer, now); ok && now.Before(t.until) && !slices.ContainsFunc(addrs, func(a transport.Addr) bool { return !slices.Contains(t.addrs, a) }) {
		return nil, &fault.Error{Op: "pool.Get", Kind: fault.Unreachable, Detail: "the last dial failed", RetryAfter: t.until.Sub(now), Err: t.err}
	}
	if len(addrs) == 0 {
		return nil, fault.New("pool.Get", fault.Unreachable, "no address of the peer is known")
	}
	d = &dial[C]{peer: peer, done: rt.NewEvent(p.r), waiters: 1}
	if _, err := p.dials.Put(peer, d, 0); err != nil {
		return nil, &fault.Error{Op: "pool.Get", Kind: fault.Overload, Detail: "too many dials wait", RetryAfter: p.cfg.RetryAfter, Err: err}
	}
	p.addAddrs(d, addrs)
	d.ctx, d.cancel = p.r.WithCancelCause(p.ctx)
	if !p.group.Go("pool/dial", func() { p.run(d) }) {
		p.dials.DeleteAny(peer)
		d.cancel(nil)
		return nil, errClosed()
	}
	return d, nil
}

func (p *Pool[C]) addAddrs(d *dial[C], addrs []transport.Addr) {
	for _, a := range addrs {
		if len(d.addrs) < p.cfg.Addrs && !slices.Contains(d.addrs, a) {
			d.addrs = append(d.addrs, a)
		}
	}
}

// quit takes a caller out whose context ended; false when the dial was
// settled meanwhile, and its result counts. The last one ends the dial.
func (p *Pool[C]) quit(d *dial[C]) bool {
	p.mu.Lock()
	if d.settled {
		p.mu.Unlock()
		return false
	}
	d.waiters--
	last := d.waiters == 0
	if last {
		p.forget(d)
	}
	p.mu.Unlock()
	if last {
		p.mark("dial left by its last waiter")
		d.cancel(fault.New("pool.Get", fault.Cancelled, "nobody waits for this dial any more"))
	}
	return true
}

// forget takes the dial out of the table, if it is still the one in it.
func (p *Pool[C]) forget(d *dial[C]) {
	if cur, _, ok := p.dials.Get(d.peer, 0); ok && cur == d {
		p.dials.DeleteAny(d.peer)
	}
}

// run is the task of a dial.
func (p *Pool[C]) run(d *dial[C]) {
	defer d.cancel(nil)
	err := p.attempt(d)
	p.mu.Lock()
	if err != nil && d.ctx.Err() == nil {
		p.counts.DialErrors++
		p.remember(d, err)
	}
	if fault.KindOf(err) == ErrDuplicate {
		err = &fault.Error{Op: "pool.Get", Kind: fault.Unreachable, Detail: "the peer holds on to another connection", RetryAfter: p.cfg.RetryAfter, Err: err}
	}
	p.settle(d, nil, err)
	p.mu.Unlock()
}

// attempt tries one address after the other, those that later callers name
// included.
func (p *Pool[C]) attempt(d *dial[C]) error {
	if err := p.slots.Acquire(d.ctx); err != nil {
		return err
	}
	defer p.slots.Release()
	var last error
	for again := 0; ; {
		p.mu.Lock()
		if d.next == len(d.addrs) {
			p.mu.Unlock()
			return last
		}
		addr := d.addrs[d.next]
		d.next++
		p.mu.Unlock()
		if err := p.pace(d.ctx); err != nil {
			return err
		}
		last = p.try(d, addr)
		switch {
		case last == nil || d.ctx.Err() != nil:
			return last
		case fault.KindOf(last) != ErrDuplicate:
			continue
		case p.useOther(d):
			return nil
		case again < duplicateTries && rt.Sleep(d.ctx, p.r, duplicateWait) == nil:
			// The peer still holds a connection that we have evicted or lost: the
			// news of it are on their way.
			again++
			p.mu.Lock()
			d.next--
			p.mu.Unlock()
		}
	}
}

// pace waits until one dial more may begin, and counts it. Those who wait are
// served in their order.
func (p *Pool[C]) pace(ctx context.Context) error {
	if err := p.turn.Acquire(ctx); err != nil {
		return err
	}
	defer p.turn.Release()
	for paced := false; ; paced = true {
		p.mu.Lock()
		wait := p.begun.Take(p.r.Now())
		if wait == 0 {
			p.counts.Dials++
			if paced {
				p.counts.Paced++
			}
		}
		p.mu.Unlock()
		if wait == 0 {
			return nil
		}
		if err := rt.Sleep(ctx, p.r, wait); err != nil {
			return err
		}
	}
}

// How often, and how much later, a dial is repeated that lost against a
// connection which is not there any more: until the slowest link has brought
// the news.
const (
	duplicateTries = 5
	duplicateWait  = 100 * time.Millisecond
)

// try makes one connection and brings it into the pool.
func (p *Pool[C]) try(d *dial[C], addr transport.Addr) error {
	c, err := p.deps.Dial(d.ctx, d.peer, addr)
	if err != nil {
		return err
	}
	if rt.Buggify(p.r, "pool: publish late") {
		rt.Sleep(d.ctx, p.r, 20*time.Millisecond)
	}
	slot, err := p.admit(d.ctx, c, d)
	if err != nil {
		c.Refuse(err)
		return err
	}
	p.deps.Run(slot)
	return nil
}

// useOther gives the callers of a dial the connection against which it lost,
// if there is one.
func (p *Pool[C]) useOther(d *dial[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, _, ok := p.lru.Get(d.peer)
	if !ok || s.leaving {
		return false
	}
	p.settle(d, s, nil)
	return true
}

// settle ends a dial, once: every waiter gets the connection in use, or the
// error. Called with the lock held.
func (p *Pool[C]) settle(d *dial[C], s *Slot[C], err error) {
	if d.settled {
		return
	}
	d.settled, d.slot, d.err = true, s, err
	if s != nil {
		for range d.waiters {
			p.lru.Use(s.peer, s.ref)
		}
		p.retry.DeleteAny(d.peer)
	} else if err == nil {
		d.err = errClosed()
	}
	p.forget(d)
	d.done.Fire()
}

// remember notes a failure for the backoff. A peer that refused us is a
// failure too, and its retry-after is respected.
func (p *Pool[C]) remember(d *dial[C], err error) {
	now := p.r.Now()
	t, _, ok := p.retry.Get(d.peer, now)
	if !ok {
		t = &target{backoff: backoff.New(p.cfg.Backoff)}
	}
	wait := max(t.backoff.Next(p.r.Rand("pool/backoff")), fault.RetryAfter(err))
	t.until, t.err = now.Add(wait), err
	t.addrs = append(t.addrs[:0], d.addrs...)
	p.retry.Put(d.peer, t, t.until.Add(10*wait)) // a full table forgets: a dial too early, nothing worse
}
