package quic

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

const (
	certLife = 30 * 24 * time.Hour // of a certificate that is made; a new one is made at half of it
	certPast = 24 * time.Hour      // how long before it was made it is valid: what clocks may differ by

	// maxCertificate bounds a peer's certificate. Ours has about 300 bytes.
	maxCertificate = 1024
)

type (
	tlsState   = tls.ConnectionState
	verifyFunc = func(tls.ConnectionState) error
)

// tlsConfig returns the configuration for a dial to want, or for a listener
// when want is nil.
func (t *Transport) tlsConfig(want *transport.PeerID) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		MaxVersion: tls.VersionTLS13,
		NextProtos: []string{wire.ALPN},
		ClientAuth: tls.RequireAnyClientCert,
		// There is no authority that could vouch for a certificate and no
		// name to compare it with: verify does all.
		InsecureSkipVerify:     true,
		VerifyConnection:       func(s tlsState) error { return verify(s, want, t.cfg.Clock.Wall()) },
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.certs.get() },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.certs.get() },
		SessionTicketsDisabled: true,
		// With the post-quantum hybrid, which is the default of Go, the first
		// flight takes two packets, so a server would keep half a hello of
		// everybody and ask Admit twice, and a handshake costs 20 % more. The
		// price: who records the traffic today may read it with a quantum
		// computer one day.
		CurvePreferences: []tls.CurveID{tls.X25519},
		Time:             t.cfg.Clock.Wall,
	}
}

// verify checks who is at the other end. That it holds the key of its
// certificate TLS checks by itself, at the dialler after this, and always
// before the handshake is complete.
func verify(s tlsState, want *transport.PeerID, now time.Time) error {
	id, err := peerID(s, now)
	if err != nil {
		return fmt.Errorf("%w: the peer's certificate: %w", transport.ErrHandshake, err)
	}
	if want != nil && id != *want {
		return fmt.Errorf("%w: it is %s", transport.ErrPeerMismatch, ident.Short(id))
	}
	return nil
}

func peerID(s tlsState, now time.Time) (transport.PeerID, error) {
	var none transport.PeerID
	if len(s.PeerCertificates) != 1 {
		return none, fmt.Errorf("there are %d, not one", len(s.PeerCertificates))
	}
	cert := s.PeerCertificates[0]
	if len(cert.Raw) > maxCertificate {
		return none, fmt.Errorf("it has %d bytes, more than %d", len(cert.Raw), maxCertificate)
	}
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok || cert.SignatureAlgorithm != x509.PureEd25519 {
		return none, fmt.Errorf("it is of the type %v, signed by %v, and not of Ed25519", cert.PublicKeyAlgorithm, cert.SignatureAlgorithm)
	}
	if cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return none, errors.New("it is not signed with its own key")
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return none, fmt.Errorf("it is valid from %s to %s", cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339))
	}
	return ident.FromPublicKey(key)
}

// certificates makes the certificate of this node, and a new one in time: a
// process may run for longer than any of them should be valid.
type certificates struct {
	key   ed25519.PrivateKey
	clock rt.Clock

	mu   sync.Mutex
	cert *tls.Certificate
}

// get returns a certificate that is valid now and for a while.
func (c *certificates) get() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Wall()
	if c.cert == nil || now.Before(c.cert.Leaf.NotBefore.Add(certPast/2)) || now.After(c.cert.Leaf.NotAfter.Add(-certLife/2)) {
		cert, err := newCertificate(c.key, now)
		if err != nil {
			return nil, err
		}
		c.cert = cert
	}
	return c.cert, nil
}

// Expires is until when the certificate is valid that is shown to others; the
// zero time when there is none. It is made anew long before.
func (t *Transport) Expires() time.Time {
	cert, err := t.certs.get()
	if err != nil {
		return time.Time{}
	}
	return cert.Leaf.NotAfter
}

func newCertificate(key ed25519.PrivateKey, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "macula"},
		NotBefore: now.Add(-certPast),
		NotAfter:  now.Add(certLife),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("quic: making the certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("quic: making the certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
