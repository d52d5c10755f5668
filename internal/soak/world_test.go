package main

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/load/churn"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// nodeHere is a node in this process, and how others dial it.
func nodeHere(t *testing.T) (*node.Node, client.Gateway) {
	t.Helper()
	r := realrt.New(realrt.Config{})
	tr, err := quic.New(quic.Config{Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	if err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{Realm: realm, OpenPeers: true}
	cfg.Pool.Cap, cfg.Clients.Limit = 4, 6
	n, err := node.New(cfg, node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		n.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for !n.Ready() {
		time.Sleep(time.Millisecond)
	}
	return n, client.Gateway{ID: tr.ID(), Addr: n.Addr()}
}

// A load that leaks would be taken for a node that does.
func TestTheLoadLeavesNothingInItsOwnProcess(t *testing.T) {
	n, gateway := nodeHere(t)
	before, _ := os.ReadDir("/proc/self/fd")
	w := newWorld(t.Name())
	l := churn.Start(w, churn.Config{
		Realm: realm, Nodes: []client.Gateway{gateway}, Clients: 8, Peers: 6, Stay: 300 * time.Millisecond, Away: 10 * time.Millisecond,
		Ramp: 100 * time.Millisecond, Rate: 100, Hoard: 10,
	})
	// Until there was some of everything, however long it takes.
	for c := l.Counts(); c.Vanished == 0 || c.Dropped == 0 || c.Superseded == 0 || c.Left == 0 || c.Answered == 0 || c.Joined == 0; c = l.Counts() {
		time.Sleep(10 * time.Millisecond)
	}
	l.Stop()
	if c := l.Counts(); c.Wrong != 0 || c.Struck != 0 {
		t.Errorf("%+v", c)
	}
	if err := w.r.Wait(context.Background()); err != nil || w.r.Timers() != 0 || w.r.Hooks() != 0 {
		t.Errorf("left: %v, %d timers, %d hooks", w.r.TaskNames(), w.r.Timers(), w.r.Hooks())
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) > len(before) {
		t.Errorf("%d descriptors, %d before", len(after), len(before))
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
}

// Who vanishes says nothing: the node keeps the place until it misses it.
func TestAStruckSeatSaysNothing(t *testing.T) {
	n, gateway := nodeHere(t)
	w := newWorld(t.Name())
	s := w.Seat("seat")
	tr, id, err := s.Enter("client")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Realm: realm, Gateways: []client.Gateway{gateway}, NoReconnect: true}, client.Deps{Runtime: w.r, Transport: tr, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Attach(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Strike(func() {
		c.Close(context.Background())
		tr.Close()
	})
	for range 20 { // a goodbye would have arrived
		rt.Sleep(context.Background(), w.r, 10*time.Millisecond)
		if got := n.Status().Clients.Attached; got != 1 {
			t.Fatalf("%d clients at the node after one has vanished", got)
		}
	}
}

func TestANameIsOneID(t *testing.T) {
	w := newWorld(t.Name())
	ids := map[string]bool{}
	for _, name := range []string{"a", "a", "b"} {
		tr, _, err := w.Seat(name).(*seat).w.socket(name)
		if err != nil {
			t.Fatal(err)
		}
		id := tr.ID()
		ids[string(id[:])] = true
		tr.Close()
	}
	if len(ids) != 2 {
		t.Errorf("%d ids of two names", len(ids))
	}
}
