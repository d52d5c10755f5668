package ident_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// FuzzParseDamaged prints an id, damages one character of it, and demands that
// Parse refuses it, in one short line, unless the two characters mean the same.
func FuzzParseDamaged(f *testing.F) {
	f.Add([]byte{}, uint8(0), byte('u'))
	f.Add(bytes.Repeat([]byte{0xff}, 32), uint8(55), byte('0'))
	f.Add([]byte("not the id of anybody"), uint8(20), byte('\n'))
	f.Add([]byte{1}, uint8(51), byte('O'))
	f.Add([]byte{1}, uint8(3), byte(0xff))
	f.Fuzz(func(t *testing.T, raw []byte, at uint8, c byte) {
		var id transport.PeerID
		copy(id[:], raw)
		text := []byte(ident.String(id))
		i := int(at) % len(text)
		text[i] = c
		meant := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(string(text)))
		got, err := ident.Parse(string(text))
		if err == nil {
			if got != id || meant != ident.String(id) {
				t.Fatalf("%q is read as %x", text, got)
			}
			return
		}
		if meant == ident.String(id) {
			t.Fatalf("%q is refused: %v", text, err)
		}
		if msg := err.Error(); !errors.Is(err, fault.Invalid) || len(msg) > 400 || strings.ContainsFunc(msg, unicode.IsControl) || got != (transport.PeerID{}) {
			t.Fatalf("%q: %q", text, msg)
		}
	})
}

// FuzzPublicKey demands that exactly the keys of the right length have an id,
// and that it is the hash that is described.
func FuzzPublicKey(f *testing.F) {
	for _, n := range []int{0, 1, 31, 32, 33, 64, 4096} {
		f.Add(bytes.Repeat([]byte{7}, n))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		id, err := ident.FromPublicKey(key)
		if len(key) != ed25519.PublicKeySize {
			if !errors.Is(err, fault.Invalid) || id != (transport.PeerID{}) {
				t.Fatalf("%d bytes: %v", len(key), err)
			}
			return
		}
		if want := sha256.Sum256(append([]byte("macula/id/v1\x00"), key...)); err != nil || id != want {
			t.Fatalf("%x, %v, want %x", id, err, want)
		}
	})
}
