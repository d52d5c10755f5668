package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Properties of what is advertised.
const (
	propNames    = "the names of one owner, and all names, stay within their caps"
	propEmpty    = "nothing stays of a name that nobody provides"
	propAtOnce   = "a call whose time is over ends at once, however often its id is used"
	propExpired  = "what has expired is removed once, and nothing else"
	propDead     = "expired entries do not outnumber the living for long"
	propNegative = "that nobody provides a name is remembered, however many names are asked for"
	propCounts   = "a service is there exactly while an advertisement of it counts"
	propGrace    = "a pause of the node ends no service whose owner lives"
	propBelief   = "a service whose owner is dead is kept for its time to live, and no longer"
	propIntent   = "after a reconnection everybody knows the latest intent"
)

func advertsSystem() *scenario.System {
	return &scenario.System{
		Name:  "adverts",
		Shows: "what nodes, clients and strangers advertise and take back, and those who have to believe it",
		Params: []scenario.Param{
			{Name: "names", Default: "300", Least: "1", Doc: "names that a stranger advertises"},
			{Name: "rounds", Default: "10", Least: "1", Doc: "how often an act does what it does"},
			{Name: "away", Default: "60s", Doc: "how long a node stands still, or two of them do not hear each other"},
		},
		Requests: []plan.Verb{
			act("endless-names", "strangers advertise names without an end, and call others"),
			act("one-id", "a stranger uses few ids for many short calls, and one name for many advertisements"),
			act("churned", "names that count for a second come faster than they are cleaned up, and others are asked for that nobody provides"),
			act("comes-back", "services are advertised again around the moment in which they expire, and are cleaned up in the same moment"),
			act("suspended", "a node stands still for away=, longer than anything counts"),
			act("while-apart", "services come and go while those who should hear of it are cut off for away="),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"endless-names": func() { endlessNames(s) }, "one-id": func() { oneID(s) }, "churned": func() { outrun(s) },
				"comes-back": func() { comesBack(s) }, "suspended": func() { suspended(s) }, "while-apart": func() { whileApart(s) },
			})
		},
	}
}

// endlessNames lets two clients and two peers advertise names without an end,
// more than a node keeps of one of them and more than it keeps of all.
func endlessNames(s *scenario.Stage) {
	const owned, all = 40, 120
	cfg := node.Config{OpenPeers: true}
	cfg.Registry.PerOwner, cfg.Registry.Entries, cfg.Discovery.Names = owned, all, all
	cfg.Caller.Lookups = 50
	g := startNode(s, "gateway", cfg)
	over := false
	watch := s.Go("watch", func() {
		for ; !over; s.Sleep(50 * time.Millisecond) {
			s.Check(namesWithin(g, owned, all) == nil, propNames, "%v", namesWithin(g, owned, all))
		}
	})
	var jobs []*scenario.Job
	for i := range 4 {
		role := []wire.Role{wire.RoleClient, wire.RolePeer}[i%2]
		x := newSpeaker(s, fmt.Sprintf("greedy-%d", i), g, transport.Config{}, role)
		jobs = append(jobs, x.place.Go("advertise", func() { x.advertisesMuch(i, role == wire.RoleClient) }))
	}
	for _, j := range jobs {
		j.Wait()
	}
	over = true
	watch.Wait()
	st := g.node.Status().Registry
	s.Sometimes("refused a name too many", st.Refused > 0 && st.Peak == all)
	s.Eventually(4*time.Minute, propEmpty, func() bool {
		st := g.node.Status()
		return st.Registry.Entries == 0 && st.Registry.Names == 0 && st.Registry.Owners == 0 && st.Discovery.Names == 0
	})
}

// namesWithin says which of the caps of a node are passed.
func namesWithin(m *member, owned, all int) error {
	of := map[transport.PeerID]int{}
	for _, e := range m.node.Services() {
		if of[e.Provider]++; of[e.Provider] > owned {
			return fmt.Errorf("%d names of one owner, the limit is %d", of[e.Provider], owned)
		}
	}
	st := m.node.Status()
	if st.Registry.Names > all || st.Registry.Owners > all || st.Discovery.Names > all {
		return fmt.Errorf("%d names, %d owners, and %d names to tell, the limit is %d", st.Registry.Names, st.Registry.Owners, st.Discovery.Names, all)
	}
	return nil
}

// advertisesMuch advertises one name after the other and takes some of them
// back; a client calls some that nobody provides.
func (x *speaker) advertisesMuch(who int, client bool) {
	rnd := x.s.Rand("names")
	ctx, cancel := x.place.Runtime().WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for i := range x.s.Int("names") {
		name := fmt.Sprintf("endless.%d.%d", who, i)
		ttl := time.Duration(1+rnd.IntN(4)) * time.Second
		if client {
			x.advertise(name, ttl)
			x.small(ctx, x.call("nobody."+name, 8, time.Second))
		} else {
			x.version++
			x.control.Write(wire.AppendAdvertise(nil, &wire.Advertise{Name: name, Provider: x.id, Version: x.version, TTL: ttl}))
			rt.Sleep(ctx, x.place.Runtime(), hop/2)
		}
		if rnd.IntN(3) == 0 {
			x.withdraw(fmt.Sprintf("endless.%d.%d", who, rnd.IntN(i+1)))
		}
	}
}

