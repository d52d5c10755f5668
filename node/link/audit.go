package link

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node/wire"
)

// Audit recounts the tables of the link: every call of ours has a deadline
// that has not passed by more than the slack, and so has every call of the
// peer that is not cancelled yet.
func (l *Link) Audit(slack time.Duration) error {
	now := l.r.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending != nil {
		if err := l.pending.Recount(); err != nil {
			return err
		}
		for id, p := range l.pending.All() {
			if p.until.Add(slack).Before(now) {
				return fmt.Errorf("link: call %d is pending %v after its deadline", id, now.Sub(p.until))
			}
		}
	}
	for id, in := range l.inbound.All() {
		if in.over() == nil && in.deadline.Add(slack).Before(now) {
			return fmt.Errorf("link: call %d of the peer lives %v after its deadline", id, now.Sub(in.deadline))
		}
	}
	return l.inbound.Recount()
}

// Incarnation is the number that the peer chose when it started.
func (l *Link) Incarnation() uint64 { return l.hello.Session }

// Alive asks the peer for a sign of life and waits for it until ctx ends.
func (l *Link) Alive(ctx context.Context) bool {
	if l.greeted.Wait(ctx) != nil { // the peer takes nothing but a welcome yet
		return false
	}
	l.mu.Lock()
	l.pings++
	id := l.pings
	l.mu.Unlock()
	if l.Send(ctx, func(b []byte) []byte { return wire.AppendPing(b, id) }) != nil {
		return false
	}
	for {
		l.mu.Lock()
		answered := l.ponged >= id
		ev := l.pong
		l.mu.Unlock()
		if answered {
			return true
		}
		if l.ctx.Err() != nil || ev.Wait(ctx) != nil {
			return false
		}
	}
}
