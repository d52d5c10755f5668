package transport

import (
	"context"
	"errors"
)

// MaxDatagram is the longest datagram in bytes that fits into a packet on every
// path that QUIC works over (RFC 9000, 14).
const MaxDatagram = 1200

// ErrDatagramTooLarge says that a datagram is longer than MaxDatagram.
var ErrDatagramTooLarge = errors.New("datagram too large")

// DatagramConn is a Conn that carries datagrams beside its streams (RFC 9221).
// Not every implementation has them: who wants to use them asks by a type
// assertion, and has to do without. All methods are safe for concurrent use.
type DatagramConn interface {
	Conn
	// SendDatagram sends p and does not wait. It arrives whole, or never and
	// without a word, and others may overtake it. It returns
	// ErrDatagramTooLarge, or the connection's cause when that died.
	SendDatagram(p []byte) error
	// ReceiveDatagram waits for the next datagram. What arrives while nobody
	// takes it is queued, up to a bound over which it is lost.
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}
