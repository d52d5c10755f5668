package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// real is a node on goroutines and a UDP socket of the loopback interface.
type real struct {
	*node.Node
	r      *realrt.Runtime
	peer   node.Peer
	served chan error
	once   sync.Once
}

// startReal starts a node that knows others.
func startReal(t *testing.T, cfg node.Config, bootstrap ...*real) *real {
	t.Helper()
	return startRealUnder(t, nil, cfg, bootstrap...)
}

// startRealUnder is startReal for a node that is told what it uses.
func startRealUnder(t *testing.T, load func() pressure.Sample, cfg node.Config, bootstrap ...*real) *real {
	t.Helper()
	m := &real{r: realrt.New(realrt.Config{}), served: make(chan error, 1)}
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: m.r})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Realm, cfg.OpenPeers, cfg.DrainTimeout = testRealm, true, 2*time.Second
	for _, b := range bootstrap {
		cfg.Bootstrap = append(cfg.Bootstrap, b.peer)
	}
	if m.Node, err = node.New(cfg, node.Deps{Runtime: m.r, Transport: tr, ID: tr.ID(), Load: load}); err != nil {
		t.Fatal(err)
	}
	m.peer = node.Peer{ID: tr.ID(), Addr: tr.Addr()}
	go func() { m.served <- m.Serve(context.Background()) }()
	eventually(t, "the node listens", m.Ready)
	t.Cleanup(func() { m.stop(t); m.check(t) })
	return m
}

// stop closes the node and demands that nothing is left of it.
func (m *real) stop(t *testing.T) {
	m.once.Do(func() {
		m.Close()
		if err := <-m.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if left := m.Leftovers(); left != (node.Leftovers{}) {
			t.Errorf("left: %+v", left)
		}
	})
}

