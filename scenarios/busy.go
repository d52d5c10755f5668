package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func busySystem() *scenario.System {
	return &scenario.System{
		Name:  "busy",
		Shows: "two nodes with more to say to each other than the link between them takes",
		Params: []scenario.Param{
			{Name: "speed", Default: "16384", Least: "1024", Doc: "bytes a second that the link takes in each direction"},
			{Name: "calls", Default: "40", Least: "20", Doc: "calls that are made at once, of 15 KiB each"},
		},
		Requests: []plan.Verb{
			act("probed", "a second connection comes while the first one is full, so that its peer is asked for a sign of life"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"probed": func() { probed(s) }})
		},
	}
}

const propFlows = "no connection is given up while bytes flow over it"

func probed(s *scenario.Stage) {
	// The one with the smaller id keeps the connection that it has dialled, if
	// that one is alive.
	small, great := "one", "other"
	a, b := idOf(s, small), idOf(s, great)
	if bytes.Compare(a[:], b[:]) > 0 {
		small, great = great, small
	}
	speed := s.Int("speed")
	s.SetLink(s.Place(small), s.Place(great), scenario.Link{Latency: 20 * time.Millisecond, Bandwidth: int64(speed)})
	// The other one has a dial to it on its mind from the beginning, behind some
	// that nobody answers, and comes to it late.
	cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, small)}}
	cfg.Pool.Dials = 1
	for i := range 3 {
		name := fmt.Sprintf("silent-%d", i)
		s.Cut(s.Place(great), s.Place(name))
		cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, name))
	}
	to := startNode(s, great, cfg)
	from := startNode(s, small, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, great)}})
	to.provide("take", node.AdvertiseOptions{})
	s.Eventually(4*time.Second, "the nodes find each other", func() bool { return from.peers() == 1 && from.lists("take") })
	first := from.node.Peers()[0]
	s.Check(first.Dialled, "the first connection is the one that stays", "%+v", first)
	begun := s.Runtime().Now()
	count := s.Int("calls")
	const size = 15 << 10 // on the shared stream, as all are that are not larger than 16 KiB
	jobs := make([]*scenario.Job, count)
	answered := 0
	for i := range jobs {
		jobs[i] = from.place.Go("call", func() {
			ctx, cancel := from.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			answer, err := from.node.Call(ctx, "take", make([]byte, size), node.CallOptions{})
			s.Check(err == nil && len(answer) == size, propFlows, "call %d of %d, after %v: %v", i, count, s.Runtime().Now().Sub(begun), err)
			answered++
		})
	}
	dials := to.node.Status().Pool.Dials
	replaced := map[*member]uint64{} // before the link was full; for lookup only
	for _, m := range []*member{from, to} {
		replaced[m] = m.node.Status().Pool.Superseded
	}
	for _, j := range jobs {
		j.Wait()
	}
	took := s.Runtime().Now().Sub(begun)
	least := time.Duration(count*size/speed) * time.Second
	s.Check(took >= least, "the link was full all the time", "%d calls of %d bytes took %v", count, size, took)
	s.Sometimes("dialled while the link was full", to.node.Status().Pool.Dials > dials)
	same := func() error {
		for _, m := range []*member{from, to} {
			if st := m.node.Status().Pool; st.Superseded > replaced[m] || st.Open != 1 || m.node.Peers()[0].Dialled != (m == from) {
				return fmt.Errorf("%s has %d connections and has replaced %d", m.place.Name(), st.Open, st.Superseded-replaced[m])
			}
		}
		return nil
	}
	err := same()
	s.Check(err == nil, propFlows, "%v", err)
	s.Factf("%d calls of %d bytes in %v", answered, size, took)
}
