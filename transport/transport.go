// Package transport is the network as node code sees it: authenticated
// connections that carry many streams.
//
// transport/quic implements it over QUIC, netsim over a simulated network.
// What QUIC does is the truth; transporttest.Run holds every implementation
// to it.
package transport

import (
	"cmp"
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/maculamesh/macula/mono"
)

// PeerID is what authenticated the other end of a connection. node/ident
// gives it its meaning and its printed form; here it is only compared.
type PeerID [32]byte

// Addr is where a node listens.
type Addr = netip.AddrPort

// Code is an application error code as it travels on the wire. At most 2^62-1.
type Code uint64

// MaxReason is the longest close reason in bytes that is sure to arrive; a
// longer one is cut.
const MaxReason = 256

// Transport dials and listens on one address. All methods are safe for
// concurrent use.
type Transport interface {
	// Dial connects to addr and returns when the peer has proved to be want,
	// or with an error when ctx ends or the handshake timeout passes. A nil
	// error does not mean that the peer has accepted us: a refusal can still
	// arrive as the connection's end. Dial never leaves anything behind when
	// it fails.
	Dial(ctx context.Context, addr Addr, want PeerID) (Conn, error)
	// Listen starts to accept connections. One listener at a time.
	Listen(cfg ListenConfig) (Listener, error)
	// Stats counts what is open right now, by the transport's own books.
	Stats() Stats
	// Close ends every connection with code 0, waits for them, and frees the
	// address. It blocks for at most a few round trips.
	Close() error
}

// Stats counts what a transport holds.
type Stats struct {
	Handshaking int // connections of either direction before the end of the handshake
	Accepting   int // of those, the ones that others have begun
	Conns       int // connections open: handshake complete, not yet closed or dead
	Streams     int // streams of open connections with at least one half not finished
}

// Verdict is the answer of ListenConfig.Admit.
type Verdict uint8

// The verdicts on a connection attempt.
const (
	Accept Verdict = iota // go on with the handshake
	Refuse                // refuse before any state is kept; the dialler gets ErrRefused
	Verify                // ask the dialler to prove its address first (QUIC Retry), then ask again
)

// ListenConfig configures a listener.
type ListenConfig struct {
	// Admit is asked before a handshake starts; verified says whether the
	// dialler has proved that it receives at addr. It must not block. Nil
	// accepts everyone.
	Admit func(addr Addr, verified bool) Verdict
}

// Listener yields accepted connections.
type Listener interface {
	// Accept waits for the next connection whose handshake is complete. After
	// Close it returns ErrClosed.
	Accept(ctx context.Context) (Conn, error)
	// Addr is the address that it listens on.
	Addr() Addr
	// Close stops accepting. Connections that Accept has returned live on;
	// those still waiting for Accept are refused.
	Close() error
}

// Conn is an authenticated connection. All methods are safe for concurrent
// use.
type Conn interface {
	// OpenStream opens a bidirectional stream, waiting for the peer's stream
	// credit while there is none. The peer hears of it with the first byte.
	OpenStream(ctx context.Context) (Stream, error)
	// AcceptStream returns the next stream that the peer opened, in the order
	// of their opening. A stream on which nothing was written yet can come
	// out of it, and one that was already reset.
	AcceptStream(ctx context.Context) (Stream, error)
	// Context ends when the connection is dead; context.Cause says why: a
	// *CloseError, ErrIdleTimeout or another error of this package.
	Context() context.Context
	// Peer is who is at the other end.
	Peer() PeerID
	// RemoteAddr is where the peer is now. It may change by migration: caps by
	// prefix use the address at admission.
	RemoteAddr() Addr
	// CloseWithError ends the connection and all its streams at once. Data
	// that the peer has not read yet is lost, but code and reason arrive when
	// the link is up. Only the first call counts; the result is nil. It may
	// park: never call it under a lock.
	CloseWithError(code Code, reason string) error
}

// Stream is a bidirectional byte stream. One task may read while another one
// writes; the other methods are safe at any time.
type Stream interface {
	// Reader returns io.EOF after the peer's last byte and FIN, *StreamError
	// after a reset, os.ErrDeadlineExceeded after the read deadline, and the
	// connection's cause when that died.
	io.Reader
	// Writer blocks on flow control. It returns *StreamError after the peer's
	// CancelRead, and errors like those of Read.
	io.Writer
	// CloseWrite finishes the writing half: FIN, after all data.
	CloseWrite() error
	// CancelRead gives up the reading half and asks the peer to stop sending.
	CancelRead(Code)
	// CancelWrite gives up the writing half abruptly: data not yet received
	// may be lost. After CloseWrite has sent the FIN it changes nothing.
	CancelWrite(Code)
	// Close is what a defer calls: FIN if the writing half is still open,
	// CancelRead if the end of the reading half was not seen. It gives the
	// credit of the stream back, and never blocks on the peer.
	Close() error
	// SetReadDeadline and SetWriteDeadline bound pending and future calls;
	// zero means no deadline.
	SetReadDeadline(d mono.Time)
	SetWriteDeadline(d mono.Time)
}

// Config is what every implementation takes; zero fields take the default
// that is named beside them.
type Config struct {
	HandshakeTimeout time.Duration // a dial or an accepted handshake older than this dies; 5 s: three lost flights on a slow link
	IdleTimeout      time.Duration // a connection without a packet from the peer for this long dies; 30 s: the usual NAT binding
	KeepAlive        time.Duration // a packet is sent when nothing was heard for this long; IdleTimeout/3, so that two may get lost; negative is off
	StreamWindow     int           // receive window of a stream in bytes, fixed; 64 KiB: one large chunk in flight plus one being read
	ConnWindow       int           // receive window of a connection in bytes, fixed; 256 KiB: four busy streams
	MaxStreams       int           // streams that the peer may have open at once; 64
	AcceptQueue      int           // accepted connections that wait for Accept; 32, as quic-go has it; over it the newcomer is refused late
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 30*time.Second)
	c.KeepAlive = cmp.Or(c.KeepAlive, c.IdleTimeout/3)
	c.StreamWindow = cmp.Or(c.StreamWindow, 64<<10)
	c.ConnWindow = cmp.Or(c.ConnWindow, 256<<10)
	c.MaxStreams = cmp.Or(c.MaxStreams, 64)
	c.AcceptQueue = cmp.Or(c.AcceptQueue, 32)
	return c
}
