package quic

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/maculamesh/macula/transport"
)

// linked is two transports with a mesh in between and a connection over it.
func linked(t *testing.T, seed uint64, f faults, cfg transport.Config) (ca, cb transport.Conn, m *mesh) {
	t.Helper()
	m = newMesh(t, seed)
	t.Cleanup(m.close)
	a, b := newTransport(t, Config{Config: cfg}), newTransport(t, Config{Config: cfg})
	m.join(a.Addr())
	addr := m.join(b.Addr())
	m.set(func(m *mesh) { m.faults = f })
	l, err := b.Listen(transport.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = a.Dial(t.Context(), addr, b.ID()); err != nil {
		t.Fatal(err)
	}
	if cb, err = l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ca, cb, m
}

var harsh = faults{loss: 5, duplicate: 5, reorder: 20, delay: time.Millisecond, detour: 5 * time.Millisecond}

// TestALossyLinkChangesNothing sends large transfers both ways and many small
// streams over a link that loses, duplicates and reorders.
func TestALossyLinkChangesNothing(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			ca, cb, m := linked(t, seed, harsh, transport.Config{HandshakeTimeout: time.Minute, MaxStreams: 16})
			var wg sync.WaitGroup
			for _, ends := range [][2]transport.Conn{{ca, cb}, {cb, ca}} {
				wg.Go(func() { echoes(t, ends[0], 512<<10, 1) })
				wg.Go(func() { echoes(t, ends[0], 300, 100) })
				wg.Go(func() { serveEchoes(t, ends[1], 101) })
			}
			wg.Wait()
			for _, c := range []transport.Conn{ca, cb} {
				tr := c.(*conn).t
				wait(t, func() bool { return tr.Stats() == transport.Stats{Conns: 1} }, "every stream is finished")
			}
			m.set(func(m *mesh) {
				if m.lost < 20 || m.passed < 500 {
					t.Errorf("only %d packets were lost of %d", m.lost, m.passed)
				}
			})
		})
	}
}

// echoes sends size bytes over each of count streams at once, and wants them
// back.
func echoes(t *testing.T, c transport.Conn, size, count int) {
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			s, err := c.OpenStream(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			data := make([]byte, size)
			rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, size, i))).Read(data)
			wg.Go(func() {
				if _, err := s.Write(data); err != nil {
					t.Error(err)
				}
				s.CloseWrite()
			})
			got, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("stream %d of %d bytes: %d came back, %v", i, size, len(got), err)
			}
		})
	}
	wg.Wait()
}

// serveEchoes answers count streams.
func serveEchoes(t *testing.T, c transport.Conn, count int) {
	var wg sync.WaitGroup
	for range count {
		s, err := c.AcceptStream(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		wg.Go(func() {
			defer s.Close()
			if _, err := io.Copy(s, s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestHandshakesSurviveALossyLink dials again and again over a link that loses
// every fifth packet.
func TestHandshakesSurviveALossyLink(t *testing.T) {
	m := newMesh(t, 3)
	t.Cleanup(m.close)
	cfg := Config{Config: transport.Config{HandshakeTimeout: time.Minute}}
	a, b := newTransport(t, cfg), newTransport(t, cfg)
	m.join(a.Addr())
	addr := m.join(b.Addr())
	m.set(func(m *mesh) { m.faults = faults{loss: 20} })
	l, err := b.Listen(transport.ListenConfig{Admit: func(_ transport.Addr, verified bool) transport.Verdict {
		if verified {
			return transport.Accept
		}
		return transport.Verify
	}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			c, err := a.Dial(t.Context(), addr, b.ID())
			if err != nil {
				t.Error(err)
				return
			}
			echoes(t, c, 1000, 1)
		})
		wg.Go(func() {
			c, err := l.Accept(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			serveEchoes(t, c, 1)
		})
	}
	wg.Wait()
}
