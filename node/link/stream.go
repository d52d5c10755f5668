package link

import (
	"context"
	"errors"
	"io"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// Codes of reset streams.
const (
	codeCancelled transport.Code = transport.Code(fault.Cancelled)
	codeOverload  transport.Code = transport.Code(fault.Overload)
	codeTooLarge  transport.Code = transport.Code(fault.TooLarge)
)

// acceptStreams gives every stream of the peer a task: read one after
// another, a silent one would stall all others.
func (l *Link) acceptStreams() {
	for {
		s, err := l.conn.AcceptStream(l.ctx)
		if err != nil {
			l.fail(err)
			return
		}
		lease, err := l.deps.Ledger.Acquire(l.scope, "stream", ledger.Claim{Class: ledger.Stream, Count: 1})
		if err != nil {
			s.CancelRead(codeOverload)
			s.CancelWrite(codeOverload)
			s.Close()
			continue
		}
		ok := l.group.Go("link/stream", func() {
			defer lease.Release()
			defer s.Close()
			l.serveStream(s)
		})
		if !ok {
			lease.Release()
			s.Close()
			return
		}
	}
}

// serveStream reads the type of a stream and serves it to its end.
func (l *Link) serveStream(s transport.Stream) {
	defer l.whole(s)
	s.SetReadDeadline(l.r.Now().Add(l.cfg.FirstByte))
	first := make([]byte, 1)
	if _, err := io.ReadFull(s, first); err != nil {
		s.CancelWrite(codeCancelled)
		return // silent or reset: it costs its own opener a stream, nobody else
	}
	s.SetReadDeadline(0)
	var err error
	switch first[0] {
	case wire.StreamCalls:
		if err = l.serveCalls(s, l.readFrames(s, wire.MaxFrame)); err == io.EOF {
			err = fault.New("link", fault.Protocol, "the peer ended its stream of calls")
		}
	case wire.StreamCall:
		err = l.serveLarge(s)
	case wire.StreamReply:
		err = l.readLargeReply(s)
	default:
		err = fault.New("link", fault.Protocol, "a stream of type %d", first[0])
	}
	if err != nil {
		l.fail(err)
	}
}

// callLarge makes a call on a stream of its own: a big body among small calls
// would delay all of them. The stream stays half open until the answer is
// there, so that its reset tells the peer of the caller's end.
func (l *Link) callLarge(ctx context.Context, req *Request, now, until mono.Time) ([]byte, error) {
	own, cancel := l.r.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := l.register(req, now, until, false, cancel)
	if err != nil {
		return nil, err
	}
	s, err := l.conn.OpenStream(own)
	if err != nil {
		if l.take(p.id) == nil {
			return p.settled()
		}
		return nil, l.notSent(ctx, err)
	}
	defer s.Close()
	defer l.r.AfterDone(own, func() { s.CancelWrite(codeCancelled); s.CancelRead(codeCancelled) })()
	body, err := l.exchange(s, appendCall([]byte{wire.StreamCall}, p.id, req, until.Sub(now)))
	if l.take(p.id) == nil {
		return p.settled() // GOAWAY or the link's end came first
	}
	var f *fault.Error
	switch {
	case err == nil:
		return body, nil
	case ctx.Err() != nil:
		s.CancelWrite(codeCancelled)
		l.mu.Lock()
		l.counts.Cancelled++
		l.mu.Unlock()
		l.deps.Totals.cancelled.Add(1)
		return nil, callerFault(ctx, true)
	case errors.As(err, &f):
		return nil, err
	}
	s.CancelWrite(codeCancelled)
	var reset *transport.StreamError
	if errors.As(err, &reset) && reset.Remote {
		switch reset.Code {
		case codeOverload:
			return nil, &fault.Error{Op: "link.Call", Kind: fault.Overload, Detail: "the peer takes no more large calls", Remote: true}
		case codeTooLarge:
			return nil, &fault.Error{Op: "link.Call", Kind: fault.TooLarge, Detail: "the body is over the peer's limit", Remote: true}
		}
	}
	end := endFault(err)
	return nil, &fault.Error{Op: "link.Call", Kind: fault.KindOf(end), RetryAfter: fault.RetryAfter(end), Executed: true, Err: end}
}

// exchange writes a call and reads its answer.
func (l *Link) exchange(s transport.Stream, frame []byte) ([]byte, error) {
	if _, err := s.Write(frame); err != nil {
		return nil, err
	}
	kind, payload, err := l.readFrames(s, l.maxLarge()).Next()
	if err != nil {
		return nil, err
	}
	switch kind {
	case wire.KindReply:
		rep, err := wire.ParseReply(payload)
		return rep.Body, err
	case wire.KindError:
		e, err := wire.ParseError(payload)
		if err != nil {
			return nil, err
		}
		return nil, remoteFault(e)
	}
	return nil, fault.New("link", fault.Protocol, "frame %d as the answer of a large call", kind)
}

func (l *Link) maxLarge() int { return wire.Limits{MaxBody: l.cfg.MaxBody}.LargeFrame() }

// serveLarge serves the one call of a stream of its own, and watches the
// stream until the call is answered.
func (l *Link) serveLarge(s transport.Stream) error {
	lease, err := l.deps.Ledger.Acquire(l.scope, "large call", ledger.Claim{Class: ledger.Queue, Count: 1, Bytes: int64(l.cfg.MaxBody)})
	if err != nil {
		s.CancelRead(codeOverload)
		s.CancelWrite(codeOverload)
		return nil
	}
	defer lease.Release()
	s.SetReadDeadline(l.r.Now().Add(l.cfg.WriteTimeout))
	kind, payload, err := l.readFrames(s, l.maxLarge()).Next()
	if err != nil {
		code := codeCancelled // the caller went away, or sends too slowly
		if fault.KindOf(err) == fault.TooLarge {
			code = codeTooLarge
		}
		s.CancelRead(code)
		s.CancelWrite(code)
		return nil
	}
	if kind != wire.KindCall {
		return fault.New("link", fault.Protocol, "frame %d on the stream of a large call", kind)
	}
	c, err := wire.ParseCall(payload)
	if err != nil {
		return err
	}
	s.SetReadDeadline(0)
	in, err := l.admit(nil, s, &c)
	if err == nil {
		if err = l.deps.Server.Serve(in); err == nil {
			l.watch(in, s)
			return nil
		}
		l.release(in)
	}
	return l.answerOwn(in, c.ID, nil, err, false)
}

// watch waits for the caller to end its half: after the answer that is the
// normal end, before it the caller is gone.
func (l *Link) watch(in *Inbound, s transport.Stream) {
	var b [1]byte
	s.Read(b[:])
	in.callerGone(fault.CallerGone, "the caller reset its stream")
	s.CancelRead(codeCancelled)
	s.CancelWrite(codeCancelled) // after an answer this changes nothing
	in.answered.Wait(l.ctx)      // a handler that ignores its context must not hold the link
}

// answerOwn sends the answer of a call on its own stream.
func (l *Link) answerOwn(in *Inbound, id uint64, body []byte, err error, executed bool) error {
	s := in.own
	s.SetWriteDeadline(l.r.Now().Add(l.cfg.WriteTimeout))
	var frame []byte
	if err == nil {
		frame = wire.AppendReply(nil, id, body)
	} else {
		frame = appendError(nil, id, err, executed)
	}
	if _, werr := s.Write(frame); werr != nil {
		s.CancelWrite(codeCancelled)
		return nil // the caller stopped reading: its business
	}
	l.half(s)
	s.CloseWrite()
	s.SetReadDeadline(l.r.Now().Add(l.cfg.WriteTimeout)) // and then its half ends, or we end it
	return nil
}

// replyLarge sends a reply that is too big for the shared stream.
func (l *Link) replyLarge(in *Inbound, id uint64, body []byte) error {
	lease, err := l.deps.Ledger.Acquire(l.scope, "large reply", ledger.Claim{Class: ledger.Queue, Count: 1, Bytes: int64(len(body))})
	if err != nil {
		return err
	}
	defer lease.Release()
	ctx, cancel := l.r.WithTimeout(in, l.cfg.WriteTimeout)
	defer cancel()
	s, err := l.conn.OpenStream(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	defer l.r.AfterDone(in, func() { s.CancelWrite(codeCancelled) })()
	s.SetWriteDeadline(l.r.Now().Add(l.cfg.WriteTimeout))
	if _, err := s.Write(wire.AppendReply([]byte{wire.StreamReply}, id, body)); err != nil {
		s.CancelWrite(codeCancelled)
		return err
	}
	return nil
}

// readLargeReply reads the reply that the peer sends on a stream of its own.
func (l *Link) readLargeReply(s transport.Stream) error {
	s.SetReadDeadline(l.r.Now().Add(l.cfg.WriteTimeout))
	lease, err := l.deps.Ledger.Acquire(l.scope, "large reply", ledger.Claim{Class: ledger.Queue, Count: 1, Bytes: int64(l.cfg.MaxBody)})
	if err != nil {
		l.dropLargeReply(s, err)
		return nil
	}
	defer lease.Release()
	kind, payload, err := l.readFrames(s, l.maxLarge()).Next()
	if err != nil {
		return nil // reset by its sender: the call's deadline tells the caller
	}
	if kind != wire.KindReply {
		return fault.New("link", fault.Protocol, "frame %d on the stream of a large reply", kind)
	}
	rep, err := wire.ParseReply(payload)
	if err != nil {
		return err
	}
	l.complete(rep.ID, rep.Body, nil)
	return nil
}

// dropLargeReply gives up a reply for which there is no room, and tells its
// caller: of the reply only the head is read, which says whose it is.
func (l *Link) dropLargeReply(s transport.Stream, why error) {
	if id, err := wire.ReadReplyHead(s); err == nil {
		l.complete(id, nil, &fault.Error{Op: "link.Call", Kind: fault.Overload, Detail: "no room for the reply", Executed: true, RetryAfter: overloadRetry, Err: why})
	}
	s.CancelRead(codeOverload)
}
