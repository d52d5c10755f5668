package quic

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// certificate makes one for key, which signer signs, after change has been at
// its template.
func certificate(t *testing.T, key, signer crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// stranger is another implementation with a configuration of its own. What it
// is to us is what the reason says, or nothing wrong.
type stranger struct {
	name   string
	reason string
	conf   func(t *testing.T, c *tls.Config)
}

func withCertificate(make func(t *testing.T) tls.Certificate) func(*testing.T, *tls.Config) {
	return func(t *testing.T, c *tls.Config) { c.Certificates = []tls.Certificate{make(t)} }
}

var strangers = []stranger{
	{"one like us", "", nil},
	{"a key of another type", "not of Ed25519", withCertificate(func(t *testing.T) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return certificate(t, key, key, nil)
	})},
	{"a certificate that another key signed", "not signed with its own key", withCertificate(func(t *testing.T) tls.Certificate {
		return certificate(t, newKey(t), newKey(t), nil)
	})},
	{"two certificates", "there are 2", withCertificate(func(t *testing.T) tls.Certificate {
		key := newKey(t)
		c := certificate(t, key, key, nil)
		c.Certificate = append(c.Certificate, c.Certificate[0])
		return c
	})},
	{"a certificate that has expired", "it is valid from", withCertificate(func(t *testing.T) tls.Certificate {
		key := newKey(t)
		return certificate(t, key, key, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	})},
	{"a certificate that is not valid yet", "it is valid from", withCertificate(func(t *testing.T) tls.Certificate {
		key := newKey(t)
		return certificate(t, key, key, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	})},
	{"a certificate that is too large", "more than 1024", withCertificate(func(t *testing.T) tls.Certificate {
		key := newKey(t)
		return certificate(t, key, key, func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: strings.Repeat("n", 1000)}
		})
	})},
	{"a certificate whose key it does not hold", "", withCertificate(func(t *testing.T) tls.Certificate {
		victim := newKey(t)
		c := certificate(t, victim, victim, nil)
		c.PrivateKey = newKey(t)
		return c
	})},
	{"another protocol", "", func(_ *testing.T, c *tls.Config) { c.NextProtos = []string{"h3"} }},
	{"no certificate", "", func(_ *testing.T, c *tls.Config) { c.Certificates = nil }},
}

// tlsConfig returns the configuration of the stranger.
func (s stranger) tlsConfig(t *testing.T) *tls.Config {
	key := newKey(t)
	c := &tls.Config{
		NextProtos:         []string{wire.ALPN},
		InsecureSkipVerify: true,
		ClientAuth:         tls.RequestClientCert,
		Certificates:       []tls.Certificate{certificate(t, key, key, nil)},
	}
	if s.conf != nil {
		s.conf(t, c)
	}
	return c
}

func TestAStrangerIsNotAccepted(t *testing.T) {
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) {
			ours := newTransport(t, Config{Config: transport.Config{HandshakeTimeout: time.Second}})
			l, err := ours.Listen(transport.ListenConfig{})
			if err != nil {
				t.Fatal(err)
			}
			q, err := quic.DialAddr(t.Context(), ours.Addr().String(), s.tlsConfig(t), nil)
			if s.name == "one like us" {
				if err != nil {
					t.Fatal(err)
				}
				defer q.CloseWithError(0, "")
				if _, err := l.Accept(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				select { // TLS 1.3: the client is done before the server has judged it
				case <-q.Context().Done():
				case c := <-l.(*listener).queue:
					t.Fatalf("it was accepted as %x", c.Peer())
				}
				err = context.Cause(q.Context())
			}
			var tr *quic.TransportError
			if !errors.As(err, &tr) || !tr.ErrorCode.IsCryptoError() || !tr.Remote {
				t.Errorf("it was told %v, which is no rejection", err)
			}
			if text := tr.Error(); s.reason != "" && strings.Contains(text, s.reason) {
				t.Errorf("it was told the details: %q", text)
			}
			wait(t, func() bool { return ours.Stats() == transport.Stats{} }, "nothing is left of it")
			select {
			case c := <-l.(*listener).queue:
				t.Errorf("it was accepted as %x", c.Peer())
			default:
			}
		})
	}
}

