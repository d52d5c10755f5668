package node_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maculamesh/macula/internal/rawquic"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// benchNode is a node over real QUIC on loopback.
func benchNode(b *testing.B, peers ...node.Peer) *node.Node {
	b.Helper()
	r := realrt.New(realrt.Config{})
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	t, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r, Config: transport.Config{}})
	if err != nil {
		b.Fatal(err)
	}
	n, err := node.New(node.Config{Realm: "org.example.bench", OpenPeers: true, Bootstrap: peers}, node.Deps{Runtime: r, Transport: t, ID: t.ID()})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Serve(context.Background()); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		n.Close()
		wg.Wait()
	})
	for !n.Ready() {
		time.Sleep(time.Millisecond)
	}
	return n
}

// cost is what calls took: time, and time of the processors.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(more cost) { c.wall, c.cpu = c.wall+more.wall, c.cpu+more.cpu }

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inFlight makes n calls from that many callers at a time.
func inFlight(b *testing.B, callers, n int, call func() error) cost {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	begun, used := time.Now(), cpuTime(b)
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return cost{time.Since(begun), cpuTime(b) - used}
}

// BenchmarkRPC is a call by name between two nodes over QUIC on loopback, with
// deadlines, ledger and limits on, and in the same run the raw limit: frames
// on one stream of quic-go with a writer that yields. The two take turns in
// short slices, so that what else the machine does hits both. What counts is
// their ratio, "share%", and beside it how long processors worked for a call,
// both ends together, which says more when the machine is busy.
func BenchmarkRPC(b *testing.B) {
	server := benchNode(b)
	client := benchNode(b, node.Peer{ID: server.ID(), Addr: server.Addr()})
	if _, err := server.Advertise("echo", func(_ context.Context, r *node.Request) ([]byte, error) { return r.Body, nil }, node.AdvertiseOptions{}); err != nil {
		b.Fatal(err)
	}
	for client.Status().Pool.Open == 0 {
		time.Sleep(time.Millisecond)
	}
	raw, err := rawquic.New()
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	for _, size := range []int{64, 1024} {
		body := make([]byte, size)
		call := func() error {
			_, err := client.Call(context.Background(), "echo", body, node.CallOptions{}) // with the deadline of the configuration
			return err
		}
		rawCall := func() error {
			_, err := raw.Call(make([]byte, 0, size), body)
			return err
		}
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("%dB/%d-callers", size, callers), func(b *testing.B) {
				inFlight(b, callers, callers*10, call) // the connection is up, buffers are grown
				inFlight(b, callers, callers*10, rawCall)
				b.ReportAllocs()
				b.ResetTimer()
				var ours, theirs cost
				for left := b.N; left > 0; {
					slice := min(left, max(callers*20, 500))
					left -= slice
					ours.add(inFlight(b, callers, slice, call))
					b.StopTimer()
					theirs.add(inFlight(b, callers, slice, rawCall))
					b.StartTimer()
				}
				b.StopTimer()
				rate, limit := float64(b.N)/ours.wall.Seconds(), float64(b.N)/theirs.wall.Seconds()
				b.ReportMetric(rate, "calls/s")
				b.ReportMetric(limit, "raw/s")
				b.ReportMetric(100*rate/limit, "share%")
				b.ReportMetric(float64(ours.cpu)/float64(b.N), "cpu-ns/call")
				b.ReportMetric(float64(theirs.cpu)/float64(b.N), "raw-cpu-ns")
			})
		}
	}
}
