package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func crowdingSystem() *scenario.System {
	return &scenario.System{
		Name:  "crowding",
		Shows: "a hub whose pool is smaller than the number of peers that it calls; it knows them from a directory",
		Params: []scenario.Param{
			{Name: "cap", Default: "5", Least: "2", Doc: "connections that the hub's pool may hold, one of them to the directory"},
			{Name: "peers", Default: "6", Least: "3", Doc: "peers that the directory knows"},
			{Name: "rate", Default: "256", Least: "1", Doc: "dials of the hub in any second"},
		},
		Requests: []plan.Verb{
			act("keep-busy", "calls in both directions keep every connection of the hub in use while it calls further peers"),
			act("round-robin", "callers at the hub call all peers in turn, so that whoever is called was evicted a moment ago"),
			act("cross-dials", "pairs of peers lose their connection and dial each other in the same moment, again and again"),
		},
		Open: openCrowding,
	}
}

// crowding is a run of the system.
type crowding struct {
	s     *scenario.Stage
	cap   int
	rate  int
	dir   *member
	hub   *member
	peers []*member
	cut   int // calls that were taken and whose caller went away
}

// crowdDrain is what the calls of an evicted connection get in it: less than
// the longest calls take.
const crowdDrain = 200 * time.Millisecond

func openCrowding(s *scenario.Stage) *scenario.Subject {
	stage(s)
	c := &crowding{s: s, cap: s.Int("cap"), rate: s.Int("rate")}
	names := []string{"directory", "hub"}
	for i := range s.Int("peers") {
		names = append(names, fmt.Sprintf("peer-%d", i))
	}
	for _, name := range names {
		s.Place(name)
	}
	s.SetLinks(scenario.Link{Latency: hop})
	c.dir = startNode(s, "directory", node.Config{OpenPeers: true})
	c.provide(c.dir)
	known := []node.Peer{peerOf(s, "directory")}
	for _, name := range names[2:] {
		p := startPeer(s, name, node.Config{OpenPeers: true, Bootstrap: known})
		c.provide(p)
		c.peers = append(c.peers, p)
	}
	cfg := node.Config{OpenPeers: true, Bootstrap: known}
	cfg.Pool.Cap, cfg.Pool.DialRate, cfg.Pool.DrainTimeout = c.cap, c.rate, crowdDrain
	cfg.Discovery.Fanout = c.cap // so that the directory is always asked
	c.hub = startNode(s, "hub", cfg)
	c.provide(c.hub)
	s.Eventually(5*time.Second, "everybody finds the directory", func() bool {
		return c.dir.peers() == len(c.peers)+1 && len(c.dir.node.Services()) == 2*(len(c.peers)+2)
	})
	return acts(map[string]func(){"keep-busy": c.keepBusy, "round-robin": c.roundRobin, "cross-dials": c.crossDials})
}

// provide provides an echo under the name of the place, and a service that
// holds its callers for as many hundredths of a second as they say.
func (c *crowding) provide(m *member) {
	name := m.place.Name()
	m.provide("at."+name, node.AdvertiseOptions{})
	m.provideWith("hold."+name, node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		err := rt.Sleep(ctx, m.place.Runtime(), time.Duration(req.Body[0])*10*time.Millisecond)
		if err != nil {
			c.cut++
		}
		return req.Body, err
	})
}

const propNeverCut = "no call in flight is cut to make room"

