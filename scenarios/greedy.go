package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// What a node has for large bodies where few of them are sent: on their way in,
// and in its handlers.
const (
	budgetIn, budgetInOfPeer     = 6 << 20, 3 << 20
	budgetHeld, budgetHeldOfPeer = 4 << 20, 2 << 20
)

// sendsMuch lets four peers send few calls with large bodies: at first all but
// their ends, and then the ends, to handlers that keep them for a while.
func sendsMuch(s *scenario.Stage) {
	cfg := node.Config{OpenPeers: true}
	cfg.Ledger.Node.Queue.Bytes, cfg.Ledger.Peer.Queue.Bytes = budgetIn, budgetInOfPeer
	cfg.Ledger.Node.Call.Bytes, cfg.Ledger.Peer.Call.Bytes = budgetHeld, budgetHeldOfPeer
	g := startNode(s, "gateway", cfg)
	held, all := map[transport.PeerID]int{}, 0
	g.provideWith("keep", node.AdvertiseOptions{}, func(_ context.Context, req *node.Request) ([]byte, error) {
		all += len(req.Body)
		held[req.Caller] += len(req.Body)
		s.Check(all <= budgetHeld, propBytes, "handlers hold %d bytes of %d", all, budgetHeld)
		s.Check(held[req.Caller] <= budgetHeldOfPeer, propBytes, "handlers hold %d bytes of one peer, of %d", held[req.Caller], budgetHeldOfPeer)
		err := rt.Sleep(context.Background(), g.place.Runtime(), time.Second)
		all -= len(req.Body)
		held[req.Caller] -= len(req.Body)
		return nil, err
	})
	const peers, each = 4, 5
	var load greed
	var jobs []*scenario.Job
	var who []*speaker
	for i := range peers {
		x := newSpeaker(s, fmt.Sprintf("greedy-%d", i), g, transport.Config{}, wire.RolePeer)
		who = append(who, x)
		for range each {
			size := 1<<20 - s.Rand("size").IntN(600<<10)
			jobs = append(jobs, x.place.Go("send", func() { x.sends(&load, size) }))
		}
	}
	for range 20 {
		s.Sleep(50 * time.Millisecond)
		const room = budgetIn + peers*256<<10 // and what the windows of the connections hold
		s.Check(load.sent <= room, propBytes, "%d bytes were taken of calls that are not complete, and there is room for %d", load.sent, room)
	}
	load.finish = true
	for _, j := range jobs {
		j.Wait()
	}
	s.Sometimes("refused for its bytes", load.refused > 0 && load.answered > 0)
	s.Sleep(2 * time.Second)
	who[0].do("again", func(ctx context.Context) {
		kind, err := who[0].large(ctx, "keep", 1<<20, time.Minute)
		s.Check(err == nil && kind == wire.KindReply, "room that is given back is given again", "frame %d, %v", kind, err)
	})
}

// greed is the books about large calls that are on their way.
type greed struct {
	sent              int // bytes of those that are not complete
	refused, answered int
	finish            bool
}

// sends sends a call of a size, all but its end, and the end when it is told.
func (x *speaker) sends(load *greed, size int) {
	r := x.place.Runtime()
	ctx, cancel := r.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := x.open(ctx, nil)
	if err != nil {
		return
	}
	defer st.Close()
	frame := append([]byte{wire.StreamCall}, x.call("keep", size, time.Minute)...)
	sent := 0
	for err == nil && sent < len(frame)-1 {
		var k int
		k, err = st.Write(frame[sent:min(sent+32<<10, len(frame)-1)])
		sent += k
		load.sent += k
	}
	for err == nil && !load.finish {
		err = rt.Sleep(ctx, r, 10*time.Millisecond)
	}
	load.sent -= sent
	if err == nil {
		_, err = st.Write(frame[sent:])
	}
	kind := byte(0)
	if err == nil {
		kind, _, err = wire.NewReader(st, largest).Next()
	}
	if err == nil && kind == wire.KindReply {
		load.answered++
	} else {
		load.refused++
	}
}

// churns changes names again and again while one peer does not read.
func churns(s *scenario.Stage) {
	const names = 20
	g := startNode(s, "gateway", node.Config{OpenPeers: true})
	s.SetLink(g.place, s.Place("other"), scenario.Link{Latency: hop})
	o := startNode(s, "other", node.Config{Bootstrap: []node.Peer{peerOf(s, "gateway")}})
	x := newSpeaker(s, "slow", g, transport.Config{StreamWindow: 2 << 10}, wire.RolePeer)
	s.Eventually(time.Minute, "the nodes find each other", func() bool { return g.peers() == 2 })
	var now [names]*node.Service
	name := func(i int) string { return fmt.Sprintf("churn.%02d", i) }
	rnd := s.Rand("churn")
	most := 0
	for range s.Int("changes") {
		i := rnd.IntN(names)
		if now[i] != nil {
			now[i].Withdraw()
			now[i] = nil
		} else {
			now[i] = g.provide(name(i), node.AdvertiseOptions{TTL: time.Hour})
		}
		s.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond)
		for _, p := range g.node.Peers() {
			most = max(most, p.Queued)
			// One message of each name waits, and one is being written.
			s.Check(p.Queued <= 2*names*nameBytes, propCoalesce, "%d bytes wait, of %d names", p.Queued, names)
		}
	}
	s.Peak("bytes that wait for a slow peer", 2*names*nameBytes, most)
	s.Sleep(4*hop + s.Slack())
	known := o.node.Services()
	heard, messages := x.catchesUp()
	for i := range now {
		has := slices.ContainsFunc(known, func(e node.ServiceInfo) bool { return e.Name == name(i) })
		s.Check(has == (now[i] != nil), propOthers, "%s is provided: %v; a peer that reads knows it: %v", name(i), now[i] != nil, has)
		s.Check(heard[name(i)] == (now[i] != nil), propLastWord, "%s is provided: %v; the last word was %v", name(i), now[i] != nil, heard[name(i)])
	}
	// What fits into the window was on its way before.
	s.Check(messages <= 3*names+2<<10/64, propCoalesce, "%d messages on %d names", messages, names)
}

// nameBytes is more than what a message on one of the names takes.
const nameBytes = 96

// catchesUp reads all that waits, and returns which names are provided by the
// last word on them, and how many messages that were.
func (x *speaker) catchesUp() (provided map[string]bool, messages int) {
	provided = map[string]bool{}
	x.do("read", func(context.Context) {
		x.control.SetReadDeadline(x.place.Runtime().Now().Add(2 * time.Second))
		for {
			kind, payload, err := x.frames.Next()
			if err != nil {
				return
			}
			messages++
			if a, err := wire.ParseAdvertise(payload); kind == wire.KindAdvertise && err == nil {
				provided[a.Name] = true
			} else if w, err := wire.ParseWithdraw(payload); kind == wire.KindWithdraw && err == nil {
				provided[w.Name] = false
			}
		}
	})
	return provided, messages
}
