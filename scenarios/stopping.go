package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/scenario"
)

// anyMoment closes a node again and again, each time at another moment of what
// it does: it has just begun, dials who is not there, has no room, is cut off,
// reads bodies, drains.
func anyMoment(s *scenario.Stage) {
	r := s.Rand("stop")
	link := scenario.Link{Latency: hop, Jitter: hop / 4, Loss: 10_000}
	names := []string{"node", "peer-0", "peer-1", "far"}
	for _, name := range names {
		s.Place(name)
	}
	for i := range 3 {
		s.Place(fmt.Sprintf("guest-%d", i))
	}
	s.SetLinks(link)
	s.Cut(s.Place("node"), s.Place("far"))
	cfg := node.Config{OpenPeers: true, DrainTimeout: drainTime}
	cfg.Pool.Cap = 2
	for _, name := range names[1:] {
		cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, name))
	}
	n := startNode(s, "node", cfg)
	var peers []*member
	for _, name := range names[1:3] {
		p := startNode(s, name, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "node")}})
		p.provideWith("far-wait", node.AdvertiseOptions{}, waiting(p.place))
		peers = append(peers, p)
	}
	for round := range s.Int("rounds") {
		if round > 0 {
			n.start()
		}
		w := &stopping{s: s, n: n, peers: peers}
		w.begin()
		s.Sleep(time.Duration(r.Int64N(int64(2 * time.Second))))
		cut := r.IntN(3) == 0
		if cut {
			for _, p := range peers {
				s.Cut(p.place, n.place)
			}
		}
		s.Sometimes("closed while it was cut off", cut && n.peers() > 0)
		w.close(r.IntN(3) == 0)
		for _, p := range peers {
			s.Heal(p.place, n.place)
		}
	}
	n.start() // as it was, for whatever is demanded at the end
}

// stopping is one life of the node.
type stopping struct {
	s      *scenario.Stage
	n      *member
	peers  []*member
	guests []*attached
	jobs   []*scenario.Job
}

// begin lets everything start that the node is closed in the middle of, and
// waits for nothing.
func (w *stopping) begin() {
	s, n := w.s, w.n
	n.provideWith("wait", node.AdvertiseOptions{}, waiting(n.place))
	for i := range 3 {
		name := fmt.Sprintf("guest-%d", i)
		c := newClient(s, name, name, client.Config{}, n)
		w.guests = append(w.guests, c)
		w.jobs = append(w.jobs, s.Go("guest", func() {
			if c.attach() == nil {
				c.hang("wait", make([]byte, 20<<10*(i%2)+1)).Wait()
			}
		}))
	}
	w.jobs = append(w.jobs, n.hang("far-wait", []byte("x")), n.hang("nobody", nil))
	for _, p := range w.peers {
		w.jobs = append(w.jobs, p.hang("wait", make([]byte, 40<<10)))
	}
}

// close closes the node, perhaps in the middle of a drain, and looks at what
// is left.
func (w *stopping) close(draining bool) {
	s, n := w.s, w.n
	var drain *scenario.Job
	if draining {
		k := n.node
		drain = n.place.Go("drain", func() { k.Drain(context.Background()) })
		s.Sleep(time.Duration(s.Rand("stop").Int64N(int64(drainTime))))
		s.Mark("closed in the middle of a drain")
	}
	begun := s.Runtime().Now()
	n.drain()
	took := s.Runtime().Now().Sub(begun)
	s.Check(took <= drainTime+20*time.Millisecond+s.Slack(), propGone, "it took %v of %v", took, drainTime)
	if drain != nil {
		drain.Wait()
	}
	for _, c := range w.guests {
		c.close()
	}
	for _, j := range w.jobs {
		j.Wait()
	}
	s.Sleep(hop) // what hears of the end at the others has to run yet
	rest := n.place.Leaks()
	s.Check(len(rest) == 0, propGone, "%d are left, first: %v", len(rest), rest[:min(len(rest), 3)])
}