// keepBusy holds calls over each connection of the hub, made by it and by the
// others in turn, and lets the hub call further peers meanwhile. Whoever is
// called late gets the place of a peer that is idle for a moment, or an error
// within its time.
func (c *crowding) keepBusy() {
	s := c.s
	const lasts = 4 * time.Second
	ends := s.Runtime().Now().Add(lasts)
	members := append([]*member{c.dir}, c.peers[:c.cap-1]...)
	var jobs []*scenario.Job
	for i, m := range members {
		wantFound(s, c.hub, "at."+m.place.Name(), true, "there is a place for each of them")
		for range 2 {
			// Whoever calls dials too, so that no two dials cross.
			caller, name := c.hub, "hold."+m.place.Name()
			if i%2 == 1 {
				caller, name = m, "hold.hub"
			}
			jobs = append(jobs, caller.place.Go("hold", func() { c.hold(caller, name, ends) }))
		}
	}
	s.Sleep(50 * time.Millisecond)
	newcomers := c.peers[c.cap-1:]
	served, turnedAway := 0, 0
	for i := 0; !ends.Reached(s.Runtime().Now()); i++ {
		begun := s.Runtime().Now()
		busy := c.hub.node.Status().Pool.InUse == c.cap
		_, err := c.hub.call("at."+newcomers[i%len(newcomers)].place.Name(), nil, 300*time.Millisecond, true)
		took := s.Runtime().Now().Sub(begun)
		s.Check(took <= 300*time.Millisecond+s.Slack(), "a newcomer waits for no longer than its deadline", "it took %v", took)
		if err == nil {
			served++
		} else {
			turnedAway++
			s.Sometimes("turned away while all were busy", busy)
		}
		s.Sleep(20 * time.Millisecond)
	}
	for _, j := range jobs {
		j.Wait()
	}
	st := c.hub.node.Status().Pool
	s.Check(c.cut == 0, propNeverCut, "%d handlers lost their callers", c.cut)
	s.Check(served+turnedAway > 3 && turnedAway > 0, "the pool is full and busy when one peer more is called", "%d of %d newcomers were turned away", turnedAway, served+turnedAway)
	s.Sometimes("a place came free", served > 0)
	s.Factf("%d newcomers: %d got a place, %d were turned away; %d evicted", served+turnedAway, served, turnedAway, st.Evicted)
}

// hold makes call after call, each of which takes its time, and lets go of the
// connection for a moment between two of them.
func (c *crowding) hold(m *member, name string, ends mono.Time) {
	r := m.place.Runtime()
	rnd := r.Rand("hold")
	for !ends.Reached(c.s.Runtime().Now()) {
		ctx, cancel := r.WithTimeout(context.Background(), 20*time.Second)
		_, err := m.node.Call(ctx, name, []byte{byte(10 + rnd.IntN(50))}, node.CallOptions{})
		cancel()
		c.s.Check(err == nil || !fault.Executed(err), propNeverCut, "%s calls %s: %v", m.place.Name(), name, err)
		rt.Sleep(context.Background(), r, time.Duration(rnd.Int64N(int64(20*time.Millisecond))))
	}
}

// roundRobin calls the peers in turn from a few tasks at once: by the time
// that a peer's turn comes again its connection has made room for another.
func (c *crowding) roundRobin() {
	s := c.s
	const workers, turns, patience = 3, 5, 20 * time.Second
	// A call waits for those before it, each of which takes a place in the
	// second, and then for a handshake.
	longest := time.Duration(workers/c.rate+1)*time.Second + 500*time.Millisecond
	for _, p := range c.peers { // learns where they are, while the directory is there to say it
		c.hub.call("at.directory", nil, patience, true)
		wantFound(s, c.hub, "at."+p.place.Name(), true, "whoever is called is reached")
	}
	next, over := 0, false
	var jobs []*scenario.Job
	for range workers {
		jobs = append(jobs, s.Go("caller", func() {
			for next < turns*len(c.peers) {
				p := c.peers[next%len(c.peers)]
				next++
				begun := s.Runtime().Now()
				_, err := c.hub.call("at."+p.place.Name(), nil, patience, true)
				took := s.Runtime().Now().Sub(begun)
				s.Check(err == nil, "whoever is called is reached", "%s: %v", p.place.Name(), err)
				s.Check(took <= longest+s.Slack(), "a call waits for its turn and no longer", "one took %v, want %v", took, longest)
			}
		}))
	}
	watch := s.Go("handshakes", func() { c.countHandshakes(&over) })
	for _, j := range jobs {
		j.Wait()
	}
	over = true
	watch.Wait()
	st := c.hub.node.Status().Pool
	s.Check(st.Evicted >= uint64(c.cap), "the pool is smaller than what is called", "%d were evicted", st.Evicted)
	s.Sometimes("a dial waited for its turn", st.Paced > 0)
	s.Factf("%d calls of %d peers through %d places: %d %% found a connection; %d dials, %d of them waited for their turn",
		next, len(c.peers), c.cap, 100*st.Hits/(st.Hits+st.Misses), st.Dials, st.Paced)
}

