package quic

import (
	"context"
	"testing"

	"github.com/maculamesh/macula/transport"
)

// BenchmarkHandshake is a dial, accepted, and closed again.
func BenchmarkHandshake(b *testing.B) {
	x, y := newTransport(b, Config{}), newTransport(b, Config{})
	l, err := y.Listen(transport.ListenConfig{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := x.Dial(b.Context(), y.Addr(), y.ID())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Accept(b.Context()); err != nil {
			b.Fatal(err)
		}
		c.CloseWithError(0, "")
	}
}

// BenchmarkStream is a stream of its own for a request of 64 bytes and its
// answer.
func BenchmarkStream(b *testing.B) {
	x, y := newTransport(b, Config{}), newTransport(b, Config{})
	l, err := y.Listen(transport.ListenConfig{})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		for {
			s, err := c.AcceptStream(context.Background())
			if err != nil {
				return
			}
			go func() {
				defer s.Close()
				buf := make([]byte, 64)
				s.Read(buf)
				s.Write(buf)
			}()
		}
	}()
	c, err := x.Dial(b.Context(), y.Addr(), y.ID())
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64)
	for b.Loop() {
		s, err := c.OpenStream(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Write(buf)
		s.CloseWrite()
		s.Read(buf)
		s.Close()
	}
}
