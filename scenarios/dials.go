package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func starSystem() *scenario.System {
	return &scenario.System{
		Name:  "star",
		Shows: "a hub that knows one directory, and peers that only the directory knows: the hub dials them when it calls them",
		Params: []scenario.Param{
			{Name: "cap", Default: "4", Least: "3", Doc: "connections that the pool may hold, one of them to the directory"},
		},
		Requests: []plan.Verb{
			act("least-recently-used-goes", "the hub calls more peers than it may be connected to, one after the other; failing dials to silent peers cost nobody a place"),
			act("newcomer-waits", "all connections are in use when one peer more is called"),
			act("giving-up-as-it-is-served", "callers give up in the very moment in which their dial succeeds, and in which there is room for it"),
			act("comes-late", "a service is asked for before anybody provides it"),
			act("moves", "a peer that could not be reached comes back elsewhere"),
			act("both-dial", "two peers dial each other in the same moment"),
		},
		Open: openStar,
	}
}

// star is a hub that knows one directory, and peers that only the directory
// knows: the hub dials them when it calls them.
type star struct {
	s     *scenario.Stage
	cap   int
	dir   *member
	hub   *member
	peers []*member
	order []*member // whom the hub is connected to, the one used least recently first
}

func openStar(s *scenario.Stage) *scenario.Subject {
	stage(s)
	t := &star{s: s, cap: s.Int("cap")}
	t.dir = startNode(s, "directory", node.Config{OpenPeers: true})
	t.provide(t.dir, "directory")
	for i := range 2 * t.cap {
		t.peers = append(t.peers, t.startPeer(fmt.Sprintf("peer-%d", i), fmt.Sprintf("peer-%d", i)))
	}
	t.startHub()
	return acts(map[string]func(){
		"least-recently-used-goes": t.leastRecentlyUsedGoes, "newcomer-waits": t.newcomerWaits, "giving-up-as-it-is-served": t.givesUpAsItIsServed,
		"comes-late": t.comesLate, "moves": t.moves, "both-dial": t.bothDial,
	})
}

// startHub starts the hub, which has bootstrap peers that never answer beside
// the directory.
func (t *star) startHub() {
	s := t.s
	cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "directory")}}
	cfg.Pool.Cap = t.cap
	cfg.Pool.Backoff = backoff.Config{Base: time.Minute, Max: time.Hour}
	hub := s.Place("hub")
	for i := range 4 {
		name := fmt.Sprintf("silent-%d", i)
		cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, name))
		s.Cut(hub, s.Place(name))
	}
	s.SetLinks(scenario.Link{Latency: hop})
	t.hub = startNode(s, "hub", cfg)
	s.Eventually(time.Second, "a peer that does not answer delays nobody else", func() bool { return t.hub.peers() == 1 })
}

// startPeer starts a peer of the directory that provides a service of its
// name, at a place and under the id of a name.
func (t *star) startPeer(place, as string) *member {
	t.s.SetLink(t.dir.place, t.s.Place(place), scenario.Link{Latency: hop})
	if t.hub != nil {
		t.s.SetLink(t.hub.place, t.s.Place(place), scenario.Link{Latency: hop})
	}
	m := startMemberAs(t.s, place, as, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(t.s, "directory")}}, false)
	t.provide(m, as)
	return m
}

// provide provides an echo under the name, and a service that holds its
// callers for as many tenths of a second as they say.
func (t *star) provide(m *member, name string) {
	m.provide("at."+name, node.AdvertiseOptions{})
	m.provideWith("hold."+name, node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return nil, rt.Sleep(ctx, m.place.Runtime(), time.Duration(req.Body[0])*100*time.Millisecond)
	})
}

// use calls a member from the hub.
func (t *star) use(m *member) {
	_, err := t.hub.call("at."+m.place.Name(), []byte("x"), 2*time.Second, false)
	t.s.Check(err == nil, "who can be reached is reached", "%s: %v", m.place.Name(), err)
	t.s.Sleep(10 * time.Millisecond)
	t.order = append(slices.DeleteFunc(t.order, func(o *member) bool { return o == m }), m)
}