// check demands that nothing is left of the closed node in its runtime. Who
// calls a closed node has tasks and timers there until the call has failed.
func (m *real) check(t *testing.T) {
	// A task counts in its runtime until its goroutine is over, a moment longer
	// than in the group that waited for it.
	for i := 0; m.r.Tasks()+m.r.Timers()+m.r.Hooks() != 0; i++ {
		if i == 1000 {
			t.Errorf("left: tasks %v, %d timers, %d hooks", m.r.TaskNames(), m.r.Timers(), m.r.Hooks())
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// eventually waits until cond holds: it may take long on a busy machine, and
// fails only if it never does.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 3000 {
		if cond() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 30 s: %s", what)
}

func (m *real) ask(name string, body []byte, timeout time.Duration, idempotent bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return m.Call(ctx, name, body, node.CallOptions{Idempotent: idempotent})
}

// mesh is four nodes that know the first one, and two services: one of each
// node's own and one that nodes 1 and 2 share.
func mesh(t *testing.T, cfg node.Config) []*real {
	var nodes []*real
	for i := range 4 {
		m := startReal(t, cfg, nodes[:min(i, 1)]...)
		nodes = append(nodes, m)
		names := []string{fmt.Sprintf("own.%d", i)}
		if i == 1 || i == 2 {
			names = append(names, "shared")
		}
		for _, name := range names {
			if _, err := m.Advertise(name, echo, node.AdvertiseOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return nodes
}

func TestFourNodesOverQUICCallEachOtherByName(t *testing.T) {
	nodes := mesh(t, node.Config{})
	for i, m := range nodes {
		for j := range nodes {
			for _, size := range []int{10, 200_000} {
				body := bytes.Repeat([]byte{byte(i), byte(j)}, size/2)
				eventually(t, fmt.Sprintf("node %d reaches node %d", i, j), func() bool {
					got, err := m.ask(fmt.Sprintf("own.%d", j), body, 10*time.Second, false)
					if err == nil && !bytes.Equal(got, body) {
						t.Fatal("the answer of another call")
					}
					return err == nil
				})
			}
		}
	}
	if _, err := nodes[3].ask("nobody", nil, 10*time.Second, false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a name that nobody provides: %v", err)
	}
}

func TestOverQUICAProviderThatClosesIsReplacedWithinTheCall(t *testing.T) {
	nodes := mesh(t, node.Config{})
	caller := nodes[3]
	eventually(t, "both providers are known", func() bool {
		caller.ask("shared", nil, 10*time.Second, true)
		n := 0
		for _, s := range caller.Services() {
			if s.Name == "shared" {
				n++
			}
		}
		return n == 2
	})
	closing := make(chan struct{})
	go func() { defer close(closing); nodes[1].stop(t) }()
	for i := 0; ; i++ {
		if _, err := caller.ask("shared", nil, 20*time.Second, true); err != nil {
			t.Errorf("call %d as a provider closes: %v", i, err)
		}
		select {
		case <-closing:
			if i > 10 {
				return
			}
		default:
		}
	}
}

func TestOverQUICACancellationReachesTheHandler(t *testing.T) {
	nodes := mesh(t, node.Config{})
	begun, ended := make(chan struct{}), make(chan error, 1)
	nodes[0].Advertise("waits", func(ctx context.Context, _ *node.Request) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}, node.AdvertiseOptions{})
	eventually(t, "the service is known", func() bool {
		for _, s := range nodes[2].Services() {
			if s.Name == "waits" {
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() { <-begun; cancel() }()
	if _, err := nodes[2].Call(ctx, "waits", nil, node.CallOptions{}); fault.KindOf(err) != fault.Cancelled || !fault.Executed(err) {
		t.Errorf("the caller got %v", err)
	}
	select {
	case cause := <-ended:
		if fault.KindOf(cause) != fault.Cancelled {
			t.Errorf("the handler's context ended with %v", cause)
		}
	case <-time.After(30 * time.Second):
		t.Error("the handler was not told")
	}
}

// Many callers with short deadlines and cancellations over pools that are too
// small, while nodes close: everything ends, and nothing is left.
func TestOverQUICDialsCallsAndCancellationsMayMeetInAnyOrder(t *testing.T) {
	nodes := mesh(t, node.Config{Pool: pool.Config{Cap: 2, Dials: 2, Waiting: 2, Closing: 2, DrainTimeout: 50 * time.Millisecond}})
	calls := 100
	if testing.Short() {
		calls = 30
	}
	var wg sync.WaitGroup
	var ok, failed atomic.Int64
	for g := range 12 {
		wg.Go(func() {
			r := mrand.New(mrand.NewPCG(uint64(g), 1))
			m := nodes[g%len(nodes)]
			for range calls {
				body := make([]byte, []int{4, 100, 20_000}[r.IntN(3)])
				r.Uint64()
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+r.IntN(200))*time.Millisecond)
				if r.IntN(4) == 0 {
					go func(d time.Duration) { time.Sleep(d); cancel() }(time.Duration(r.IntN(3000)) * time.Microsecond)
				}
				name := "shared"
				if r.IntN(3) > 0 {
					name = fmt.Sprintf("own.%d", r.IntN(len(nodes)))
				}
				got, err := m.Call(ctx, name, body, node.CallOptions{Idempotent: r.IntN(2) == 0})
				cancel()
				switch k := fault.KindOf(err); {
				case err == nil && len(got) != len(body):
					t.Error("the answer of another call")
				case err == nil:
					ok.Add(1)
				case k == fault.Internal, k == fault.Protocol, k == fault.Other:
					t.Errorf("%s: %v", name, err)
				default:
					failed.Add(1)
				}
				if err := m.Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(time.Duration(100+mrand.IntN(200)) * time.Millisecond) // somewhere in the middle
	nodes[1].stop(t)
	wg.Wait()
	t.Logf("%d answered, %d failed", ok.Load(), failed.Load())
	if ok.Load() == 0 {
		t.Error("no call was answered")
	}
	for _, m := range nodes[2:] {
		if err := m.Audit(); err != nil {
			t.Error(err)
		}
	}
}
