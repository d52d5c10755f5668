package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// callTime bounds a call: one that takes longer is a failure.
const callTime = 10 * time.Second

// realm is that of the two nodes in this process.
const realm = "org.example.bench"

// Own starts two nodes in this process, over QUIC on loopback, of which one
// calls a service of the other by its name.
func Own(ctx context.Context) (*Target, error) {
	const name = "bench.echo"
	var closers []func()
	closeAll := func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	server, stop, err := start(nil)
	if err != nil {
		return nil, err
	}
	closers = append(closers, stop)
	caller, stop, err := start([]node.Peer{{ID: server.ID(), Addr: server.Addr()}})
	if err != nil {
		closeAll()
		return nil, err
	}
	closers = append(closers, stop)
	_, err = server.Advertise(name, func(_ context.Context, r *node.Request) ([]byte, error) { return r.Body, nil }, node.AdvertiseOptions{})
	if err == nil {
		err = until(ctx, func() bool { return caller.Status().Pool.Open > 0 })
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	return &Target{
		Name: "two nodes in this process, over QUIC on loopback", Close: closeAll,
		Call: func(ctx context.Context, body []byte) error {
			ctx, cancel := context.WithTimeout(ctx, callTime)
			defer cancel()
			_, err := caller.Call(ctx, name, body, node.CallOptions{})
			return err
		},
	}, nil
}

// start runs a node until stop is called.
func start(peers []node.Peer) (n *node.Node, stop func(), err error) {
	r, tr, err := socket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, nil, err
	}
	n, err = node.New(node.Config{Realm: realm, OpenPeers: true, Bootstrap: peers}, node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		tr.Close()
		return nil, nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() { n.Serve(context.Background()) })
	stop = func() {
		n.Close()
		wg.Wait()
	}
	if err := until(context.Background(), func() bool { return n.Addr().Port() != 0 }); err != nil {
		stop()
		return nil, nil, err
	}
	return n, stop, nil
}

func socket(at netip.AddrPort) (*realrt.Runtime, *quic.Transport, error) {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	r := realrt.New(realrt.Config{})
	tr, err := quic.New(quic.Config{Key: key, Addr: at, Clock: r})
	return r, tr, err
}

// startTime is how long a node may take to be there.
const startTime = 10 * time.Second

// until looks again and again: there is nobody to wake it.
func until(ctx context.Context, there func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the nodes did not find each other: %w", context.Cause(ctx))
		}
	}
	return nil
}

// Attach becomes a client of the node with that id, with a key of its own, to
// call a service of the mesh.
func Attach(ctx context.Context, realm string, id transport.PeerID, at netip.AddrPort, service string) (*Target, error) {
	// A node that listens on every address is reached at the loopback one.
	local := netip.IPv4Unspecified()
	switch a := at.Addr(); {
	case a == netip.IPv4Unspecified(), a == netip.IPv6Unspecified():
		at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
	case a.Is6():
		local = netip.IPv6Unspecified()
	}
	r, tr, err := socket(netip.AddrPortFrom(local, 0))
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Realm: realm, Gateways: []client.Gateway{{ID: id, Addr: at}}},
		client.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		tr.Close()
		return nil, err
	}
	stop := func() {
		end, cancel := r.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		c.Close(end)
		tr.Close()
	}
	attach, cancel := r.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.Attach(attach); err != nil {
		stop()
		what := "did not take this client"
		if k := fault.KindOf(err); k == fault.Unreachable || k == fault.Deadline {
			what = "cannot be reached"
		}
		return nil, fmt.Errorf("the node at %s %s: %w", at, what, err)
	}
	return &Target{
		Name: service + ", as a client of the node at " + at.String(), Close: stop,
		Call: func(ctx context.Context, body []byte) error {
			ctx, cancel := r.WithTimeout(ctx, callTime)
			defer cancel()
			_, err := c.Call(ctx, service, body, false)
			return err
		},
	}, nil
}
