package node_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// A node that answers, and a client that attaches to it and asks. The README
// shows the same code.
func Example() {
	ctx := context.Background()
	r := realrt.New(realrt.Config{}) // goroutines and the system clock

	// The node, on a free port of the loopback interface.
	tr := socket(r)
	n, err := node.New(node.Config{Realm: "org.example.mesh"}, node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		panic(err)
	}
	go n.Serve(ctx) // until ctx ends or Close
	defer n.Close()
	if _, err := n.Advertise("greet", func(_ context.Context, req *node.Request) ([]byte, error) {
		return append([]byte("hello, "), req.Body...), nil
	}, node.AdvertiseOptions{}); err != nil {
		panic(err)
	}

	// The client knows the node by its id and address.
	ctr := socket(r)
	defer ctr.Close()
	c, err := client.New(client.Config{
		Realm: "org.example.mesh", Gateways: []client.Gateway{{ID: tr.ID(), Addr: tr.Addr()}},
	}, client.Deps{Runtime: r, Transport: ctr, ID: ctr.ID()})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	if err := c.Attach(ctx); err != nil {
		panic(err)
	}
	answer, err := c.Call(ctx, "greet", []byte("world"), false)
	fmt.Println(string(answer), err)
	// Output: hello, world <nil>
}

// socket opens a transport with a new identity; a program keeps its key, see
// node/ident/keyfile.
func socket(r *realrt.Runtime) *quic.Transport {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		panic(err)
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	if err != nil {
		panic(err)
	}
	return tr
}
