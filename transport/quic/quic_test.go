package quic

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func newKey(t testing.TB) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newTransport returns a transport that the test's end closes.
func newTransport(t testing.TB, cfg Config) *Transport {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = newKey(t)
	}
	if !cfg.Addr.IsValid() {
		cfg.Addr = loopback
	}
	if cfg.Clock == nil {
		cfg.Clock = realrt.New(realrt.Config{})
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// world is goroutines and sockets on loopback.
type world struct {
	*realrt.Runtime
	t      *testing.T
	closed func() // ends the network
}

// faultyWorld has a mesh in between, which may be cut and slow.
type faultyWorld struct {
	world
	mesh *mesh
}

func (w world) Host(cfg transport.Config) transporttest.Host {
	tr := newTransport(w.t, Config{Config: cfg, Clock: w.Runtime})
	return transporttest.Host{Transport: tr, ID: tr.ID(), Addr: tr.Addr()}
}

func (w faultyWorld) Host(cfg transport.Config) transporttest.Host {
	h := w.world.Host(cfg)
	h.Addr = w.mesh.join(h.Addr)
	h.Transport = meshed{h.Transport, h.Addr}
	return h
}

// meshed is a transport that has its address in the mesh.
type meshed struct {
	transport.Transport
	addr transport.Addr
}

func (t meshed) Listen(cfg transport.ListenConfig) (transport.Listener, error) {
	l, err := t.Transport.Listen(cfg)
	return meshedListener{l, t.addr}, err
}

type meshedListener struct {
	transport.Listener
	addr transport.Addr
}

func (l meshedListener) Addr() transport.Addr { return l.addr }

func (w faultyWorld) Cut()                  { w.mesh.set(func(m *mesh) { m.cut = true }) }
func (w faultyWorld) Heal()                 { w.mesh.set(func(m *mesh) { m.cut = false }) }
func (w faultyWorld) Delay(d time.Duration) { w.mesh.set(func(m *mesh) { m.faults.delay = d }) }

// Run waits for every task, and demands that neither a task nor a timer nor a
// goroutine is left.
func (w world) Run(f func()) {
	before := goleak.IgnoreCurrent()
	w.Go("main", f)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if w.Wait(ctx) != nil {
		w.t.Errorf("tasks do not end: %v", w.TaskNames())
	}
	if w.Tasks() != 0 || w.Timers() != 0 || w.Hooks() != 0 {
		w.t.Errorf("left: tasks %v, %d timers, %d hooks", w.TaskNames(), w.Timers(), w.Hooks())
	}
	w.closed()
	goleak.VerifyNone(w.t, before)
}

func TestConformsOnLoopback(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		return world{realrt.New(realrt.Config{}), t, func() {}}
	})
}

func TestConformsThroughAMesh(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		m := newMesh(t, 1)
		return faultyWorld{world{realrt.New(realrt.Config{}), t, m.close}, m}
	})
}
