package node_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func TestLimitsAndListsThatCannotBeChangeNothing(t *testing.T) {
	play(t, 1, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{})
		was := m.node.Limits()
		m.place.Do("limits", func() {
			for field, change := range map[string]func(*node.Limits){
				"Peers": func(l *node.Limits) { l.Peers = 0 }, "Inbound": func(l *node.Limits) { l.Inbound = l.Peers + 1 }, "Clients": func(l *node.Limits) { l.Clients = -1 },
				"Services": func(l *node.Limits) { l.Services = 0 }, "Handlers": func(l *node.Limits) { l.Handlers = 0 },
				"TTL": func(l *node.Limits) { l.TTL = 2 * l.MaxTTL }, "TTLs": func(l *node.Limits) { l.TTLs = []node.NameTTL{{Pattern: "no name", TTL: l.TTL}} },
				"CleanupInterval": func(l *node.Limits) { l.CleanupInterval = 0 }, "IdleAfter": func(l *node.Limits) { l.IdleAfter = -1 },
				"DrainTimeout": func(l *node.Limits) { l.DrainTimeout = 0 }, "CallTimeout": func(l *node.Limits) { l.CallTimeout = 0 },
			} {
				l := m.node.Limits()
				l.Peers, l.Clients = 7, 7
				change(&l)
				if err := m.node.SetLimits(l); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), field) {
					t.Errorf("%s: %v", field, err)
				}
			}
			for _, list := range [][]node.Peer{{{ID: m.id, Addr: m.place.Addr()}}, {{ID: idOf(s, "a")}}, {peerAt(s, "a"), peerAt(s, "a")}} {
				if err := m.node.SetPeers(list, nil, false); !errors.Is(err, fault.Invalid) {
					t.Errorf("%v: %v", list, err)
				}
			}
		})
		if now := m.node.Limits(); now.Peers != was.Peers || now.Clients != was.Clients || m.node.Status().Pool.Cap != was.Peers {
			t.Errorf("something has changed: %+v", now)
		}
		n := m.node
		m.close()
		m.place.Do("limits", func() {
			if err := errors.Join(n.SetLimits(was), n.SetPeers(nil, nil, true)); !errors.Is(err, fault.Draining) {
				t.Errorf("after the end: %v", err)
			}
		})
	})
}

// A service whose time to live is lowered is renewed in time by the new one,
// here and at the peers; what the cleanup does more often is never overdue.
func TestAShorterTTLCountsFromNowOn(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{})
		other := start(t, s, "other", node.Config{Bootstrap: []node.Peer{peerAt(s, "n")}, OpenPeers: true})
		m.place.Do("peers", func() { m.node.SetPeers(nil, nil, true) })
		m.provide("demo.a", echo, node.AdvertiseOptions{})
		m.provide("demo.once", echo, node.AdvertiseOptions{Once: true, TTL: 20 * time.Second})
		left := func() (at time.Duration) {
			for _, info := range other.node.Services() {
				if info.Name == "demo.a" {
					at = info.Left
				}
			}
			return at
		}
		s.Eventually(10*time.Second, "the peer is told", func() bool { return left() > 250*time.Second })
		m.place.Do("limits", func() {
			l := m.node.Limits()
			l.CleanupInterval = 2 * time.Second
			l.TTLs = []node.NameTTL{{Pattern: "demo.**", TTL: 6 * time.Second}}
			if err := m.node.SetLimits(l); err != nil {
				t.Error(err)
			}
		})
		s.Sleep(time.Second)
		for range 60 {
			if l := left(); l <= 0 || l > 6*time.Second {
				t.Fatalf("the peer thinks that it lasts %v", l)
			}
			if err := m.node.Audit(); err != nil {
				t.Fatal(err)
			}
			s.Sleep(time.Second)
		}
		m.close()
		other.close()
	})
}

// Limits, lists and levels change while calls are made, over real connections:
// for the race detector.
func TestEverythingMayChangeWhileARealNodeWorks(t *testing.T) {
	var reads atomic.Int64
	load := func() pressure.Sample { return pressure.Sample{Used: reads.Add(1) / 4 % 2 * 95, Limit: 100} }
	n := startRealUnder(t, load, node.Config{CleanupInterval: time.Second, Adapt: pressure.Config{Interval: time.Millisecond, Rise: time.Millisecond, Fall: time.Millisecond}})
	var list []node.Peer
	for range 3 {
		m := startReal(t, node.Config{}, n)
		list = append(list, m.peer)
		if _, err := m.Advertise("echo", echo, node.AdvertiseOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the service is known", func() bool { return len(n.Services()) == 3 })
	limits := n.Limits()
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 50 {
				n.ask("echo", []byte("x"), 100*time.Millisecond, true)
				n.Status()
				n.Acting()
				if err := n.Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for i := range 50 {
			l := limits
			l.Peers, l.Clients, l.CallTimeout = 1+i%3, 1+i%5, time.Duration(1+i%3)*time.Second
			l.Inbound = i % (1 + l.Peers)
			if err := n.SetLimits(l); err != nil {
				t.Error(err)
			}
		}
	})
	work.Go(func() {
		for i := range 50 {
			if err := n.SetPeers(list[i%2:], []transport.PeerID{list[0].ID}, i%3 == 0); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	if n.Pressure().Changes == 0 {
		t.Error("the level has not changed")
	}
	if err := errors.Join(n.SetLimits(limits), n.SetPeers(list, nil, false)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everybody is there again and answers", func() bool {
		_, err := n.ask("echo", []byte("x"), 10*time.Second, true)
		return err == nil && n.Status().Pool.Open >= 1
	})
}

// Those who are not peers any more take no room from those who are.
func TestPeersThatComeWhileTheRemovedFinishTheirCallsAreTold(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{Pool: pool.Config{Cap: 2, Closing: 1}, Peers: []transport.PeerID{idOf(s, "a"), idOf(s, "b")}})
		slow := func(ctx context.Context, _ *node.Request) ([]byte, error) {
			return nil, rt.Sleep(ctx, n.place.Runtime(), 20*time.Second)
		}
		n.provide("slow", slow, node.AdvertiseOptions{})
		cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}}
		a, b := start(t, s, "a", cfg), start(t, s, "b", cfg)
		s.Eventually(10*time.Second, "the service is known", func() bool { return len(a.node.Services()) == 1 && len(b.node.Services()) == 1 })
		var jobs []*scenario.Job
		for _, m := range []*member{a, b} {
			jobs = append(jobs, s.Go("call", func() {
				if err := m.call("slow", time.Minute); err != nil {
					t.Error(err)
				}
			}))
		}
		s.Sleep(time.Second)
		n.place.Do("peers", func() {
			if err := n.node.SetPeers(nil, []transport.PeerID{idOf(s, "friend"), idOf(s, "other")}, false); err != nil {
				t.Error(err)
			}
		})
		c, d := start(t, s, "friend", cfg), start(t, s, "other", cfg)
		s.Eventually(5*time.Second, "the new ones are connected", func() bool { return n.node.Status().Pool.Open == 2 })
		s.Sleep(5 * time.Second)
		for _, m := range []*member{c, d} {
			if len(m.node.Services()) != 1 {
				t.Errorf("%s was not told: n has told %d peers", m.place.Name(), n.node.Status().Discovery.Peers)
			}
		}
		for _, j := range jobs {
			j.Wait()
		}
		for _, m := range []*member{a, b, c, d, n} {
			m.close()
		}
	})
}
