// Package loadtest plays the tests of package load over QUIC on loopback, and
// reports what they show.
package loadtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/maculamesh/macula/load"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// World is goroutines on the system clock, QUIC on loopback, and child
// processes. It implements load.World.
type World struct {
	r *realrt.Runtime
	// command makes the command that runs Serve in a process of its own.
	command  func() (*exec.Cmd, error)
	progress func(load.Progress)
	slack    time.Duration

	mu   sync.Mutex
	keys map[string]ed25519.PrivateKey // of the identities that more than one machine has
	peak Usage                         // the most that was in use at a time
}

// newWorld returns a world without machines.
func newWorld(cfg Config, progress func(load.Progress)) *World {
	return &World{r: realrt.New(realrt.Config{}), command: cfg.Command, slack: cfg.Slack, progress: progress, keys: map[string]ed25519.PrivateKey{}}
}

// host is a QUIC transport on a free port of the loopback interface.
type host struct {
	r  *realrt.Runtime
	tr *quic.Transport
}

// Runtime implements load.World.
func (w *World) Runtime() rt.Runtime { return w.r }

// Host implements load.World.
func (w *World) Host(cfg load.HostConfig) (load.Host, error) {
	as := cfg.As
	if as == "" {
		as = cfg.Name
	}
	key, err := w.key(as)
	if err != nil {
		return nil, err
	}
	return newHost(w.r, key, cfg.Transport)
}

func newHost(r *realrt.Runtime, key ed25519.PrivateKey, cfg transport.Config) (*host, error) {
	tr, err := quic.New(quic.Config{Config: cfg, Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	if err != nil {
		return nil, err
	}
	return &host{r, tr}, nil
}

// key is the key of a name, the same one at every call.
func (w *World) key(name string) (ed25519.PrivateKey, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.keys[name]; k != nil {
		return k, nil
	}
	k, err := ident.Generate(rand.Reader)
	if err == nil {
		w.keys[name] = k
	}
	return k, err
}

// forget drops the identities of the last test.
func (w *World) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.keys)
}

// AtOnce implements load.World. A round trip on loopback is no part of it.
func (w *World) AtOnce(int) time.Duration { return w.slack }

// Watch implements load.World: the test itself looks as often as it can be
// done here.
func (w *World) Watch(load.Host, *node.Node) (stop func()) { return func() {} }

// Held implements load.World.
func (w *World) Held(string, error) {}

// Progress implements load.World.
func (w *World) Progress(p load.Progress) { w.progress(p) }

// ID implements load.Host.
func (h *host) ID() transport.PeerID { return h.tr.ID() }

// Addr implements load.Host.
func (h *host) Addr() transport.Addr { return h.tr.Addr() }

// Runtime implements load.Host.
func (h *host) Runtime() rt.Runtime { return h.r }

// Transport implements load.Host.
func (h *host) Transport() transport.Transport { return h.tr }

// Log implements load.Host.
func (h *host) Log() *slog.Logger { return nil }

// processors is how many the tests may use.
func processors() int { return runtime.GOMAXPROCS(0) }
