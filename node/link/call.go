package link

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Request is a call, as it is sent and as its handler sees it.
type Request struct {
	Name       string
	Body       []byte           // of a call that arrived: the handler's own
	Caller     transport.PeerID // who asked: authenticated, or vouched for by the node that forwards; not sent unless Forwarded
	Forwarded  bool             // the call of somebody else is passed on
	Idempotent bool
	Hops       uint8 // nodes that it has passed
}

// pending is a call of ours that is not complete. Whoever takes it out of the
// table completes it: reply, error, caller or the link's end, exactly one.
type pending struct {
	id     uint64
	name   string
	caller transport.PeerID
	bytes  int // of the request
	begun  mono.Time
	until  mono.Time // the caller's deadline
	wake   rt.Parker
	abort  context.CancelCauseFunc // of a call on its own stream; nil on the shared one
	late   bool                    // the table has completed it at its deadline
	body   []byte
	err    error
}

// Call asks the peer and waits for the answer. ctx must have a deadline; its
// end frees the call at once and ends the handler's context within a round
// trip. The error is a *fault.Error; its Executed field says whether the
// handler may have run.
func (l *Link) Call(ctx context.Context, req *Request) ([]byte, error) {
	if len(req.Body) > l.cfg.MaxBody {
		return nil, fault.New("link.Call", fault.TooLarge, "the body has %d bytes, the limit is %d", len(req.Body), l.cfg.MaxBody)
	}
	now := l.r.Now()
	until, ok := until(l.r, ctx, now)
	if !ok {
		return nil, fault.New("link.Call", fault.Invalid, "the context has no deadline")
	}
	budget := until.Sub(now)
	wait, lazy := patience(ctx)
	if budget <= 0 || wait.Err() != nil {
		return nil, callerFault(ctx, false)
	}
	if len(req.Body) > l.cfg.SmallBody {
		return l.callLarge(ctx, req, now, until)
	}
	p, err := l.register(req, now, until, lazy, nil)
	if err != nil {
		return nil, err
	}
	defer l.recycle(p)
	buf, err := l.calls.begin(ctx)
	if err != nil {
		if l.take(p.id) != nil {
			return nil, l.notSent(ctx, err)
		}
		if body, err := p.settled(); !p.late {
			return body, err
		}
		return nil, gaveUp(context.DeadlineExceeded, false)
	}
	l.calls.end(appendCall(buf, p.id, req, budget))
	return l.await(wait, p)
}

// until is the deadline of ctx on the clock of r, where it is now.
func until(r rt.Runtime, ctx context.Context, now mono.Time) (mono.Time, bool) {
	if t, ok := ctx.(*rt.LazyTimeout); ok {
		return t.Until(), true
	}
	left, ok := rt.Remaining(r, ctx)
	return now.Add(left), ok
}

// patience is what a caller waits for who has ctx: the deadlines that nobody
// has made a timer for are kept by the table of calls, which needs the first
// of them.
func patience(ctx context.Context) (wait context.Context, lazy bool) {
	for {
		t, ok := ctx.(*rt.LazyTimeout)
		if !ok {
			return ctx, lazy
		}
		ctx, lazy = t.Parent(), true
	}
}

// await waits for the completion of p, which was sent, or for the end of the
// caller.
func (l *Link) await(ctx context.Context, p *pending) ([]byte, error) {
	if p.wake.Park(ctx) == nil {
		if l.deps.Mark != nil && ctx.Err() != nil {
			l.deps.mark("cancel met the reply")
		}
	} else if l.take(p.id) == nil {
		// The completion met the end of the caller. It wins: it is delivered
		// rather than thrown away.
		l.deps.mark("cancel met the reply")
		p.settled()
	} else {
		l.giveUp(p.id, fault.KindOf(context.Cause(ctx)))
		return nil, callerFault(ctx, true)
	}
	if p.late {
		l.giveUp(p.id, fault.Deadline)
		return nil, gaveUp(context.DeadlineExceeded, true)
	}
	return p.body, p.err
}

