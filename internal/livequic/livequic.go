// Package livequic lets the machines of a live world speak QUIC.
package livequic

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// Transports opens QUIC transports with keys that derive from the ids of a
// story, which belong to no key. They are no secret: for tests only.
type Transports struct {
	// Wrap returns what a transport sends and receives by in place of conn; nil
	// leaves it as it is.
	Wrap func(conn net.PacketConn) net.PacketConn
}

var _ live.Transports = Transports{}

func keyOf(id transport.PeerID) ed25519.PrivateKey {
	seed := sha256.Sum256(append([]byte("macula live key"), id[:]...))
	return ed25519.NewKeyFromSeed(seed[:])
}

// ID is the id of the key.
func (Transports) ID(as transport.PeerID) transport.PeerID {
	id, err := ident.FromPublicKey(keyOf(as).Public().(ed25519.PublicKey))
	if err != nil {
		panic(err) // of a key that was made here
	}
	return id
}

// Open opens a transport on conn. The error is that of quic.New.
func (t Transports) Open(as transport.PeerID, cfg transport.Config, conn net.PacketConn, clock rt.Clock) (transport.Transport, error) {
	if t.Wrap != nil {
		conn = t.Wrap(conn)
	}
	return quic.New(quic.Config{Config: cfg, Key: keyOf(as), Conn: conn, Clock: clock})
}
