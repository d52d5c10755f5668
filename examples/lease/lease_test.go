package lease_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/examples/lease"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/store/dir"
	"github.com/maculamesh/macula/transport/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is goroutines, QUIC on loopback and a folder.
type world struct {
	*realrt.Runtime
	t   *testing.T
	ctx context.Context // ends when the test waits for too long
	end context.CancelCauseFunc
}

func newWorld(t *testing.T) *world {
	w := &world{Runtime: realrt.New(realrt.Config{}), t: t}
	ctx, cancel := w.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	w.ctx, w.end = w.WithCancelCause(ctx)
	return w
}

func (w *world) deps() (lease.Deps, *quic.Transport) {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	net, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: w.Runtime})
	if err != nil {
		w.t.Fatal(err)
	}
	return lease.Deps{Runtime: w.Runtime, Transport: net, Log: slog.New(slog.DiscardHandler)}, net
}

// until waits for a condition, however long the machine takes.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	for !cond() {
		if rt.Sleep(w.ctx, w.Runtime, time.Millisecond) != nil {
			w.t.Fatalf("it does not come to this: %s", what)
		}
	}
}

// The code that is simulated runs over QUIC and on a real disk as it is.
func TestTheLeaseGoesFromOneClientToTheOtherOverQUIC(t *testing.T) {
	w := newWorld(t)
	cfg := lease.Config{TTL: 200 * time.Millisecond}
	disk, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps, net := w.deps()
	tasks := rt.NewGroup(w.Runtime)
	server := lease.NewServer(cfg, deps, disk)
	tasks.Go("server", func() {
		if err := server.Serve(w.ctx); !errors.Is(err, errOver) {
			t.Errorf("Serve: %v", err)
		}
		net.Close()
	})
	clients := [2]*lease.Client{}
	stop := [2]context.CancelCauseFunc{}
	for i := range clients {
		deps, own := w.deps()
		c := lease.NewClient(cfg, deps, net.ID(), net.Addr())
		var ctx context.Context
		ctx, stop[i] = w.WithCancelCause(w.ctx)
		clients[i] = c
		tasks.Go("client", func() { c.Run(ctx); own.Close() })
	}
	holder := -1
	var first, second uint64
	w.until("a client has the lease", func() bool {
		for i, c := range clients {
			if token, held := c.Held(); held {
				holder, first = i, token
			}
		}
		return holder >= 0
	})
	stop[holder](errOver)
	w.until("the other client has the lease", func() (held bool) {
		second, held = clients[1-holder].Held()
		return held
	})
	if _, held := clients[holder].Held(); second <= first || held {
		t.Errorf("tokens %d and then %d; the first client has it still: %v", first, second, held)
	}
	w.end(errOver)
	tasks.Wait(context.Background())
	for i, c := range clients {
		if _, held := c.Held(); held {
			t.Errorf("client %d has ended and believes that it has the lease", i)
		}
	}
}

var errOver = errors.New("the test is over")
