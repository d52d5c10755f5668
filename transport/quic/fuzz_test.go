package quic

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/maculamesh/macula/transport"
)

// fuzzNow is the time of the tests of certificates.
var fuzzNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fuzzKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

// fuzzID is the id of a key by its description, not by our code.
func fuzzID(key ed25519.PublicKey) transport.PeerID {
	return sha256.Sum256(append([]byte("macula/id/v1\x00"), key...))
}

// fuzzCert makes a certificate for a key, signed by another or the same.
func fuzzCert(key crypto.PublicKey, signer crypto.Signer, from, until time.Duration, name string) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: fuzzNow.Add(from), NotAfter: fuzzNow.Add(until),
	}
	return x509.CreateCertificate(rand.Reader, template, template, key, signer)
}

// trusted says of certificates, from their own bytes, whether they prove an id:
// one, of at most 1 KiB, of an Ed25519 key, signed with that key, valid now.
func trusted(certs []*x509.Certificate) (id transport.PeerID, ok bool) {
	if len(certs) != 1 || len(certs[0].Raw) > 1024 {
		return id, false
	}
	c := certs[0]
	key, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PublicKeySize || c.SignatureAlgorithm != x509.PureEd25519 {
		return id, false
	}
	if !ed25519.Verify(key, c.RawTBSCertificate, c.Signature) || fuzzNow.Before(c.NotBefore) || fuzzNow.After(c.NotAfter) {
		return id, false
	}
	return fuzzID(key), true
}

// demandVerdict compares what verify says with trusted, for a listener, for a
// dial to who it is, and for a dial to somebody else.
func demandVerdict(t *testing.T, certs []*x509.Certificate) {
	t.Helper()
	s := tls.ConnectionState{PeerCertificates: certs}
	id, ok := trusted(certs)
	other := id
	other[31] ^= 1
	for _, c := range []struct {
		want *transport.PeerID
		is   error // nil: it is taken when it can be trusted
	}{{nil, nil}, {&id, nil}, {&other, transport.ErrPeerMismatch}} {
		err := verify(s, c.want, fuzzNow)
		switch {
		case err == nil && (!ok || c.is != nil):
			t.Fatalf("taken for %x", c.want)
		case err != nil && ok && c.is == nil:
			t.Fatalf("refused: %v", err)
		case err != nil && !ok && !errors.Is(err, transport.ErrHandshake), err != nil && ok && !errors.Is(err, c.is):
			t.Fatalf("refused for another reason: %v", err)
		}
		if err != nil && (len(err.Error()) > 500 || strings.ContainsFunc(err.Error(), unicode.IsControl)) {
			t.Fatalf("not one short line: %q", err.Error())
		}
	}
	got, err := peerID(s, fuzzNow)
	if (err == nil) != ok || ok && got != id || !ok && got != (transport.PeerID{}) {
		t.Fatalf("the id is %x, %v, want %x", got, err, id)
	}
}

// FuzzVerify gives verify what may come in a handshake: any bytes that are read
// as a certificate, alone or before another one.
func FuzzVerify(f *testing.F) {
	key, thief := fuzzKey(1), fuzzKey(2)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range []struct {
		key         crypto.PublicKey
		signer      crypto.Signer
		from, until time.Duration
		name        string
	}{
		{key.Public(), key, -time.Hour, time.Hour, "macula"},
		{key.Public(), thief, -time.Hour, time.Hour, "wrong signer"},
		{key.Public(), key, -2 * time.Hour, -time.Hour, "expired"},
		{key.Public(), key, time.Hour, 2 * time.Hour, "future"},
		{key.Public(), key, time.Hour, -time.Hour, "never"},
		{key.Public(), key, 0, 0, "now"},
		{key.Public(), key, -24 * 365 * 50 * time.Hour, 24 * 365 * 200 * time.Hour, "for ever"},
		{key.Public(), key, -time.Hour, time.Hour, strings.Repeat("n", 1000)},
		{curve.Public(), curve, -time.Hour, time.Hour, "another curve"},
		{key.Public(), curve, -time.Hour, time.Hour, "another signer's curve"},
		{curve.Public(), key, -time.Hour, time.Hour, "another key's curve"},
	} {
		der, err := fuzzCert(c.key, c.signer, c.from, c.until, c.name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der, false)
		f.Add(der, true)
		f.Add(der[:len(der)/2], false)
		f.Add(append(bytes.Clone(der), 0), false)
		for _, at := range []int{20, len(der) / 2, len(der) - 1} {
			bad := bytes.Clone(der)
			bad[at] ^= 0x80
			f.Add(bad, false)
		}
	}
	f.Add([]byte{}, false)
	f.Add([]byte{}, true)
	f.Add(bytes.Repeat([]byte{0x30, 0x82, 0xff, 0xff}, 200), true)
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 400), false)
	second, err := fuzzCert(key.Public(), key, -time.Hour, time.Hour, "second")
	if err != nil {
		f.Fatal(err)
	}
	behind, err := x509.ParseCertificate(second)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, der []byte, two bool) {
		var certs []*x509.Certificate
		if c, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, c) // else TLS itself ends the handshake
		}
		if two {
			certs = append(certs, behind)
		}
		demandVerdict(t, certs)
	})
}

// FuzzVerifyMade makes well formed certificates with one thing or another wrong
// with them, which random bytes seldom are: exactly those are taken that are
// alone, signed with their own key, and valid now.
func FuzzVerifyMade(f *testing.F) {
	f.Add(byte(1), byte(1), int64(-3600), int64(3600), uint8(0), byte(1))
	f.Add(byte(1), byte(2), int64(-3600), int64(3600), uint8(0), byte(1))
	f.Add(byte(1), byte(1), int64(-3600), int64(-1), uint8(0), byte(1))
	f.Add(byte(1), byte(1), int64(1), int64(3600), uint8(0), byte(1))
	f.Add(byte(1), byte(1), int64(0), int64(0), uint8(1), byte(1))
	f.Add(byte(1), byte(1), int64(-1<<40), int64(1<<40), uint8(255), byte(2))
	f.Fuzz(func(t *testing.T, holder, signer byte, from, until int64, more uint8, dialled byte) {
		const century = 100 * 365 * 24 * 3600
		from, until = from%century, until%century
		key, by := fuzzKey(holder), fuzzKey(signer)
		der, err := fuzzCert(key.Public(), by, time.Duration(from)*time.Second, time.Duration(until)*time.Second, strings.Repeat("n", int(more)))
		if err != nil {
			return // nobody can make it
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		certs := []*x509.Certificate{cert}
		if more%8 == 1 {
			certs = append(certs, cert)
		}
		demandVerdict(t, certs)
		want := fuzzID(fuzzKey(dialled).Public().(ed25519.PublicKey))
		good := holder == signer && from <= 0 && until >= 0 && len(certs) == 1 && len(der) <= 1024 && dialled == holder
		if err := verify(tls.ConnectionState{PeerCertificates: certs}, &want, fuzzNow); (err == nil) != good {
			t.Fatalf("key %d signed by %d, valid from %d s to %d s, %d certificates of %d bytes, dialled %d: %v", holder, signer, from, until, len(certs), len(der), dialled, err)
		}
	})
}
