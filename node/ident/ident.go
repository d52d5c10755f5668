// Package ident gives a transport.PeerID its meaning: the id of a node is the
// hash of its Ed25519 public key. It also has the printed form of an id.
//
// Nothing here blocks, but for the reader that Generate is given.
package ident

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// The domains keep the hashes of different things apart, so that none can
// stand for another.
const (
	domainKey       = "macula/id/v1\x00"
	domainSimulated = "macula/simulated-id/v1\x00"
)

// FromPublicKey returns the id of the node that holds key: SHA-256 of
// "macula/id/v1", a zero byte and the 32 bytes of the key. The error is
// Invalid when key has another length.
func FromPublicKey(key ed25519.PublicKey) (transport.PeerID, error) {
	if len(key) != ed25519.PublicKeySize {
		return transport.PeerID{}, fault.New("ident", fault.Invalid, "an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	return sha256.Sum256(append([]byte(domainKey), key...)), nil
}

// Generate makes a new key from 32 bytes of rand, which in production is
// crypto/rand.Reader. It blocks as long as rand does. The same bytes make the
// same key.
func Generate(rand io.Reader) (ed25519.PrivateKey, error) {
	// Not ed25519.GenerateKey: it is free to read past its argument.
	seed := make([]byte, ed25519.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, &fault.Error{Op: "ident", Kind: fault.Internal, Detail: "no randomness for a key", Err: err}
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// Simulated returns the id of the machine name in the simulated world of seed.
// It belongs to no key: no real node can prove it.
func Simulated(seed uint64, name string) transport.PeerID {
	b := binary.BigEndian.AppendUint64([]byte(domainSimulated), seed)
	return sha256.Sum256(append(b, name...))
}
