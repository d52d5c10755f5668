package node_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func TestANodeSaysWhyNobodyShouldBeSentToIt(t *testing.T) {
	play(t, 3, func(t *testing.T, s *scenario.Stage) {
		is := func(m *member, want string) {
			t.Helper()
			if got := m.node.NotReady(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		n := build(t, s, "n", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "other")}})
		is(n, "not listening yet")
		n.run(context.Background())
		s.Eventually(time.Second, "it listens", n.node.Ready)
		is(n, "joining: no peer was reached yet")
		other := start(t, s, "other", node.Config{OpenPeers: true})
		is(other, "") // it waits for nobody
		s.Eventually(time.Minute, "they find each other", func() bool { return n.node.NotReady() == "" })
		other.close()
		s.Sleep(time.Second)
		is(n, "") // it had joined
		n.place.Do("drain", func() { n.node.Drain(context.Background()) })
		is(n, "draining")
		n.close()
	})
}

// farewell is a client that does not answer, and keeps what its gateway says.
type farewell struct {
	kinds []byte
	named []wire.Gateway
}

func (f *farewell) Frame(_ *link.Link, kind byte, payload []byte) error {
	f.kinds = append(f.kinds, kind)
	e, err := wire.ParseElsewhere(payload)
	f.named = e.Gateways
	return err
}

func (f *farewell) GoneAway(*link.Link, fault.Kind) { f.kinds = append(f.kinds, wire.KindGoAway) }

func TestADrainedNodeNamesOthersBeforeItSaysGoodbyeAndLetsNobodyIn(t *testing.T) {
	play(t, 10, func(t *testing.T, s *scenario.Stage) {
		peers := []node.Peer{peerAt(s, "a"), peerAt(s, "b")} // dialled; the other one comes itself
		n := start(t, s, "n", node.Config{OpenPeers: true, Bootstrap: peers})
		var members []*member
		for _, name := range []string{"a", "b", "friend"} {
			cfg := node.Config{OpenPeers: true}
			if name == "friend" {
				cfg.Bootstrap = []node.Peer{peerAt(s, "n")}
			}
			members = append(members, start(t, s, name, cfg))
		}
		s.Eventually(time.Minute, "they find each other", func() bool { return n.node.Status().Pool.Open == 3 })
		f := &farewell{}
		place, tr := s.Place("client"), s.Place("client").Transport(idOf(s, "client"), transport.Config{})
		dial := func() (l *link.Link, err error) {
			place.Do("dial", func() {
				d := link.Deps{Runtime: place.Runtime(), Ledger: ledger.New(ledger.Config{}), Log: slog.New(slog.DiscardHandler)}
				cfg := link.Config{Self: idOf(s, "client"), Realm: testRealm}.WithDefaults()
				l, err = link.Dial(context.Background(), d, cfg, tr, n.place.Addr(), n.id, wire.RoleClient)
			})
			return l, err
		}
		l, err := dial()
		if err != nil {
			t.Error(err)
			return
		}
		session := place.Go("session", func() { l.Run(f, nil) })
		s.Sleep(time.Second)
		n.place.Do("drain", func() {
			if d := n.node.Drain(context.Background()); d.Clients != 1 || d.Left != 0 {
				t.Errorf("%+v", d)
			}
		})
		session.Wait()
		if !slices.Equal(f.kinds, []byte{wire.KindElsewhere, wire.KindGoAway}) {
			t.Errorf("the client heard frames %v", f.kinds)
		}
		var named []node.Peer
		for _, g := range f.named {
			named = append(named, node.Peer(g))
		}
		for _, name := range []string{"a", "b", "friend"} {
			if p := peerAt(s, name); !slices.Contains(named, p) || len(named) != 3 {
				t.Errorf("%s is not among %v", name, named)
			}
		}
		if _, err := dial(); fault.KindOf(err) != fault.Draining {
			t.Errorf("a newcomer got %v", err)
		}
		if n.node.Status().Pool.Open != 3 {
			t.Error("a drained node has left its peers")
		}
		for _, m := range append(members, n) {
			m.close()
		}
		place.Do("close", func() { tr.Close() })
	})
}

// A program that makes one call after the other has no reason to stop before its
// node does.
func TestWhoNeverStopsCallingDoesNotHoldUpTheEndOfItsNode(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		other := start(t, s, "other", node.Config{OpenPeers: true})
		n := start(t, s, "n", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "other")}})
		work := func(ctx context.Context, _ *node.Request) ([]byte, error) {
			return nil, rt.Sleep(ctx, other.place.Runtime(), 300*time.Millisecond)
		}
		other.provide("theirs", work, node.AdvertiseOptions{})
		s.Eventually(10*time.Second, "the service is known", func() bool { return len(n.node.Services()) == 1 })
		over := false
		var jobs []*scenario.Job
		for range 4 {
			jobs = append(jobs, s.Go("calls", func() {
				for n.call("theirs", 5*time.Second) == nil {
				}
				if !over {
					t.Error("a call has failed while the node drained")
				}
			}))
		}
		s.Sleep(time.Second)
		n.place.Do("drain", func() {
			if d := n.node.Drain(context.Background()); d.Calls != 4 || d.Left != 0 || d.Took > time.Second {
				t.Errorf("%+v", d)
			}
		})
		over = true
		begun := s.Runtime().Now()
		n.close()
		if took := s.Runtime().Now().Sub(begun); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, j := range jobs {
			j.Wait()
		}
		other.close()
	})
}