func TestAStrangerIsNotDialled(t *testing.T) {
	for _, s := range strangers {
		if s.name == "no certificate" {
			continue // a TLS server has one
		}
		t.Run(s.name, func(t *testing.T) {
			ours := newTransport(t, Config{})
			conf := s.tlsConfig(t)
			udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
			if err != nil {
				t.Fatal(err)
			}
			defer udp.Close()
			theirs := &quic.Transport{Conn: udp}
			defer theirs.Close()
			if _, err := theirs.Listen(conf, nil); err != nil {
				t.Fatal(err)
			}
			var want transport.PeerID
			cert, err := x509.ParseCertificate(conf.Certificates[0].Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			if pub, ok := cert.PublicKey.(ed25519.PublicKey); ok {
				want, _ = ident.FromPublicKey(pub)
			}
			c, err := ours.Dial(t.Context(), unmap(udp.LocalAddr()), want)
			if s.name == "one like us" {
				if err != nil || c.Peer() != want {
					t.Errorf("Dial: %v", err)
				}
				return
			}
			if !errors.Is(err, transport.ErrHandshake) || !strings.Contains(err.Error(), s.reason) {
				t.Errorf("Dial: %v, want a failed handshake because %q", err, s.reason)
			}
			if ours.Stats() != (transport.Stats{}) {
				t.Errorf("left: %+v", ours.Stats())
			}
		})
	}
}

// movedClock is a clock whose calendar is wrong.
type movedClock struct {
	rt.Clock
	by time.Duration
}

func (c *movedClock) Wall() time.Time { return c.Clock.Wall().Add(c.by) }

func TestACertificateIsRenewedInTime(t *testing.T) {
	clock := &movedClock{Clock: realrt.New(realrt.Config{})}
	c := &certificates{key: newKey(t), clock: clock}
	serials := map[string]bool{}
	// A year in days, then a clock that is set back by one.
	for _, day := range append(days(0, 365), 0, 1, 2) {
		clock.by = time.Duration(day) * 24 * time.Hour
		cert, err := c.get()
		if err != nil {
			t.Fatal(err)
		}
		id, err := peerID(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}}, clock.Wall())
		if want, _ := ident.FromPublicKey(c.key.Public().(ed25519.PublicKey)); err != nil || id != want {
			t.Fatalf("on day %d the own certificate is %v", day, err)
		}
		if left := cert.Leaf.NotAfter.Sub(clock.Wall()); left < certLife/2-time.Minute {
			t.Fatalf("on day %d it is valid for %v more", day, left)
		}
		serials[cert.Leaf.SerialNumber.String()] = true
	}
	if n := len(serials); n < 20 || n > 30 {
		t.Errorf("%d certificates were made in a year", n)
	}
}

func days(from, to int) (d []int) {
	for ; from < to; from++ {
		d = append(d, from)
	}
	return d
}

func TestClocksThatDifferByMoreThanADayDoNotConnect(t *testing.T) {
	a := newTransport(t, Config{Clock: &movedClock{realrt.New(realrt.Config{}), 2 * certPast}})
	b := newTransport(t, Config{})
	if _, err := b.Listen(transport.ListenConfig{}); err != nil {
		t.Fatal(err)
	}
	c, err := a.Dial(t.Context(), b.Addr(), b.ID())
	if err == nil {
		<-c.Context().Done()
		err = context.Cause(c.Context())
	}
	if !errors.Is(err, transport.ErrHandshake) {
		t.Errorf("got %v", err)
	}
}

// wait waits until cond holds, for as long as the test may run.
func wait(t *testing.T, cond func() bool, what string) {
	t.Helper()
	for !cond() {
		select {
		case <-t.Context().Done():
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}
