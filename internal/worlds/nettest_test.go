package worlds_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"github.com/maculamesh/macula/internal/worlds"
	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// end is a transport with what others need to dial it.
type end struct {
	transport.Transport
	id   transport.PeerID
	addr transport.Addr
}

// pipe makes a stream between two ends. The far one hears of it by its first
// byte.
func pipe(r rt.Clock, a, b end) (near, far net.Conn, stop func(), err error) {
	stop = func() {
		a.Close()
		b.Close()
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := b.Listen(transport.ListenConfig{})
	if err != nil {
		return nil, nil, nil, err
	}
	ca, err := a.Dial(ctx, b.addr, b.id)
	if err != nil {
		return nil, nil, nil, err
	}
	cb, err := l.Accept(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	sa, err := ca.OpenStream(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err = sa.Write([]byte{'!'}); err != nil {
		return nil, nil, nil, err
	}
	sb, err := cb.AcceptStream(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err = io.ReadFull(sb, make([]byte, 1)); err != nil {
		return nil, nil, nil, err
	}
	return worlds.NewConn(r, sa, a.addr, ca.RemoteAddr()), worlds.NewConn(r, sb, b.addr, cb.RemoteAddr()), stop, nil
}

func quicEnd(r *realrt.Runtime) (end, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return end{}, err
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	if err != nil {
		return end{}, err
	}
	return end{tr, tr.ID(), tr.Addr()}, nil
}

func quicPipe() (near, far net.Conn, stop func(), err error) {
	r := realrt.New(realrt.Config{})
	a, err := quicEnd(r)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := quicEnd(r)
	if err != nil {
		a.Close()
		return nil, nil, nil, err
	}
	return pipe(r, a, b)
}

// netsimPipe is one over the simulated network, with goroutines on the system
// clock: the suite is made of such.
func netsimPipe() (near, far net.Conn, stop func(), err error) {
	r := realrt.New(realrt.Config{Seed: 1})
	n := netsim.New(netsim.Config{Runtime: r, Link: netsim.Link{Latency: 50 * time.Microsecond, Jitter: 100 * time.Microsecond}})
	at := func(name string) end {
		h, id := n.Host(name), transport.PeerID{name[0]}
		return end{h.Transport(r, id, transport.Config{}), id, h.Addr()}
	}
	near, far, end, err := pipe(r, at("a"), at("b"))
	if err != nil {
		return nil, nil, nil, err
	}
	return near, far, func() {
		end()
		r.Wait(context.Background())
	}, nil
}

var pipes = map[string]nettest.MakePipe{"quic": quicPipe, "netsim": netsimPipe}

func TestAStreamIsANetConn(t *testing.T) {
	t.Parallel()
	for name, mp := range pipes {
		t.Run(name, func(t *testing.T) { nettest.TestConn(t, mp) })
	}
}

func TestANetConnHasHalves(t *testing.T) {
	t.Parallel()
	for name, mp := range pipes {
		t.Run(name, func(t *testing.T) {
			near, far, stop, err := mp()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			if _, err := near.Write([]byte("question")); err != nil {
				t.Fatal(err)
			}
			if err := near.(*worlds.Conn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(far); string(got) != "question" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			if _, err := far.Write([]byte("answer")); err != nil {
				t.Fatal(err)
			}
			far.Close()
			if got, err := io.ReadAll(near); string(got) != "answer" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			near.Close()
			if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a read after the end: %v", err)
			}
		})
	}
}
