package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func unreachableSystem() *scenario.System {
	return &scenario.System{
		Name:  "unreachable",
		Shows: "a node that keeps trying peers which it cannot reach, and that many visit who never come again",
		Params: []scenario.Param{
			{Name: "targets", Default: "4", Least: "1", Doc: "peers of each kind that cannot be reached"},
			{Name: "visitors", Default: "30", Least: "4", Doc: "peers and clients that come once"},
		},
		Requests: []plan.Verb{
			act("tried-again", "peers that are silent, that were there and are not any more, and one whose connections break at once: all are tried again and again, by many callers"),
			act("visited", "peers and clients come, provide something, are called and refused, and leave for ever"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"tried-again": func() { triedAgain(s) },
				"visited":     func() { visited(s) },
			})
		},
	}
}

const (
	propTried  = "a peer is dialled once at a time, however many want it"
	propTries  = "what tries again is one thing for each peer, and does not grow"
	propSlower = "a peer that was not reached is tried more and more slowly"
)

func triedAgain(s *scenario.Stage) {
	count := s.Int("targets")
	cfg := node.Config{OpenPeers: true}
	hub := s.Place("hub")
	for i := range count {
		name := fmt.Sprintf("silent-%d", i)
		s.Cut(hub, s.Place(name))
		cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, name))
	}
	flaps := s.Place("flaps")
	cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, "flaps"))
	startPeer(s, "flaps", node.Config{OpenPeers: true})
	n := startNode(s, "hub", cfg)
	var gone []*member
	for i := range count {
		p := startPeer(s, fmt.Sprintf("gone-%d", i), node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
		p.provide(fmt.Sprintf("gone.%d", i), node.AdvertiseOptions{TTL: time.Hour})
		gone = append(gone, p)
	}
	s.SetLinks(scenario.Link{Latency: hop})
	s.Eventually(30*time.Second, "every node knows every provider", func() bool {
		return n.peers() > count && n.lists(fmt.Sprintf("gone.%d", count-1))
	})
	for _, p := range gone {
		p.crash()
		s.Kill(hub, p.place)
	}
	s.Always(propTried, func() error {
		if n.node == nil {
			return nil
		}
		// Nobody dials the hub any more, so what shakes hands is its own.
		if st := n.node.Status(); st.Transport.Handshaking-st.Transport.Accepting > 2*count+1 {
			return fmt.Errorf("%d dials are under way to %d peers", st.Transport.Handshaking-st.Transport.Accepting, 2*count+1)
		}
		return nil
	})
	held, dials := 0, uint64(0)
	for round := range 4 {
		begun := n.node.Status().Pool.Dials
		callGone(s, n, flaps, count)
		before, was := held, dials
		held, dials = len(n.place.Leaks()), n.node.Status().Pool.Dials-begun
		if round > 1 { // the first delays are over
			s.Check(held <= before+2*count, propTries, "%d tasks, timers and contexts, %d a minute before, for %d peers", held, before, 2*count+1)
			s.Check(dials <= was+uint64(2*count+1) && dials <= uint64(8*(2*count+1)), propSlower, "%d dials in a minute, %d in the one before", dials, was)
		}
	}
	s.Factf("in the last minute %d dials to %d peers, and %d tasks, timers and contexts", dials, 2*count+1, held)
}

// callGone has callers call what nobody can reach any more, for a minute, and
// waits until they are over.
func callGone(s *scenario.Stage, n *member, flaps *scenario.Place, count int) {
	var jobs []*scenario.Job
	for i := range 2 * count {
		jobs = append(jobs, n.place.Go("calls", func() {
			r := n.place.Runtime()
			for range 10 {
				// Longer than a dial takes to fail: one that its callers leave says
				// nothing of its peer.
				ctx, cancel := r.WithTimeout(context.Background(), 6*time.Second)
				n.node.Call(ctx, fmt.Sprintf("gone.%d", i%count), nil, node.CallOptions{Idempotent: true})
				cancel()
				rt.Sleep(context.Background(), r, 500*time.Millisecond+time.Duration(r.Rand("calls").Int64N(int64(time.Second))))
			}
		}))
	}
	for range 4 {
		s.Sleep(15 * time.Second)
		s.Kill(n.place, flaps)
	}
	for _, j := range jobs {
		j.Wait()
	}
	s.Sleep(time.Second)
}

const propVisited = "a node that was visited by many holds what it held before they came"

func visited(s *scenario.Stage) {
	cfg := node.Config{OpenPeers: true}
	cfg.Ledger.Node.Conn.Count = 6 // so that some who come together are refused
	n := startNode(s, "hub", cfg)
	keeps := startNode(s, "stays", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
	s.SetLinks(scenario.Link{Latency: hop})
	n.provide("echo", node.AdvertiseOptions{TTL: time.Hour})
	s.Eventually(10*time.Second, "the nodes find each other", func() bool { return n.peers() == 1 && keeps.peers() == 1 })
	rest := func() { s.Sleep(3 * time.Minute) } // longer than anything is remembered
	rest()
	before := of(n, true).figures()
	peers := n.node.Status().Discovery.Peers
	refused := n.node.Status().Ledger.Refused
	count := s.Int("visitors")
	for i := 0; i < count; i += 6 {
		var jobs []*scenario.Job
		for j := range min(6, count-i) {
			jobs = append(jobs, s.Go("visit", func() { comeOnce(s, n, i+j, j) }))
		}
		for _, j := range jobs {
			j.Wait()
		}
	}
	s.Sometimes("a visitor was refused before it was known", n.node.Status().Ledger.Refused > refused)
	rest()
	for k, f := range of(n, true).figures() {
		s.Check(f.n <= before[k].n, propVisited, "%d %s after %d visitors, %d before", f.n, f.name, count, before[k].n)
	}
	s.Check(n.node.Status().Discovery.Peers == peers, propVisited, "%d peers are told after %d visitors, %d before", n.node.Status().Discovery.Peers, count, peers)
	known := 0
	for i := range count {
		if n.lists(fmt.Sprintf("visitor.%d", i)) {
			known++
		}
	}
	s.Check(known == 0, propVisited, "%d of %d visitors are still known as providers", known, count)
}

// comeOnce is one peer that comes, each with an id of its own, to a place that is
// used again.
func comeOnce(s *scenario.Stage, n *member, i, at int) {
	place, as := fmt.Sprintf("visitor-%d", at), fmt.Sprintf("visitor-as-%d", i)
	s.SetLink(n.place, s.Place(place), scenario.Link{Latency: hop})
	m := startMemberAs(s, place, as, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}}, false)
	name := fmt.Sprintf("visitor.%d", i)
	m.provide(name, node.AdvertiseOptions{TTL: 30 * time.Second})
	s.Sleep(time.Duration(s.Rand("visits").Int64N(int64(2 * time.Second))))
	m.call("echo", []byte("x"), time.Second, false)
	n.call(name, []byte("x"), time.Second, false)
	n.call(fmt.Sprintf("unknown.%d", i), nil, time.Second, false)
	if i%3 == 0 {
		m.crash()
		s.Place(place).Restart()
		return
	}
	m.stop()
}
