package netsim

import (
	"context"
	"errors"

	"github.com/maculamesh/macula/transport"
)

var errListening = errors.New("netsim: the transport listens already")

// listener implements transport.Listener.
type listener struct {
	p      *endpoint
	admit  func(transport.Addr, bool) transport.Verdict
	site   uintptr
	closed bool

	knocking []knock // that wait for the verdict of admit, one after another
	asking   bool
	backlog  []*end // that wait for Accept, at most Config.AcceptQueue
	waiting  line   // empty unless backlog is
}

// knock is a connection attempt.
type knock struct {
	c        *conn
	verified bool
}

// Accept implements transport.Listener.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	site := caller()
	n := l.p.n
	n.lock()
	if l.closed {
		n.unlock()
		return nil, transport.ErrClosed
	}
	if len(l.backlog) > 0 {
		e := l.backlog[0]
		l.backlog = append(l.backlog[:0], l.backlog[1:]...)
		e.site = site
		n.unlock()
		return e, nil
	}
	w := l.p.newWaiter()
	w.site = site
	l.waiting.add(w)
	n.unlock()
	_, e, err := l.p.wait(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Addr implements transport.Listener.
func (l *listener) Addr() transport.Addr { return l.p.addr }

// Close implements transport.Listener.
func (l *listener) Close() error {
	l.p.n.lock()
	defer l.p.n.unlock()
	l.close()
	return nil
}

// close ends the listener. Whoever waits for Accept is refused.
func (l *listener) close() {
	if l.closed {
		return
	}
	l.closed = true
	l.p.listener = nil
	l.waiting.fail(transport.ErrClosed)
	for _, e := range l.backlog {
		l.p.n.refuse(e, transport.ErrRefused)
	}
	l.backlog, l.knocking = nil, nil
}

// deliver hands e to Accept, or reports that there is no room.
func (l *listener) deliver(e *end) bool {
	if w := l.waiting.head; w != nil {
		e.site = w.site
		w.conn = e
		w.wake()
		return true
	}
	if len(l.backlog) >= l.p.cfg.AcceptQueue {
		return false
	}
	l.backlog = append(l.backlog, e)
	return true
}

// ask gets the verdicts on those that knock, one after another, so that each
// verdict sees what the one before has led to. The mutex is free meanwhile:
// Admit is not ours.
func (l *listener) ask(k knock) {
	n := l.p.n
	l.knocking = append(l.knocking, k)
	if l.asking {
		return
	}
	l.asking = true
	for len(l.knocking) > 0 {
		k := l.knocking[0]
		l.knocking = append(l.knocking[:0], l.knocking[1:]...)
		v := transport.Accept
		if l.admit != nil {
			addr := k.c.ends[0].ep.seen()
			n.unlock()
			v = l.admit(addr, k.verified)
			n.lock()
		}
		if !l.closed {
			n.decide(l, k, v)
		}
	}
	l.asking = false
}
