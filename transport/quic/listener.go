package quic

import (
	"context"
	"errors"
	"net"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/transport"
)

// listener moves what quic-go has accepted into a queue of its own, since that
// of quic-go has a fixed length and does not say when a handshake is complete.
type listener struct {
	t      *Transport
	q      *quic.Listener
	queue  chan *conn
	closed chan struct{} // closed at the beginning of Close
	moved  chan struct{} // closed at the end of move
	done   chan struct{} // closed at the end of Close
}

// Listen starts to accept connections. It fails with ErrClosed after Close,
// and while another listener is open.
func (t *Transport) Listen(cfg transport.ListenConfig) (transport.Listener, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, transport.ErrClosed
	}
	if t.listener != nil {
		return nil, errors.New("quic: there is a listener already")
	}
	admit := cfg.Admit
	if admit == nil {
		admit = func(transport.Addr, bool) transport.Verdict { return transport.Accept }
	}
	t.admission.Store(&admission{admit: admit})
	q, err := t.q.Listen(t.tlsConfig(nil), t.config(false))
	if err != nil {
		return nil, connError(err)
	}
	l := &listener{
		t:      t,
		q:      q,
		queue:  make(chan *conn, t.cfg.AcceptQueue),
		closed: make(chan struct{}),
		moved:  make(chan struct{}),
		done:   make(chan struct{}),
	}
	t.listener = l
	go l.move()
	return l, nil
}

// Addr is the address of the transport.
func (l *listener) Addr() transport.Addr { return l.t.addr }

// Accept waits for the next connection.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case <-l.closed:
		return nil, transport.ErrClosed
	default:
	}
	select {
	case <-l.closed:
		return nil, transport.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case c := <-l.queue:
		return c, nil
	}
}

// Close refuses what waits for Accept and what is in its handshake. It waits
// for a few steps of their run loops. The error is always nil.
func (l *listener) Close() error {
	l.t.mu.Lock()
	if l.t.listener != l {
		l.t.mu.Unlock()
		<-l.done
		return nil
	}
	select {
	case <-l.closed:
		l.t.mu.Unlock()
		<-l.done
		return nil
	default:
	}
	close(l.closed)
	l.t.mu.Unlock()

	l.q.Close()
	<-l.moved
	for {
		select {
		case c := <-l.queue:
			refuse(c.q)
			continue
		default:
		}
		break
	}
	l.t.mu.Lock()
	l.t.listener = nil
	l.t.mu.Unlock()
	close(l.done)
	return nil
}

// move puts every connection whose handshake is complete into the queue.
func (l *listener) move() {
	defer close(l.moved)
	for {
		q, err := l.q.Accept(context.Background())
		if err != nil {
			return
		}
		h := q.Context().Value(handshakeKey{}).(*handshake)
		// Nobody else puts into the queue, so room stays.
		if len(l.queue) == cap(l.queue) {
			l.t.books.endHandshake(h)
			refuse(q)
			continue
		}
		if c := l.t.adopt(q, h); c != nil {
			l.queue <- c
		}
	}
}

// refuse ends a connection that we had to complete the handshake of.
func refuse(q *quic.Conn) { q.CloseWithError(refusedCode, "refused") }

// admission asks ListenConfig.Admit for each attempt. quic-go asks in two
// places, of which only the first can ask for a Retry and only the second can
// refuse; both are called by one goroutine, one right after the other.
type admission struct {
	admit   func(transport.Addr, bool) transport.Verdict
	verdict transport.Verdict // on the attempt whose address is not verified
}

// verifySource is quic.Transport.VerifySourceAddress, which is called for each
// attempt without a valid token.
func (t *Transport) verifySource(addr net.Addr) bool {
	a := t.admission.Load()
	a.verdict = a.admit(unmap(addr), false)
	return a.verdict == transport.Verify
}

var errNotAdmitted = errors.New("not admitted")

type handshakeKey struct{}

// connContext is quic.Transport.ConnContext, where a handshake begins.
func (t *Transport) connContext(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	a := t.admission.Load()
	verdict := a.verdict
	if info.AddrVerified {
		verdict = a.admit(unmap(info.RemoteAddr), true)
	}
	if verdict == transport.Refuse {
		return nil, errNotAdmitted
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, errNotAdmitted
	}
	t.ending.Add(1)
	t.mu.Unlock()
	h := t.books.beginHandshake(true)
	context.AfterFunc(ctx, func() {
		t.books.endHandshake(h)
		t.ending.Done()
	})
	return context.WithValue(ctx, handshakeKey{}, h), nil
}
