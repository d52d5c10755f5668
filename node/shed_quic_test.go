package node_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// advertiser is a client or a peer that advertises as fast as it can until it is told to
// go, and keeps a call in flight.
type advertiser struct {
	r      *realrt.Runtime
	tr     *quic.Transport
	l      *link.Link
	goes   chan struct{}
	closed sync.WaitGroup
}

func (a *advertiser) Frame(*link.Link, byte, []byte) error { return nil }
func (a *advertiser) GoneAway(*link.Link, fault.Kind)      { close(a.goes) }

func startAdvertiser(t *testing.T, to node.Peer, role wire.Role) *advertiser {
	a := &advertiser{r: realrt.New(realrt.Config{}), goes: make(chan struct{})}
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if a.tr, err = quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: a.r}); err != nil {
		t.Fatal(err)
	}
	d := link.Deps{Runtime: a.r, Ledger: ledger.New(ledger.Config{}), Log: slog.New(slog.DiscardHandler)}
	if a.l, err = link.Dial(context.Background(), d, link.Config{Self: a.tr.ID(), Realm: testRealm}.WithDefaults(), a.tr, to.Addr, to.ID, role); err != nil {
		a.tr.Close()
		t.Fatal(err)
	}
	a.closed.Go(func() { a.l.Run(a, nil) })
	a.closed.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		a.l.Call(ctx, &link.Request{Name: "slow"})
	})
	a.closed.Go(a.advertise)
	return a
}

func (a *advertiser) advertise() {
	for i := uint64(1); ; i++ {
		select {
		case <-a.goes:
			return
		default:
		}
		f := wire.Advertise{Name: fmt.Sprint("s", i%500), Provider: a.tr.ID(), Version: i, TTL: time.Minute}
		if a.l.Send(a.l.Context(), func(b []byte) []byte { return wire.AppendAdvertise(b, &f) }) != nil {
			return
		}
	}
}

func (a *advertiser) close() {
	a.tr.Close()
	a.closed.Wait()
}

// Clients that are shed in the middle of what they advertise, and stay until
// their calls are over, leave no service behind that belongs to nobody.
func TestNothingIsProvidedByAClientThatWasShedWhileItAdvertised(t *testing.T) {
	n := startReal(t, node.Config{})
	if _, err := n.Advertise("slow", func(ctx context.Context, _ *node.Request) ([]byte, error) {
		return nil, rt.Sleep(ctx, n.r, time.Minute)
	}, node.AdvertiseOptions{}); err != nil {
		t.Fatal(err)
	}
	usual := n.Limits()
	usual.DrainTimeout = time.Minute
	for range 6 {
		var clients []*advertiser
		for range 8 {
			clients = append(clients, startAdvertiser(t, n.peer, wire.RoleClient))
		}
		eventually(t, "all of them call and advertise", func() bool {
			st := n.Status()
			return st.Server.Running >= 8 && st.Registry.Entries > 8
		})
		l := usual
		l.Clients = 1
		if err := n.SetLimits(l); err != nil {
			t.Error(err)
		}
		if err := n.Inspect(context.Background()); err != nil {
			t.Error(err)
		}
		for _, c := range clients {
			c.close()
		}
		eventually(t, "they have left", func() bool { st := n.Status(); return st.Clients.Attached == 0 && st.Clients.Shedding == 0 })
		if err := n.SetLimits(usual); err != nil {
			t.Error(err)
		}
	}
}

// The same with peers that are taken from the list: nobody calls them any more.
func TestNothingIsKnownOfAPeerThatWasRemovedWhileItAdvertised(t *testing.T) {
	n := startReal(t, node.Config{})
	if _, err := n.Advertise("slow", func(ctx context.Context, _ *node.Request) ([]byte, error) {
		return nil, rt.Sleep(ctx, n.r, time.Minute)
	}, node.AdvertiseOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		var peers []*advertiser
		for range 8 {
			peers = append(peers, startAdvertiser(t, n.peer, wire.RolePeer))
		}
		eventually(t, "all of them call and advertise", func() bool {
			st := n.Status()
			return st.Server.Running >= 8 && st.Registry.Entries > 8
		})
		if err := n.SetPeers(nil, nil, false); err != nil {
			t.Error(err)
		}
		eventually(t, "nothing is known of them", func() bool { return len(n.Services()) == 1 })
		for _, p := range peers {
			p.close()
		}
		eventually(t, "they have left", func() bool { return n.Status().Pool.Closing == 0 })
		if err := n.SetPeers(nil, nil, true); err != nil {
			t.Error(err)
		}
	}
}