// connected reports whether the hub has an admitted connection to m.
func (t *star) connected(m *member) bool {
	return slices.ContainsFunc(t.hub.node.Peers(), func(p node.PeerInfo) bool { return p.ID == m.id })
}

// leastRecentlyUsedGoes fills the pool, calls one peer more at a time, and
// then leaves the pool alone while dials to the silent peers fail.
func (t *star) leastRecentlyUsedGoes() {
	s := t.s
	for _, p := range t.peers[:t.cap-1] {
		t.use(p)
	}
	t.use(t.dir)
	t.use(t.peers[0])
	dials := t.hub.node.Status().Pool.Dials
	t.use(t.peers[1])
	s.Check(t.hub.node.Status().Pool.Dials == dials, "a connection that is there is used", "it was dialled again")
	for _, p := range t.peers[t.cap-1:] {
		if t.order[0] == t.dir {
			t.use(t.dir)
		}
		gone := t.order[0]
		t.use(p)
		t.order = t.order[1:]
		s.Check(!t.connected(gone), "the least recently used connection makes room", "%s stays", gone.place.Name())
		for _, m := range t.order {
			s.Check(t.connected(m), "the least recently used connection makes room", "%s went, which was used later than %s", m.place.Name(), gone.place.Name())
		}
	}
	before := t.hub.node.Status().Pool
	s.Sleep(2 * time.Minute)
	st := t.hub.node.Status().Pool
	s.Check(st.DialErrors > before.DialErrors, "a dial to a silent peer fails", "none did")
	s.Check(st.Evicted == before.Evicted && st.Open == t.cap, "a dial that fails costs nobody a connection", "%d were evicted", st.Evicted-before.Evicted)
}

// newcomerWaits lets every connection be in use when one peer more is called:
// it gets the place of the first that is done, at that moment.
func (t *star) newcomerWaits() {
	s := t.s
	t.use(t.dir)
	var jobs []*scenario.Job
	for i, m := range t.order {
		jobs = append(jobs, t.hub.place.Go("hold", func() {
			_, err := t.hub.node.Call(context.Background(), "hold."+m.place.Name(), []byte{byte(5 + 10*min(i, 1))}, node.CallOptions{})
			s.Check(err == nil, "a call in flight is never cut", "%s: %v", m.place.Name(), err)
		}))
	}
	s.Sleep(100 * time.Millisecond)
	s.Check(t.hub.node.Status().Pool.InUse == t.cap, "every connection is in use", "%d are", t.hub.node.Status().Pool.InUse)
	begun := s.Runtime().Now()
	t.use(t.peers[0])
	took := s.Runtime().Now().Sub(begun)
	s.Check(400*time.Millisecond < took && took < 500*time.Millisecond+s.Slack(), "a newcomer gets the first place that is free", "it took %v", took)
	for _, j := range jobs {
		j.Wait()
	}
}

// comesLate asks for a service before anybody provides it.
func (t *star) comesLate() {
	s := t.s
	wantFound(s, t.hub, "at.late", false, "what nobody provides is not found")
	t.startPeer("late", "late")
	s.Sleep(1200 * time.Millisecond) // that nobody provides it is remembered for a second
	wantFound(s, t.hub, "at.late", true, "a service that comes late is found")
}

// moves lets a peer that could not be reached come back elsewhere: a new
// address does not wait for the backoff of the old one.
func (t *star) moves() {
	s := t.s
	s.Cut(t.hub.place, s.Place("mover"))
	old := t.startPeer("mover", "mover")
	s.Sleep(4 * hop)
	t.shareDials()
	_, err := t.hub.call("at.mover", nil, 20*time.Second, false)
	s.Check(fault.KindOf(err) == fault.Unreachable, "a peer behind a cut is not reached", "%v", err)
	old.crash()
	t.startPeer("elsewhere", "mover")
	s.Sleep(4 * hop)
	t.hub.call("at.mover", nil, time.Second, false) // fails, and learns of the new address
	wantFound(s, t.hub, "at.mover", true, "a peer that has moved is dialled where it is")
}