// oneID makes many short calls under few ids, and advertises one name again and
// again; and then lets many names expire together.
func oneID(s *scenario.Stage) {
	g, x := theGateway(s, node.Config{CleanupBatch: 10})
	r := g.place.Runtime()
	late := time.Duration(0)
	g.provideWith("wait", node.AdvertiseOptions{}, func(ctx context.Context, _ *node.Request) ([]byte, error) {
		left, _ := rt.Remaining(r, ctx)
		begun := r.Now()
		err := r.NewParker().Park(ctx)
		late = max(late, r.Now().Sub(begun)-left)
		s.Check(r.Now().Sub(begun)-left <= time.Millisecond+s.Slack(), propAtOnce, "it had %v, and ended after %v", left, r.Now().Sub(begun))
		return nil, err
	})
	rnd := s.Rand("ids")
	x.do("calls", func(ctx context.Context) {
		for range 20 * s.Int("rounds") {
			for range 5 { // some of one id in one packet
				x.lastID = uint64(rnd.IntN(4))
				x.small(ctx, x.call("wait", 8, time.Duration(1+rnd.IntN(20))*time.Millisecond))
			}
			x.advertise("again", time.Second)
			rt.Sleep(ctx, x.place.Runtime(), time.Duration(rnd.Int64N(int64(20*time.Millisecond))))
		}
	})
	served := g.node.Clients()[0].Served
	s.Sometimes("an id was used again", served > 8)
	s.Sleep(100 * time.Millisecond)
	s.Check(callsHeld(g.node) == 0, propAtOnce, "%d calls are held", callsHeld(g.node))
	s.Check(g.node.Status().Registry.Entries == 2, propExpired, "%d entries of two names", g.node.Status().Registry.Entries)
	s.Sleep(2 * time.Second)
	const many = 95
	x.do("advertises", func(context.Context) {
		for i := range many {
			x.advertise(fmt.Sprintf("many.%d", i), 5*time.Second)
		}
	})
	s.Sleep(5*time.Second + s.Slack())
	expired := func() uint64 { return g.node.Status().Cleanup.Expired.Services }
	before, again := expired(), 0
	g.place.Do("cleanup", func() { g.node.Cleanup() })
	removed := expired() - before
	held := g.node.Status().Registry.Entries
	s.Check(removed == many && held == 1, propExpired, "%d were removed of %d, and %d are held", removed, many, held)
	g.place.Do("cleanup", func() { again = g.node.Cleanup() })
	s.Check(again == 0, propExpired, "%d were removed a second time", again)
}

// outrun advertises faster than it is cleaned up, and asks for names that
// nobody provides.
func outrun(s *scenario.Stage) {
	cfg := node.Config{OpenPeers: true}
	cfg.Caller.Lookups = 40
	g, x := theGateway(s, cfg)
	s.SetLink(g.place, s.Place("other"), scenario.Link{Latency: hop})
	startNode(s, "other", node.Config{Bootstrap: []node.Peer{peerOf(s, "gateway")}})
	s.Eventually(time.Minute, "the nodes find each other", func() bool { return g.peers() == 1 })
	most := 0
	x.do("advertises", func(context.Context) {
		for i := range 4 * s.Int("names") {
			x.advertise(fmt.Sprintf("churn.%d", i), time.Second)
			if i%25 != 0 {
				continue
			}
			living := len(g.node.Services())
			dead := g.node.Status().Registry.Entries - living
			most = max(most, dead)
			s.Check(dead <= living+5, propDead, "%d of them, and %d that live", dead, living)
		}
	})
	s.Peak("expired entries", -1, most)
	for i := range 3 * cfg.Caller.Lookups {
		g.call(fmt.Sprintf("nobody.%d", i), nil, time.Second, false)
		s.Sleep(30 * time.Millisecond)
		if i%7 != 0 {
			continue
		}
		asked := g.node.Status().Discovery.Questions
		g.call(fmt.Sprintf("nobody.%d", i), nil, time.Second, false)
		s.Check(g.node.Status().Discovery.Questions == asked, propNegative, "after %d names the mesh is asked again", i+1)
	}
}

// has reports whether a node takes a name for provided.
func (m *member) has(name string) bool {
	return slices.ContainsFunc(m.node.Services(), func(e node.ServiceInfo) bool { return e.Name == name })
}

// wantHas demands that a node takes a name for provided, or does not.
func wantHas(s *scenario.Stage, m *member, name string, want bool, property string) {
	s.Check(m.has(name) == want, property, "%s takes %s for provided: %v", m.place.Name(), name, !want)
}
