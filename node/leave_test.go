package node_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// nothingHeard is a peer that hears and says nothing of itself.
type nothingHeard struct{}

func (nothingHeard) Frame(*link.Link, byte, []byte) error { return nil }
func (nothingHeard) GoneAway(*link.Link, fault.Kind)      {}

// A peer that leaves takes what it provides with it, whether it has withdrawn it
// or not. One that only has no room for the connection has not left.
func TestWhatAPeerProvidesGoesWhenItLeavesAndStaysWhenItEvicts(t *testing.T) {
	for why, want := range map[fault.Kind]int{fault.Draining: 0, fault.Unauthorized: 0, fault.Overload: 1} {
		t.Run(why.String(), func(t *testing.T) {
			play(t, 3, func(t *testing.T, s *scenario.Stage) {
				n := start(t, s, "n", node.Config{OpenPeers: true})
				place, id := s.Place("friend"), idOf(s, "friend")
				tr := place.Transport(id, transport.Config{})
				place.Do("peer", func() {
					d := link.Deps{Runtime: place.Runtime(), Ledger: ledger.New(ledger.Config{}), Log: slog.New(slog.DiscardHandler)}
					l, err := link.Dial(context.Background(), d, link.Config{Self: id, Realm: testRealm}.WithDefaults(), tr, n.place.Addr(), n.id, wire.RolePeer)
					if err != nil {
						t.Error(err)
						return
					}
					l.Tell(func(b []byte) []byte {
						return wire.AppendAdvertise(b, &wire.Advertise{Name: "its", Provider: id, Version: 1, TTL: 5 * time.Minute})
					})
					l.GoAway(why, 0, time.Minute)
					l.Run(nothingHeard{}, nil)
				})
				s.Sleep(time.Second)
				if got := n.node.Services(); len(got) != want || n.node.Status().Pool.Open != 0 {
					t.Errorf("known are %v, want %d; %d connections", got, want, n.node.Status().Pool.Open)
				}
				if n.node.Status().Discovery.Heard != 1 {
					t.Error("nothing was heard of the service")
				}
				place.Do("close", func() { tr.Close() })
				n.close()
			})
		})
	}
}

func TestANodeThatTakesEverybodyForAPeerWarnsOfIt(t *testing.T) {
	for _, open := range []bool{true, false} {
		play(t, 1, func(t *testing.T, s *scenario.Stage) {
			m := build(t, s, "n", node.Config{OpenPeers: open})
			lines := m.log.find("every node of the realm may be a peer: for development only")
			if (len(lines) == 1) != open || open && lines[0].level != slog.LevelWarn {
				t.Errorf("open is %v, and it said %+v", open, lines)
			}
			m.close()
		})
	}
}
