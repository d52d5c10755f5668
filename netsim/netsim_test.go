package netsim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a transporttest.World whose hosts are all on one runtime.
type world struct {
	rt.Runtime
	net   *netsim.Net
	hosts []*netsim.Host
	run   func(f func())
	hash  uint64 // of the run, in simulation
}

func (w *world) Host(cfg transport.Config) transporttest.Host {
	h := w.net.Host(fmt.Sprintf("h%d", len(w.hosts)+1))
	w.hosts = append(w.hosts, h)
	id := transport.PeerID{}
	binary.BigEndian.PutUint32(id[:], uint32(len(w.hosts)))
	return transporttest.Host{Transport: h.Transport(w.Runtime, id, cfg), ID: id, Addr: h.Addr()}
}

func (w *world) Run(f func()) { w.run(f) }

func (w *world) Cut() {
	for _, a := range w.hosts {
		for _, b := range w.hosts {
			w.net.Cut(a, b)
		}
	}
}

func (w *world) Heal() { w.net.HealAll() }

func (w *world) Delay(d time.Duration) {
	for _, a := range w.hosts {
		for _, b := range w.hosts {
			w.net.SetLink(a, b, netsim.Link{Latency: d})
		}
	}
}

func newRealWorld(t *testing.T, link netsim.Link) *world {
	t.Parallel()
	r := realrt.New(realrt.Config{Seed: 1})
	w := &world{Runtime: r, net: netsim.New(netsim.Config{Runtime: r, Link: link})}
	w.run = func(f func()) {
		r.Go("case", f)
		r.Wait(context.Background())
		for r.Timers() > 0 { // packets in flight to nobody
			time.Sleep(time.Millisecond)
		}
		audit(t, w.net)
	}
	return w
}

// audit checks the books of a network in which everything is closed.
func audit(t testing.TB, n *netsim.Net) {
	t.Helper()
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
	for _, l := range n.Leaks() {
		t.Errorf("left: %v", l)
	}
	if n.Conns() != 0 {
		t.Errorf("%d connections are left", n.Conns())
	}
}

func TestItConformsInRealTime(t *testing.T) {
	link := netsim.Link{Latency: 50 * time.Microsecond, Jitter: 100 * time.Microsecond}
	transporttest.Run(t, func(t *testing.T) transporttest.World { return newRealWorld(t, link) })
}