// giveUp tells the peer that nobody waits for the answer of a call any more.
func (l *Link) giveUp(id uint64, why fault.Kind) {
	l.mu.Lock()
	l.counts.Cancelled++
	l.mu.Unlock()
	l.deps.Totals.cancelled.Add(1)
	if buf, ok := l.calls.beginNow(); ok {
		l.calls.end(wire.AppendCancel(buf, id, why))
	}
}

// expireOurs completes the calls of ours whose deadline is kept by the table.
// Only their callers know whether they were sent, and tell the peer after that.
func (l *Link) expireOurs() {
	var due []*pending
	l.mu.Lock()
	l.pending.Expire(l.r.Now(), l.pending.Len(), func(_ uint64, p *pending, _ bounded.Ref) { due = append(due, p) })
	l.deps.Totals.out.less(len(due))
	l.checkQuiet()
	l.ours.set(l.pending.NextExpiry())
	l.mu.Unlock()
	for _, p := range due {
		p.late = true
		p.finish(nil, context.DeadlineExceeded)
	}
}

// settled is the result of a call that somebody else has taken out of the
// table, and whose caller has not been woken yet: that is about to happen.
func (p *pending) settled() ([]byte, error) {
	p.wake.Park(context.Background())
	return p.body, p.err
}

// maxSpare is how many pending calls a link keeps to use again.
const maxSpare = 64

// register makes a call with an id and a place in the table, or says why there
// is none. lazy says that the table keeps its deadline.
func (l *Link) register(req *Request, now, until mono.Time, lazy bool, abort context.CancelCauseFunc) (*pending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dead != nil:
		return nil, endFault(l.dead)
	case l.away || l.told:
		return nil, fault.New("link.Call", fault.Draining, "the link is going away")
	}
	var p *pending
	if n := len(l.spare); n > 0 {
		p = l.spare[n-1]
		l.spare[n-1] = nil // a large call does not come back, and would be held here with its context
		l.spare = l.spare[:n-1]
	} else {
		p = &pending{wake: l.r.NewParker()}
	}
	p.id, p.begun, p.until, p.abort = l.nextID+1, now, until, abort
	p.name, p.bytes, p.caller = req.Name, len(req.Body), l.cfg.Self
	if req.Forwarded {
		p.caller = req.Caller
	}
	var expires mono.Time
	if lazy {
		expires = until
	}
	if _, err := l.pending.Put(p.id, p, expires); err != nil {
		l.deps.Totals.refusedOut.Add(1)
		return nil, fault.New("link.Call", fault.Overload, "%d calls to the peer are in flight, its limit", l.pending.Len())
	}
	if lazy {
		l.ours.atLatest(until)
	}
	l.nextID++
	l.counts.Calls++
	l.deps.Totals.out.more()
	return p, nil
}

// recycle keeps a call that is over for the next one. Nobody else knows it any
// more: who took it out of the table has woken its caller, or was the caller.
func (l *Link) recycle(p *pending) {
	p.name, p.late, p.body, p.err, p.abort = "", false, nil, nil, nil
	l.mu.Lock()
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, p)
	}
	l.mu.Unlock()
}

// take removes the call from the table; nil means that somebody else has
// completed it.
func (l *Link) take(id uint64) *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.pending.DeleteAny(id)
	if !ok {
		return nil
	}
	l.deps.Totals.out.less(1)
	l.checkQuiet()
	return p
}

// complete ends a call with the peer's answer.
func (l *Link) complete(id uint64, body []byte, err error) {
	p := l.take(id)
	if p == nil {
		l.mu.Lock()
		l.counts.Late++
		l.mu.Unlock()
		l.deps.Totals.late.Add(1)
		return
	}
	p.finish(body, err)
}