// countHandshakes counts at the other ends: how many connections the peers
// have taken from the hub, in any second.
func (c *crowding) countHandshakes(over *bool) {
	const step = 50 * time.Millisecond
	var seen []uint64
	for !*over {
		var sum uint64
		for _, p := range c.peers {
			sum += p.node.Status().Pool.Admitted
		}
		seen = append(seen, sum)
		if n := int(time.Second / step); len(seen) > n {
			in := seen[n] - seen[0]
			c.s.Check(in <= uint64(c.rate), "no second has more handshakes than its budget", "%d, the budget is %d", in, c.rate)
			seen = seen[1:]
		}
		c.s.Sleep(step)
	}
}

// crossDials lets pairs of peers lose their connection and dial each other
// within a round trip.
func (c *crowding) crossDials() {
	s := c.s
	rnd := s.Rand("cross dials")
	pairs := [][2]*member{{c.peers[0], c.peers[1]}, {c.peers[1], c.peers[2]}, {c.peers[2], c.peers[0]}}
	for range 5 {
		for _, p := range pairs {
			s.Kill(p[0].place, p[1].place)
		}
		s.Sleep(10 * hop)
		var jobs []*scenario.Job
		// In one instant, so that they cross for sure, or a little apart.
		apart := time.Duration(rnd.IntN(2)*rnd.IntN(8)) * hop / 2
		for _, p := range pairs {
			jobs = append(jobs, c.ask(p[0], p[1], 0), c.ask(p[1], p[0], apart))
		}
		for _, j := range jobs {
			j.Wait()
		}
		s.Sleep(500 * time.Millisecond)
		for _, p := range pairs {
			c.settled(p[0], p[1], apart == 0)
		}
	}
}

// ask calls one peer from another, after a while.
func (c *crowding) ask(from, to *member, after time.Duration) *scenario.Job {
	return from.place.Go("ask", func() {
		rt.Sleep(context.Background(), from.place.Runtime(), after)
		ctx, cancel := from.place.Runtime().WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_, err := from.node.Call(ctx, "at."+to.place.Name(), nil, node.CallOptions{})
		c.s.Check(err == nil, "two peers that dial each other reach each other", "%s calls %s: %v", from.place.Name(), to.place.Name(), err)
	})
}

// settled demands that of two connections one is left, the same at both ends.
func (c *crowding) settled(a, b *member, crossed bool) {
	s := c.s
	ab, ba := connections(a, b), connections(b, a)
	s.Check(len(ab) == 1 && len(ba) == 1 && ab[0].Dialled != ba[0].Dialled, "one connection is left of two that cross",
		"%s has %d to %s, which has %d", a.place.Name(), len(ab), b.place.Name(), len(ba))
	for _, m := range []*member{a, b} {
		s.Check(m.place.Conns() == m.peers(), "one connection is left of two that cross", "%s has %d open, %d in its pool", m.place.Name(), m.place.Conns(), m.peers())
	}
	if crossed && len(ab) == 1 {
		smaller := slices.Compare(a.id[:], b.id[:]) < 0
		s.Check(ab[0].Dialled == smaller, "of dials that cross that of the smaller id stays", "%s and %s kept the other one", a.place.Name(), b.place.Name())
	}
}

// connections are those in a member's pool to another.
func connections(m, to *member) []node.PeerInfo {
	return slices.DeleteFunc(m.node.Peers(), func(p node.PeerInfo) bool { return p.ID != to.id })
}