// shareDials lets one caller follow another in the moment in which that gives
// up, to a peer that does not answer, and a third one join them.
func (t *star) shareDials() {
	s := t.s
	call := func(d time.Duration) {
		t.hub.place.Go("call", func() { t.hub.call("at.mover", nil, d, false) })
		s.Sleep(100 * time.Millisecond)
	}
	t.hub.call("at.mover", nil, 100*time.Millisecond, false) // and where it is, is known
	more := 0
	for range 10 {
		call(100 * time.Millisecond)
		call(time.Second)
		before := t.hub.node.Status().Pool.Dials
		call(time.Second)
		more += int(t.hub.node.Status().Pool.Dials - before)
		s.Sleep(2 * time.Second)
	}
	// A silent peer may be dialled again meanwhile.
	s.Check(more <= 1, "callers of one peer share a dial", "it was dialled %d times more", more)
}

// givesUpAsItIsServed lets callers give up in the very moment in which their
// dial succeeds, and in which there is room for it: nothing stays in use.
func (t *star) givesUpAsItIsServed() {
	s := t.s
	r := t.hub.place.Runtime()
	call := func(name string, d time.Duration, body byte) *scenario.Job {
		return t.hub.place.Go("call", func() {
			ctx, cancel := r.WithTimeout(context.Background(), d)
			defer cancel()
			t.hub.node.Call(ctx, name, []byte{body}, node.CallOptions{})
		})
	}
	for i := range 3 * len(t.peers) {
		p := t.peers[i%len(t.peers)]
		if t.connected(p) {
			continue
		}
		call("at."+p.place.Name(), 4*hop, 0).Wait() // a round trip for the handshake and one for the hello
		s.Sleep(20 * hop)
		if t.connected(p) {
			continue
		}
		var held []*scenario.Job
		for k, q := range t.hub.node.Peers() {
			i := slices.IndexFunc(t.peers, func(m *member) bool { return m.id == q.ID })
			name := "directory"
			if i >= 0 {
				name = t.peers[i].place.Name()
			}
			held = append(held, call("hold."+name, time.Second, byte(2+min(k, 1))))
		}
		s.Sleep(100 * time.Millisecond)
		held = append(held, call("at."+p.place.Name(), 100*time.Millisecond+2*hop, 0))
		for _, j := range held {
			j.Wait()
		}
		s.Sleep(20 * hop)
	}
	t.use(t.dir)
	st := t.hub.node.Status().Pool
	s.Check(st.InUse == 0, propUse, "%d connections are", st.InUse)
	open := t.hub.place.Conns()
	s.Check(st.Open <= open && open <= st.Open+st.Closing, propBooked, "%d are open, %d in the pool", open, st.Open)
}

// bothDial lets two peers dial each other in the same moment.
func (t *star) bothDial() {
	s := t.s
	a, b := t.peers[0], t.peers[1]
	ask := func(m, other *member) *scenario.Job {
		return m.place.Go("call", func() {
			_, err := m.node.Call(context.Background(), "at."+other.place.Name(), nil, node.CallOptions{})
			s.Check(err == nil, "who can be reached is reached", "%s: %v", other.place.Name(), err)
		})
	}
	first, second := ask(a, b), ask(b, a)
	first.Wait()
	second.Wait()
	s.Sleep(time.Second)
	for _, m := range []*member{a, b} {
		has := slices.ContainsFunc(m.node.Peers(), func(p node.PeerInfo) bool { return p.ID == a.id || p.ID == b.id })
		s.Check(has && m.place.Conns() == m.peers(), "of two connections that are dialled at once one stays", "%s has %d, %d in its pool", m.place.Name(), m.place.Conns(), m.peers())
	}
}
