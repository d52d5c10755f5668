package link

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
)

// GoAway ends the link gracefully, within the deadline: it takes no new calls
// in either direction, tells the peer the last call that it has taken, lets
// the calls in flight finish, and closes when the peer has acknowledged. It
// returns at once; Ended fires at the end. A second call does nothing.
func (l *Link) GoAway(why fault.Kind, retryAfter, deadline time.Duration) {
	l.mu.Lock()
	if l.away || l.dead != nil {
		l.mu.Unlock()
		return
	}
	l.away = true
	last := l.lastSeen
	l.checkQuiet()
	l.mu.Unlock()
	l.going.Fire()
	l.group.Go("link/goaway", func() { l.leave(why, retryAfter, deadline, last) })
}

func (l *Link) leave(why fault.Kind, retryAfter, deadline time.Duration, last uint64) {
	ctx, cancel := l.r.WithTimeout(l.ctx, deadline)
	defer cancel()
	if rt.Buggify(l.r, "link: goaway late") {
		rt.Sleep(ctx, l.r, 10*time.Millisecond)
	}
	frame := wire.GoAway{LastCall: last, Kind: why, RetryAfter: retryAfter}
	err := l.Send(ctx, func(b []byte) []byte { return wire.AppendGoAway(b, &frame) })
	if err == nil && l.awaitAck(ctx) {
		l.quiet.Wait(ctx)
	}
	l.Close(why, retryAfter)
}

// awaitAck waits for the acknowledgement of a GOAWAY until ctx ends, and no
// longer than the drain timeout once no call is in flight: a peer that is dead
// must not hold up the end.
func (l *Link) awaitAck(ctx context.Context) bool {
	for {
		turn, cancel := l.r.WithTimeout(ctx, l.cfg.DrainTimeout)
		err := l.acked.Wait(turn)
		cancel()
		ours, theirs := l.Calls()
		if err == nil || ctx.Err() != nil || ours+theirs == 0 {
			return err == nil
		}
	}
}

// Close ends the link at once: the peer is told why, calls in flight fail. It
// may block for as long as closing a connection does.
func (l *Link) Close(why fault.Kind, retryAfter time.Duration) {
	l.mu.Lock()
	if l.dead == nil {
		l.dead = &fault.Error{Op: "link", Kind: why, Detail: "closed here", RetryAfter: retryAfter}
	}
	l.mu.Unlock()
	l.conn.CloseWithError(wire.CloseCode(why), wire.EncodeRefusal(why, retryAfter, ""))
}

// onGoAway is the other side of GoAway: calls above the last one taken were
// not executed and fail as such; when the others have finished, the peer gets
// its acknowledgement.
func (l *Link) onGoAway(g wire.GoAway) {
	l.mu.Lock()
	first := !l.told
	l.told = true
	l.checkQuiet()
	l.mu.Unlock()
	l.going.Fire()
	if !first {
		return
	}
	l.handler.GoneAway(l, g.Kind)
	failed := l.failPending(g.LastCall, &fault.Error{Op: "link.Call", Kind: fault.Draining, Detail: "the peer went away before it took the call", RetryAfter: g.RetryAfter, Remote: true}, false)
	if failed > 0 && g.Kind == fault.Overload {
		l.deps.mark("evicted while a call waited")
	}
	l.group.Go("link/ack", func() {
		if l.quiet.Wait(l.ctx) == nil {
			l.Tell(wire.AppendGoAwayAck)
		}
	})
}

// Leaving reports whether either side has asked the other to stop using the
// link.
func (l *Link) Leaving() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away || l.told || l.dead != nil
}

// Going fires when either side has asked the other to stop using the link. It
// need not when the link just ends.
func (l *Link) Going() *rt.Event { return l.going }

// Greeted reports whether the peer may hear of us: of an accepted link, whether
// it was welcomed or refused.
func (l *Link) Greeted() bool { return l.greeted.Fired() }

// checkQuiet fires quiet when the last call of ours is over after a GOAWAY.
// Called with the lock held.
func (l *Link) checkQuiet() {
	if (l.away || l.told) && (l.pending == nil || l.pending.Len() == 0) {
		l.quiet.Fire()
	}
}
