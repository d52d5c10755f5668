package link

import (
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Inbound is a call of the peer from its arrival to its answer. It is the
// context of its handler too: it ends with the caller's budget, with the
// caller's cancellation and with the link.
type Inbound struct {
	callContext
	Link *Link
	Request

	id       uint64
	begun    mono.Time
	deadline mono.Time
	bytes    int // of the body
	lease    ledger.Lease
	used     bool
	counted  bool             // it was taken into the table
	out      *writer          // where the answer goes
	own      transport.Stream // the call's own stream, or nil
	answered *rt.Event        // of a call with a stream of its own
}

// Begun is when the call arrived.
func (in *Inbound) Begun() mono.Time { return in.begun }

// serveCalls reads the peer's calls from its shared stream. It never waits
// for anything but the next frame.
func (l *Link) serveCalls(s transport.Stream, rd *wire.Reader) error {
	w := newWriter(l, s)
	l.mu.Lock()
	second := l.answers != nil
	if !second {
		l.answers = w
	}
	l.mu.Unlock()
	if second {
		return fault.New("link", fault.Protocol, "a second shared stream for calls")
	}
	var names wire.Names
	for {
		kind, payload, err := rd.Next()
		if err == nil {
			err = l.onCallFrame(w, &names, kind, payload)
		}
		if err != nil {
			w.stop(err)
			return err
		}
	}
}

func (l *Link) onCallFrame(w *writer, names *wire.Names, kind byte, payload []byte) error {
	switch {
	case kind == wire.KindCall:
		c, err := names.ParseCall(payload)
		if fault.KindOf(err) == fault.Invalid {
			return l.answer(&Inbound{Link: l}, w, c.ID, nil, err, false)
		}
		if err != nil {
			return err
		}
		return l.onCall(w, nil, &c)
	case kind == wire.KindCancel:
		id, why, err := wire.ParseCancel(payload)
		if err != nil {
			return err
		}
		l.cancelInbound(id, why)
		return nil
	case wire.Skippable(kind):
		return nil
	}
	return fault.New("link", fault.Protocol, "frame %d on the stream of calls", kind)
}

// onCall takes a call or answers it with a refusal. An error ends the link.
func (l *Link) onCall(w *writer, own transport.Stream, c *wire.Call) error {
	in, err := l.admit(w, own, c)
	if err == nil {
		if err = l.deps.Server.Serve(in); err == nil {
			return nil
		}
		l.release(in)
	}
	return l.answer(in, w, c.ID, nil, err, false)
}

// admit takes what a call needs: a place in the table, a lease, and the link
// itself, so that it is not evicted meanwhile.
func (l *Link) admit(w *writer, own transport.Stream, c *wire.Call) (*Inbound, error) {
	now := l.r.Now()
	in := &Inbound{
		callContext: callContext{link: l}, Link: l, bytes: len(c.Body), id: c.ID, begun: now, deadline: now.Add(c.Budget), out: w, own: own,
		Request: Request{Name: c.Name, Caller: l.Peer(), Forwarded: c.Flags&wire.FlagForwarded != 0, Idempotent: c.Flags&wire.FlagIdempotent != 0, Hops: c.Hops},
	}
	if in.Forwarded || c.Hops > 0 {
		if !l.vouches() {
			return in, fault.New("serve", fault.Unauthorized, "only a node may pass on the calls of others")
		}
		if in.Forwarded {
			in.Caller = c.Caller
		}
	}
	if own != nil {
		in.answered = rt.NewEvent(l.r)
	}
	lease, err := l.deps.Ledger.Acquire(l.scope, "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: int64(len(c.Body))})
	if err != nil {
		return in, &fault.Error{Op: "serve", Kind: fault.Overload, RetryAfter: overloadRetry, Err: err}
	}
	in.lease = lease
	if err := l.enter(in); err != nil {
		lease.Release()
		return in, err
	}
	if l.usage != nil {
		if in.used = l.usage.Use(); !in.used {
			l.release(in)
			return in, fault.New("serve", fault.Draining, "the link is being evicted")
		}
	}
	in.Body = make([]byte, len(c.Body))
	copy(in.Body, c.Body)
	return in, nil
}

// vouches reports whether the peer may say in whose name it calls: a node
// passes on what its clients ask, a client speaks for itself.
func (l *Link) vouches() bool { return l.dialled || l.hello.Role == wire.RolePeer }

// overloadRetry is what a refused caller is told to wait.
const overloadRetry = 100 * time.Millisecond

// enter puts the call into the table.
func (l *Link) enter(in *Inbound) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead != nil {
		return fault.New("serve", fault.Draining, "the link has ended")
	}
	if l.away && in.id > l.lastSeen {
		// The peer learns from our GOAWAY that this call was not taken.
		return fault.New("serve", fault.Draining, "the link is going away")
	}
	if _, _, taken := l.inbound.Get(in.id, 0); taken {
		return fault.New("serve", fault.Protocol, "call id %d is in use", in.id)
	}
	if _, err := l.inbound.Put(in.id, in, in.deadline); err != nil {
		l.deps.Totals.refusedIn.Add(1)
		return &fault.Error{Op: "serve", Kind: fault.Overload, Detail: "too many calls of this peer are in flight", RetryAfter: overloadRetry}
	}
	l.theirs.atLatest(in.deadline)
	l.lastSeen = max(l.lastSeen, in.id)
	l.counts.Served++
	in.counted = true
	l.deps.Totals.in.more()
	return nil
}

// Answer completes the call with a body or an error. executed says whether
// the handler may have had an effect. It may wait for the peer to read.
func (in *Inbound) Answer(body []byte, err error, executed bool) {
	l := in.Link
	if in.over() != nil {
		// Nobody waits for it any more.
		l.mu.Lock()
		l.counts.Gone++
		l.mu.Unlock()
		l.deps.Totals.gone.Add(1)
		if in.own != nil { // nor for the end of the stream, which its caller may leave as it is
			in.own.CancelWrite(codeCancelled)
			in.own.CancelRead(codeCancelled)
		}
	} else if werr := l.answer(in, in.out, in.id, body, err, executed); werr != nil {
		l.fail(werr) // a call whose answer is dropped would wait for its deadline
	}
	l.release(in)
}

// release gives back everything that the call holds.
func (l *Link) release(in *Inbound) {
	l.mu.Lock()
	l.inbound.DeleteAny(in.id)
	usage := l.usage
	l.mu.Unlock()
	if in.counted {
		l.deps.Totals.in.less(1)
	}
	in.end(l.answered)
	if in.used {
		usage.Done()
	}
	if in.answered != nil {
		in.answered.Fire()
	}
	in.lease.Release()
}

func (l *Link) cancelInbound(id uint64, why fault.Kind) {
	l.mu.Lock()
	in, _, ok := l.inbound.Get(id, 0)
	l.mu.Unlock()
	if ok {
		in.callerGone(why, "the caller gave up")
	}
}

// answer sends a reply or an error. A refusal of a call that came on the
// shared stream does not wait; it is sent by the task that reads it.
func (l *Link) answer(in *Inbound, w *writer, id uint64, body []byte, err error, executed bool) error {
	if err == nil && len(body) > l.cfg.MaxBody {
		err = fault.New("serve", fault.TooLarge, "the reply has %d bytes, the limit is %d", len(body), l.cfg.MaxBody)
	}
	if in.own != nil {
		return l.answerOwn(in, id, body, err, executed)
	}
	if err == nil && len(body) > l.cfg.SmallBody {
		if err = l.replyLarge(in, id, body); err == nil {
			return nil
		}
		err = &fault.Error{Op: "serve", Kind: fault.Overload, Detail: "the reply could not be sent", Err: err}
	}
	if err == nil {
		buf, werr := w.begin(l.ctx)
		if werr != nil {
			return werr
		}
		w.end(wire.AppendReply(buf, id, body))
		return nil
	}
	buf, ok := w.beginNow()
	if !ok {
		return fault.New("serve", fault.Overload, "the peer does not read its answers")
	}
	w.end(appendError(buf, id, err, executed))
	return nil
}

func appendError(buf []byte, id uint64, err error, executed bool) []byte {
	kind := fault.KindOf(err)
	if kind == fault.Other {
		kind = fault.Application
	}
	msg := err.Error()
	e := wire.Error{ID: id, Kind: kind, RetryAfter: fault.RetryAfter(err), Executed: executed, Message: msg[:min(len(msg), wire.MaxMessage)]}
	return wire.AppendError(buf, &e)
}
