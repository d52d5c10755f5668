package link

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// Audit recounts the tables of the link: every call of ours has a deadline
// that has not passed by more than the slack, and so has every call of the
// peer that is not cancelled yet. No more bytes wait for the peer than may.
func (l *Link) Audit(slack time.Duration) error {
	now := l.r.Now()
	if held, most := l.Queued(); held > most {
		return fmt.Errorf("link: %d bytes wait to be written, the limit is %d", held, most)
	}
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

// Alive asks the peer for a sign of life and waits for it until ctx ends. The
// answer can be late when the link is full: whatever else arrives meanwhile is
// a sign of life too.
func (l *Link) Alive(ctx context.Context) bool {
	if l.greeted.Wait(ctx) != nil { // the peer takes nothing but a welcome yet
		return false
	}
	before := l.heard.Load()
	l.mu.Lock()
	l.pings++
	id := l.pings
	l.mu.Unlock()
	if l.Send(ctx, func(b []byte) []byte { return wire.AppendPing(b, id) }) != nil {
		return l.ctx.Err() == nil && l.heard.Load() > before
	}
	for {
		l.mu.Lock()
		answered := l.ponged >= id
		ev := l.pong
		l.mu.Unlock()
		switch {
		case answered:
			return true
		case l.ctx.Err() != nil:
			return false
		case ev.Wait(ctx) != nil:
			return l.heard.Load() > before
		}
	}
}

// heard counts what is read from a stream of the peer.
type heard struct {
	io.Reader
	n *atomic.Uint64
}

// Read implements io.Reader.
func (h heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	h.n.Add(uint64(n))
	return n, err
}

// readFrames returns a reader of the frames of a stream of the peer.
func (l *Link) readFrames(s transport.Stream, limit int) *wire.Reader {
	return wire.NewReader(heard{s, &l.heard}, limit)
}
