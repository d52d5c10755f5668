package scenarios_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// BenchmarkCall is a call through the whole stack of two nodes of ten in one
// simulated mesh: pool, ledger, frames, registry, deadlines, with the trace
// hash on and no checkers.
func BenchmarkCall(b *testing.B) {
	const nodes, callers = 10, 16
	b.ReportAllocs()
	w := sim.New(sim.Config{Seed: 1, NoSites: true})
	defer w.Close()
	net := netsim.New(netsim.Config{Runtime: w.Machine("network"), Link: netsim.Link{Latency: time.Millisecond}})
	var all []*node.Node
	for i := range nodes {
		m, h := w.Machine(fmt.Sprint("n", i)), net.Host(fmt.Sprint("n", i))
		id := ident.Simulated(1, m.Name())
		cfg := node.Config{Realm: "org.example.bench", OpenPeers: true}
		for j := range i {
			cfg.Bootstrap = append(cfg.Bootstrap, node.Peer{ID: ident.Simulated(1, fmt.Sprint("n", j)), Addr: net.Host(fmt.Sprint("n", j)).Addr()})
		}
		n, err := node.New(cfg, node.Deps{Runtime: m, Transport: h.Transport(m, id, transport.Config{}), ID: id})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, n)
		m.Go("node", func() { n.Serve(context.Background()) })
		m.Go("advertise", func() {
			n.Advertise(fmt.Sprint("echo.", i), func(_ context.Context, r *node.Request) ([]byte, error) { return r.Body, nil }, node.AdvertiseOptions{})
		})
	}
	if err := w.RunFor(5 * time.Second); err != nil {
		b.Fatal(err)
	}
	left, failed, live := b.N, 0, 0
	body := make([]byte, 64)
	for i, n := range all {
		m := w.Machine(fmt.Sprint("n", i))
		for c := range callers {
			live++
			name := fmt.Sprint("echo.", (i+1+c%(nodes-1))%nodes)
			m.Go("caller", func() {
				for ; left > 0; left-- {
					ctx, cancel := m.WithTimeout(context.Background(), time.Second)
					if _, err := n.Call(ctx, name, body, node.CallOptions{}); err != nil {
						failed++
					}
					cancel()
				}
				live--
			})
		}
	}
	b.ResetTimer()
	if err := w.RunUntil(func() bool { return live == 0 }, 24*time.Hour); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if failed > 0 {
		b.Fatalf("%d calls failed", failed)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	for i, n := range all {
		w.Machine(fmt.Sprint("n", i)).Go("close", n.Close)
	}
	if err := w.Run(); err != nil {
		b.Fatal(err)
	}
}
