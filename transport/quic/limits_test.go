package quic

import (
	"crypto/tls"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/transport"
)

// The streams that the contract knows go both ways, and nobody would accept
// another: one that the peer may open, and write to, would hold its window for
// as long as the connection lives.
func TestAPeerHasNoStreamsOfOneDirection(t *testing.T) {
	ours := newTransport(t, Config{})
	l, err := ours.Listen(transport.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	conf := stranger{conf: withCertificate(func(t *testing.T) tls.Certificate { return certificate(t, key, key, nil) })}.tlsConfig(t)
	q, err := quic.DialAddr(t.Context(), ours.Addr().String(), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.CloseWithError(0, "")
	if _, err := l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := q.OpenStream(); err != nil {
		t.Errorf("a stream of both directions: %v", err)
	}
	if _, err := q.OpenUniStream(); err == nil {
		t.Error("a stream of one direction could be opened")
	}
}
