package live_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/rt/rttest"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
	"github.com/maculamesh/macula/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quicTransports opens QUIC with keys that derive from ids.
type quicTransports struct{}

func keyOf(id transport.PeerID) ed25519.PrivateKey {
	seed := sha256.Sum256(id[:])
	return ed25519.NewKeyFromSeed(seed[:])
}

func (quicTransports) ID(as transport.PeerID) transport.PeerID {
	id, err := ident.FromPublicKey(keyOf(as).Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	return id
}

func (quicTransports) Open(as transport.PeerID, cfg transport.Config, conn net.PacketConn, clock rt.Clock) (transport.Transport, error) {
	return quic.New(quic.Config{Config: cfg, Key: keyOf(as), Conn: conn, Clock: clock})
}

// newWorld returns a world that the test's end closes, with no goroutine left.
func newWorld(t *testing.T) *live.World {
	t.Helper()
	before := goleak.IgnoreCurrent()
	w := live.New(live.Config{Seed: 1, Runtime: realrt.New(realrt.Config{}), Transports: quicTransports{}})
	t.Cleanup(func() {
		w.Close()
		goleak.VerifyNone(t, before)
	})
	return w
}

const patience = time.Minute

// play runs f as a task of the machine and drives the world until it is over.
func play(t *testing.T, w *live.World, m scenario.Machine, f func()) error {
	t.Helper()
	over := false
	m.Go("story", func() {
		f()
		over = true
	})
	return w.RunUntil(func() bool { return over }, patience)
}

// driven is a machine as the suites drive it.
type driven struct {
	scenario.Machine
	t *testing.T
	w *live.World
}

// Run plays f until nothing is left.
func (d driven) Run(f func()) {
	d.t.Helper()
	if err := play(d.t, d.w, d.Machine, f); err != nil {
		d.t.Error(err)
	}
	if err := d.w.RunUntil(func() bool { return false }, patience); err != sim.ErrQuiet {
		d.t.Errorf("in the end: %v", err)
	}
	for _, l := range d.w.Leaks() {
		d.t.Error(l.Text)
	}
	for _, l := range d.w.Network().Leaks() {
		d.t.Error(l)
	}
}

func TestConformsAsARuntime(t *testing.T) {
	rttest.Run(t, func(t *testing.T) rttest.World {
		w := newWorld(t)
		return driven{w.Machine("m"), t, w}
	})
}

// hosts is a world of one machine whose every host is a machine of its own.
type hosts struct {
	driven
	made *int
}

func (h hosts) Host(cfg transport.Config) transporttest.Host {
	*h.made++
	name := string(rune('a' + *h.made - 1))
	id := ident.Simulated(1, name)
	at := h.w.Network().Host(name)
	return transporttest.Host{Transport: at.Transport(h.Machine, id, cfg), ID: id, Addr: at.Addr()}
}

func (h hosts) links(f func(a, b scenario.Host)) {
	for i := range *h.made {
		for j := range *h.made {
			if i != j {
				f(h.w.Network().Host(string(rune('a'+i))), h.w.Network().Host(string(rune('a'+j))))
			}
		}
	}
}

func (h hosts) Cut()  { h.links(h.w.Network().Cut) }
func (h hosts) Heal() { h.links(h.w.Network().Heal) }

func (h hosts) Delay(d time.Duration) {
	h.links(func(a, b scenario.Host) { h.w.Network().SetLink(a, b, scenario.Link{Latency: d}) })
}

func TestConformsAsATransport(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		w := newWorld(t)
		return hosts{driven{w.Machine("m"), t, w}, new(int)}
	})
}
