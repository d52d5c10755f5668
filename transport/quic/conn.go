package quic

import (
	"context"
	"crypto/ed25519"
	"strings"
	"unicode/utf8"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// conn is a transport.Conn.
type conn struct {
	t      *Transport
	q      *quic.Conn
	peer   transport.PeerID
	ctx    context.Context // ends with an error of transport; that of q ends with one of quic-go
	cancel context.CancelCauseFunc
	// turn is held by the AcceptStream that waits: quic-go wakes one of
	// several by a signal that can stand for two streams.
	turn chan struct{}

	streams int  // guarded by books.mu
	dead    bool // guarded by books.mu
}

func newConn(t *Transport, q *quic.Conn) *conn {
	key := q.ConnectionState().TLS.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	id, err := ident.FromPublicKey(key)
	if err != nil {
		panic("quic: a peer without a key: " + err.Error()) // verify has seen to it
	}
	c := &conn{t: t, q: q, peer: id, turn: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// OpenStream opens a stream.
func (c *conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	q, err := c.q.OpenStreamSync(ctx)
	if err != nil {
		return nil, c.waitError(ctx, err)
	}
	return newStream(c, q), nil
}

// AcceptStream returns the next stream of the peer.
func (c *conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	q, err := c.q.AcceptStream(ctx)
	if err != nil {
		return nil, c.waitError(ctx, err)
	}
	return newStream(c, q), nil
}

// Context ends with the connection.
func (c *conn) Context() context.Context { return c.ctx }

// Peer is who is at the other end.
func (c *conn) Peer() transport.PeerID { return c.peer }

// RemoteAddr is where the peer is now.
func (c *conn) RemoteAddr() transport.Addr { return unmap(c.q.RemoteAddr()) }

// CloseWithError ends the connection. It waits for a step of the connection's
// run loop, but not for the peer.
func (c *conn) CloseWithError(code transport.Code, reason string) error {
	c.q.CloseWithError(quic.ApplicationErrorCode(wireCode(code)), cutReason(reason))
	c.die(context.Cause(c.q.Context()))
	return nil
}

// waitError returns what a call that waited for ctx or the connection ended
// with. quic-go returns ctx.Err, where the contract has the cause.
func (c *conn) waitError(ctx context.Context, err error) error {
	if err == ctx.Err() {
		return context.Cause(ctx)
	}
	return c.die(err)
}

// die ends the connection for its users, because quic-go has ended it with
// err. Whoever sees it first calls it. It returns the cause.
func (c *conn) die(err error) error {
	c.t.books.dead(c)
	c.cancel(connError(err))
	return context.Cause(c.ctx)
}

// ended is called when quic-go has finished with the connection.
func (c *conn) ended() {
	c.die(context.Cause(c.q.Context()))
	c.t.forget(c)
}

// cutReason cuts a reason so that it fits into every packet.
func cutReason(s string) string {
	if len(s) <= transport.MaxReason {
		return s
	}
	s = s[:transport.MaxReason]
	for i := 1; i < utf8.UTFMax && !utf8.ValidString(s); i++ {
		s = s[:len(s)-1]
	}
	return strings.ToValidUTF8(s, "")
}
