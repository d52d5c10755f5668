package link

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
)

// callContext is the context of a call of the peer. Most handlers never ask
// for its Done channel, so the runtime's context behind it is made by the
// first who does.
type callContext struct {
	link  *Link
	state atomic.Pointer[callState] // nil: nobody has asked, and nothing has ended it
}

// callState is a context of the runtime, or how the call ended before anybody
// asked for one.
type callState struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	cause  error // when ctx is nil
}

// made returns the runtime's context.
func (c *callContext) made() context.Context {
	for {
		old := c.state.Load()
		if old != nil && old.ctx != nil {
			return old.ctx
		}
		s := &callState{}
		s.ctx, s.cancel = c.link.r.WithCancelCause(c.link.ctx)
		if old != nil {
			s.cancel(old.cause)
		}
		if c.state.CompareAndSwap(old, s) {
			return s.ctx
		}
		s.cancel(nil)
	}
}

// end ends the context; the first cause counts.
func (c *callContext) end(s *callState) {
	if !c.state.CompareAndSwap(nil, s) {
		if old := c.state.Load(); old.ctx != nil {
			old.cancel(s.cause)
		}
	}
}

// over reports whether the context has ended, and why.
func (c *callContext) over() error {
	switch s := c.state.Load(); {
	case s == nil:
		return context.Cause(c.link.ctx)
	case s.ctx == nil:
		return s.cause
	default:
		return context.Cause(s.ctx)
	}
}

// Done implements context.Context.
func (c *callContext) Done() <-chan struct{} { return c.made().Done() } //simvet:allow chan it is the type of the interface

// Err tells an elapsed budget from a cancellation.
func (c *callContext) Err() error {
	switch c.over() {
	case nil:
		return nil
	case context.DeadlineExceeded:
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value implements context.Context.
func (c *callContext) Value(key any) any { return c.made().Value(key) }

// Deadline is when the caller's budget is used up.
func (in *Inbound) Deadline() (time.Time, bool) { return rt.Deadline(in.Link.r, in.deadline), true }

// cancel ends the context of the call.
func (in *Inbound) cancel(cause error) { in.end(&callState{cause: cause}) }

// expireCalls ends the contexts of the calls whose budget is used up. They
// stay in the table until they are answered, but have no deadline any more.
func (l *Link) expireCalls() {
	var due []*Inbound
	l.mu.Lock()
	l.inbound.Expire(l.r.Now(), l.inbound.Len(), func(_ uint64, in *Inbound, _ bounded.Ref) { due = append(due, in) })
	for _, in := range due {
		l.inbound.Put(in.id, in, 0)
	}
	l.theirs.set(l.inbound.NextExpiry())
	l.mu.Unlock()
	for _, in := range due {
		in.cancel(context.DeadlineExceeded)
	}
}

// callerGone ends the context of a call whose caller gave it up.
func (in *Inbound) callerGone(why fault.Kind, detail string) {
	in.cancel(&fault.Error{Op: "call", Kind: why, Detail: detail, Remote: true})
}
