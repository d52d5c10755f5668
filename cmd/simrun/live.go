package main

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

// realWorld is goroutines on the system clock, and QUIC.
func realWorld(seed uint64) live.Config {
	return live.Config{Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: quicTransports{}}
}

// quicTransports opens transports with keys that derive from the ids of a
// story, which belong to no key.
type quicTransports struct{}

func keyOf(id transport.PeerID) ed25519.PrivateKey {
	seed := sha256.Sum256(append([]byte("macula simrun live key"), id[:]...))
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
func (quicTransports) Open(as transport.PeerID, cfg transport.Config, conn net.PacketConn, clock rt.Clock) (transport.Transport, error) {
	return quic.New(quic.Config{Config: cfg, Key: keyOf(as), Conn: conn, Clock: clock})
}