func (p *pending) finish(body []byte, err error) {
	p.body, p.err = body, err
	if p.abort != nil {
		p.abort(err)
	}
	p.wake.Unpark()
}

// failPending completes every call above id with err; executed says whether
// they may have been. It returns how many there were.
func (l *Link) failPending(above uint64, err error, executed bool) int {
	f := &fault.Error{Op: "link.Call", Kind: fault.Unreachable, Err: err}
	errors.As(err, &f)
	e := *f
	e.Executed = executed
	var failed []*pending
	l.mu.Lock()
	if l.pending != nil {
		for id, p := range l.pending.All() {
			if id > above {
				l.pending.DeleteAny(id)
				failed = append(failed, p)
			}
		}
	}
	l.deps.Totals.out.less(len(failed))
	l.checkQuiet()
	l.mu.Unlock()
	for _, p := range failed {
		p.finish(nil, &e)
	}
	return len(failed)
}

// openCalls opens the shared stream for our calls and starts its reader.
func (l *Link) openCalls() (transport.Stream, error) {
	ctx, cancel := l.r.WithTimeout(l.ctx, l.cfg.WriteTimeout)
	defer cancel()
	s, err := l.conn.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	if !l.group.Go("link/answers", func() { l.readAnswers(s) }) {
		s.CancelWrite(0)
		s.Close()
		return nil, transport.ErrClosed
	}
	return s, nil
}

// readAnswers completes calls until the shared stream ends, and with it the
// link: it ends in no other way.
func (l *Link) readAnswers(s transport.Stream) {
	defer s.Close()
	rd := l.readFrames(s, wire.MaxFrame)
	for {
		kind, payload, err := rd.Next()
		if err == nil {
			err = l.onAnswer(kind, payload)
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

func (l *Link) onAnswer(kind byte, payload []byte) error {
	switch {
	case kind == wire.KindReply:
		rep, err := wire.ParseReply(payload)
		if err != nil {
			return err
		}
		body := make([]byte, len(rep.Body))
		copy(body, rep.Body)
		l.complete(rep.ID, body, nil)
	case kind == wire.KindError:
		e, err := wire.ParseError(payload)
		if err != nil {
			return err
		}
		l.complete(e.ID, nil, remoteFault(e))
	case wire.Skippable(kind):
	default:
		return fault.New("link", fault.Protocol, "frame %d on the stream of answers", kind)
	}
	return nil
}

func remoteFault(e wire.Error) *fault.Error {
	return &fault.Error{Op: "call", Kind: e.Kind, Detail: wire.Printable(e.Message), RetryAfter: e.RetryAfter, Remote: true, Executed: e.Executed}
}

// notSent explains why a call could not be put on the wire.
func (l *Link) notSent(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return callerFault(ctx, false)
	}
	return endFault(err)
}

// callerFault is the error of a caller whose context ended.
func callerFault(ctx context.Context, executed bool) error {
	return gaveUp(cmp.Or(context.Cause(ctx), context.DeadlineExceeded), executed)
}

// gaveUp is the error of a caller who did not wait any longer because of cause.
func gaveUp(cause error, executed bool) error {
	kind := fault.KindOf(cause)
	if kind == fault.Other {
		kind = fault.Cancelled
	}
	detail := "the caller gave up"
	if kind == fault.Deadline {
		detail = "no answer in the time that the call had"
	}
	return &fault.Error{Op: "link.Call", Kind: kind, Executed: executed, Detail: detail, Err: cause}
}

func appendCall(buf []byte, id uint64, req *Request, budget time.Duration) []byte {
	c := wire.Call{ID: id, Hops: req.Hops, Budget: min(budget, wire.MaxBudget), Caller: req.Caller, Name: req.Name, Body: req.Body}
	if req.Idempotent {
		c.Flags |= wire.FlagIdempotent
	}
	if req.Forwarded {
		c.Flags |= wire.FlagForwarded
	}
	return wire.AppendCall(buf, &c)
}
