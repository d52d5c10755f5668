package quic

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/maculamesh/macula/transport"
)

// lastFlight is how long a dial that was given up goes on when the peer has
// already proved its identity: its last flight is on its way then.
const lastFlight = 50 * time.Millisecond

// dial is a handshake that we began.
//
// To give it up, quic-go forgets it without a word. If that meets the end of
// the handshake, the peer is left with a connection that only its idle timeout
// ends. So once the peer has been verified a dial goes on, for lastFlight, and
// closes what comes of it.
type dial struct {
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	cause    error       // why it was given up
	verified bool        // VerifyConnection has accepted the peer
	rejected error       // or has not, for this reason
	late     *time.Timer // ends it after lastFlight
}

// Dial connects to addr, as transport.Transport says. What the peer's
// certificate lacks is an ErrHandshake, another peer than want an
// ErrPeerMismatch.
func (t *Transport) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	if !addr.IsValid() || addr.Port() == 0 {
		return nil, fmt.Errorf("%w: %v cannot be dialled", transport.ErrHandshake, addr)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	d := &dial{cancel: cancel}
	if !t.begin(d) {
		return nil, transport.ErrClosed
	}
	defer t.end(d)
	h := t.books.beginHandshake(false)
	defer t.books.endHandshake(h)

	stop := context.AfterFunc(ctx, func() { d.giveUp(context.Cause(ctx)) })
	defer stop()
	timer := time.AfterFunc(t.cfg.HandshakeTimeout, func() { d.giveUp(transport.ErrHandshakeTimeout) })
	defer timer.Stop()

	conf := t.tlsConfig(&want)
	verify := conf.VerifyConnection
	conf.VerifyConnection = d.verifier(verify)
	q, err := t.q.Dial(dctx, net.UDPAddrFromAddrPort(addr), conf, t.config(true))
	if err = d.outcome(err); err != nil {
		if q != nil {
			q.CloseWithError(0, "")
		}
		return nil, err
	}
	if c := t.adopt(q, h); c != nil {
		return c, nil
	}
	return nil, transport.ErrClosed
}

// giveUp makes the dial fail with cause, unless it has ended.
func (d *dial) giveUp(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause != nil {
		return
	}
	d.cause = cause
	if d.verified {
		d.late = time.AfterFunc(lastFlight, func() { d.cancel(cause) })
		return
	}
	d.cancel(cause)
}

// outcome is what Dial returns when quic-go has returned err.
func (d *dial) outcome(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.late != nil {
		d.late.Stop()
	}
	switch {
	case d.cause != nil:
		return d.cause
	case err == nil:
		return nil
	case d.rejected != nil:
		return d.rejected
	}
	return dialError(err)
}

// verifier wraps the VerifyConnection of a dial.
func (d *dial) verifier(verify verifyFunc) verifyFunc {
	return func(state tlsState) error {
		err := verify(state)
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case err != nil:
			d.rejected = err
			return err
		case d.cause != nil:
			return d.cause
		}
		d.verified = true
		return nil
	}
}

// begin registers a dial. It is false when the transport is closed.
func (t *Transport) begin(d *dial) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.last++
	t.dials[d] = t.last
	t.dialling.Add(1)
	return true
}

func (t *Transport) end(d *dial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.dials, d)
	t.dialling.Done()
}
