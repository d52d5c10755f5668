package node_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// rarely plays three nodes that call each other for a minute and close, with
// the rare things in their code happening often. It returns how many of the
// calls to what is provided were answered.
func rarely(t *testing.T, seed uint64, b sim.Buggify) (w *sim.World, answered, calls int) {
	t.Helper()
	w = sim.New(sim.Config{Seed: seed, Buggify: b})
	net := netsim.New(netsim.Config{Runtime: w.Machine("network"), Link: netsim.Link{Latency: time.Millisecond}})
	names := []string{"a", "b", "c"}
	for i, name := range names {
		m, host := w.Machine(name), net.Host(name)
		next := names[(i+1)%len(names)]
		cfg := node.Config{
			Realm: testRealm, OpenPeers: true, CleanupInterval: time.Second, IdleAfter: 3 * time.Second,
			Bootstrap: []node.Peer{{ID: ident.Simulated(seed, next), Addr: net.Host(next).Addr()}},
		}
		id := ident.Simulated(seed, name)
		n, err := node.New(cfg, node.Deps{Runtime: m, Transport: host.Transport(m, id, transport.Config{}), ID: id, Log: m.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Advertise("echo."+name, echo, node.AdvertiseOptions{TTL: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		m.Go("node", func() { n.Serve(context.Background()) })
		m.Go("caller", func() {
			for k := range 100 {
				rt.Sleep(context.Background(), m, 600*time.Millisecond)
				ctx, cancel := m.WithTimeout(context.Background(), 500*time.Millisecond)
				n.Call(ctx, "nobody", nil, node.CallOptions{})
				_, err := n.Call(ctx, "echo."+names[(i+k)%len(names)], nil, node.CallOptions{Idempotent: true})
				cancel()
				if calls++; err == nil {
					answered++
				}
			}
			rt.Sleep(context.Background(), m, time.Second)
			n.Close()
		})
	}
	if err := w.Run(); err != nil {
		t.Error(err)
	}
	for _, l := range w.Leaks() {
		t.Error("left:", l)
	}
	w.Close()
	return w, answered, calls
}

func TestANodeKeepsItsPromisesWhileRareThingsHappenOften(t *testing.T) {
	for seed := range uint64(10) {
		w, answered, calls := rarely(t, seed, sim.Buggify{Active: 1e6, Fire: 200_000})
		if answered < calls*95/100 {
			t.Errorf("seed %d: %d of %d calls were answered", seed, answered, calls)
		}
		var fired []string
		for _, p := range w.Buggified() {
			if p.Fired > 0 {
				fired = append(fired, p.Name)
			}
		}
		if want := []string{
			"discovery: tell late", "link: flush late", "link: goaway late", "pool: publish late", "pool: reap early",
			"registry: sweep skipped", "renewal: early", "rpc: handler starts late", "rpc: negative answer forgotten",
		}; !slices.Equal(fired, want) {
			t.Errorf("seed %d: fired %q, want %q", seed, fired, want)
		}
	}
	if w, _, _ := rarely(t, 1, sim.Buggify{}); len(w.Buggified()) > 0 {
		t.Errorf("off: %v", w.Buggified())
	}
}
