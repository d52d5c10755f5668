package netsim_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// mesh is nodes that are all dialled by their neighbours.
type mesh struct {
	w     *sim.World
	net   *netsim.Net
	conns []meshConn
}

type meshConn struct {
	from, to *sim.Machine
	conn     transport.Conn // the dialling end
	peer     transport.Conn
}

// newMesh makes n nodes of which each dials the next degree ones.
func newMesh(tb testing.TB, n, degree int, link netsim.Link, cfg transport.Config) *mesh {
	w := sim.New(sim.Config{Seed: 1, NoSites: true})
	tb.Cleanup(w.Close)
	x := &mesh{w: w, net: netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: recorder{w}, Link: link})}
	type node struct {
		m  *sim.Machine
		tr transport.Transport
	}
	nodes := make([]node, n)
	for i := range nodes {
		m := w.Machine(fmt.Sprintf("n%d", i))
		nodes[i] = node{m, x.net.Host(m.Name()).Transport(m, transport.PeerID{byte(i), byte(i >> 8)}, cfg)}
	}
	for i, a := range nodes {
		a.m.Go("serve", func() {
			l, _ := a.tr.Listen(transport.ListenConfig{})
			for {
				if _, err := l.Accept(context.Background()); err != nil {
					return
				}
			}
		})
		for d := range degree {
			k := (i + d + 1) % n
			a.m.Go("dial", func() {
				c, err := a.tr.Dial(context.Background(), x.net.Host(nodes[k].m.Name()).Addr(), transport.PeerID{byte(k), byte(k >> 8)})
				if err != nil {
					tb.Error(err)
					return
				}
				x.conns = append(x.conns, meshConn{from: a.m, to: nodes[k].m, conn: c})
			})
		}
	}
	if err := w.RunFor(time.Second); err != nil {
		tb.Fatal(err)
	}
	return x
}

// BenchmarkMessages sends bare messages of 64 bytes to and fro over a stream
// for each pair of nodes, with the hash on.
func BenchmarkMessages(b *testing.B) {
	for _, nodes := range []int{10, 1_000} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			x := newPairs(b, nodes, netsim.Link{Latency: time.Millisecond})
			b.ReportAllocs()
			b.ResetTimer()
			x.pingPong(b, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// pairs is nodes of which each even one has a stream to the next.
type pairs struct {
	w       *sim.World
	ms      []*sim.Machine
	streams []transport.Stream
}

func newPairs(tb testing.TB, n int, link netsim.Link) *pairs {
	w := sim.New(sim.Config{Seed: 1, NoSites: true})
	tb.Cleanup(w.Close)
	net := netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: recorder{w}, Link: link})
	x := &pairs{w: w, streams: make([]transport.Stream, n)}
	for i := range n {
		x.ms = append(x.ms, w.Machine(fmt.Sprintf("n%d", i)))
	}
	for i := 0; i < n; i += 2 {
		a, b := x.ms[i], x.ms[i+1]
		ta := net.Host(a.Name()).Transport(a, transport.PeerID{1}, transport.Config{})
		tb := net.Host(b.Name()).Transport(b, transport.PeerID{2}, transport.Config{})
		b.Go("serve", func() {
			l, _ := tb.Listen(transport.ListenConfig{})
			c, _ := l.Accept(context.Background())
			x.streams[i+1], _ = c.AcceptStream(context.Background())
		})
		a.Go("dial", func() {
			c, _ := ta.Dial(context.Background(), net.Host(b.Name()).Addr(), transport.PeerID{2})
			x.streams[i], _ = c.OpenStream(context.Background())
			x.streams[i].Write(make([]byte, 64))
		})
	}
	if err := w.RunFor(time.Second); err != nil {
		tb.Fatal(err)
	}
	for i := 1; i < n; i += 2 {
		x.ms[i].Go("first", func() { io.ReadFull(x.streams[i], make([]byte, 64)) })
	}
	w.RunFor(time.Second)
	return x
}

func (x *pairs) pingPong(tb testing.TB, messages int) {
	each := messages/len(x.streams) + 1
	for i, s := range x.streams {
		x.ms[i].Go("talk", func() {
			buf := make([]byte, 64)
			for k := range each {
				if i%2 == 0 || k > 0 {
					s.Write(buf)
				}
				if _, err := io.ReadFull(s, buf); err != nil {
					tb.Error(err)
					return
				}
				if i%2 == 1 && k == each-1 {
					s.Write(buf)
				}
			}
		})
	}
	if err := x.w.RunFor(1000 * time.Hour); err != nil {
		tb.Error(err)
	}
}

// BenchmarkQuietMesh lets an hour pass over idle connections with keep-alives.
func BenchmarkQuietMesh(b *testing.B) {
	x := newMesh(b, 1000, 4, netsim.Link{Latency: time.Millisecond}, transport.Config{})
	b.ResetTimer()
	for range b.N {
		before := x.w.Events()
		if err := x.w.RunFor(time.Hour); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(x.w.Events()-before), "events/op")
	}
	if x.net.Conns() != 4000 {
		b.Fatalf("%d connections live", x.net.Conns())
	}
}

// BenchmarkClients connects clients to one server, each with two streams that
// somebody reads at both ends, and tells what one costs.
func BenchmarkClients(b *testing.B) {
	const clients = 10_500
	for range b.N {
		before := heapInUse()
		w := sim.New(sim.Config{Seed: 1, NoSites: true})
		net := netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: recorder{w}, Link: netsim.Link{Latency: time.Millisecond, Jitter: time.Millisecond}})
		m := w.Machine("server")
		server := net.Host("server").Transport(m, transport.PeerID{1}, transport.Config{AcceptQueue: clients})
		m.Go("serve", func() {
			l, _ := server.Listen(transport.ListenConfig{})
			for {
				if _, err := l.Accept(context.Background()); err != nil {
					return
				}
			}
		})
		c := w.Machine("client")
		opened := 0
		for i := range clients {
			tr := net.Host(fmt.Sprintf("c%d", i)).Transport(c, transport.PeerID{2}, transport.Config{})
			c.Go("client", func() {
				conn, err := tr.Dial(context.Background(), net.Host("server").Addr(), transport.PeerID{1})
				for range 2 {
					s, _ := conn.OpenStream(context.Background())
					s.Write(make([]byte, 100))
				}
				if err == nil {
					opened++
				}
			})
		}
		if err := w.RunFor(5 * time.Second); err != nil || opened != clients {
			b.Fatal(err, opened)
		}
		b.ReportMetric(float64(heapInUse()-before)/clients, "B/client")
		runtime.KeepAlive(net)
		w.Close()
	}
}

func heapInUse() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
