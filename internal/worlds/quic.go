package worlds

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// Loopback returns a world on the system clock whose machines speak QUIC over
// sockets of the loopback interface. It must be closed.
func Loopback(seed uint64) *live.World {
	return live.New(live.Config{Seed: seed, Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: quicTransports{nil}})
}

// Bubble returns a world whose machines speak QUIC over simulated packets. It
// is made, played and closed in one bubble of testing/synctest. Every packet
// that leaves a machine is written into rec, which may be nil.
func Bubble(seed uint64, rec *Record) *live.World {
	return live.New(live.Config{
		Seed: seed, Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: quicTransports{rec}, InProcess: true,
	})
}

// quicTransports opens transports with keys that derive from the ids of a
// story, which belong to no key.
type quicTransports struct{ rec *Record }

func keyOf(id transport.PeerID) ed25519.PrivateKey {
	seed := sha256.Sum256(append([]byte("macula worlds key"), id[:]...))
	return ed25519.NewKeyFromSeed(seed[:])
}

// ID is the id of the key.
func (quicTransports) ID(as transport.PeerID) transport.PeerID {
	id, err := ident.FromPublicKey(keyOf(as).Public().(ed25519.PublicKey))
	if err != nil {
		panic(err) // of a key that was made here
	}
	return id
}

// Open opens a QUIC transport.
func (t quicTransports) Open(as transport.PeerID, cfg transport.Config, conn net.PacketConn, clock rt.Clock) (transport.Transport, error) {
	if t.rec != nil {
		conn = &recorded{conn, t.rec}
	}
	return quic.New(quic.Config{Config: cfg, Key: keyOf(as), Conn: conn, Clock: clock})
}
