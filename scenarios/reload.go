package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func reloadSystem() *scenario.System {
	return &scenario.System{
		Name:  "reload",
		Shows: "nodes whose lists of peers and limits change while they work",
		Params: []scenario.Param{
			{Name: "rounds", Default: "3", Least: "1", Doc: "how often both nodes change their lists"},
			{Name: "peers", Default: "8", Least: "4", Doc: "peers of the hub whose limits are lowered"},
			{Name: "clients", Default: "12", Least: "4", Doc: "clients of that hub"},
		},
		Requests: []plan.Verb{
			act("lists", "two nodes change their lists of peers at once, with calls in flight and dials under way: one peer is removed, another one is let in"),
			act("limits", "a hub that is busy has its limits lowered far below what it holds, and raised again"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"lists": func() { changeLists(s) }, "limits": func() { changeLimits(s) }})
		},
	}
}

const (
	propPolicy  = "soon after a reload every live link satisfies the policy that counts now"
	propInList  = "who is in the list is connected soon"
	propFinish  = "a call that was in flight finishes when its connection has to go"
	propNoNew   = "a peer that is not in the list any more gets no new call"
	propLower   = "a lower limit holds in the moment in which it is set"
	propAtLimit = "the open connections are never more than the limits and what was shed"
)

// reloadDrain is what calls in flight get; they take less.
const reloadDrain = 5 * time.Second

// lists are two nodes that are reloaded, one that stays, and two of which they
// have one in their lists at a time.
type lists struct {
	s       *scenario.Stage
	nodes   []*member // a, b and c; then x and y
	in      *member   // of x and y the one that a and b have in their lists
	since   mono.Time // when the lists changed
	started map[*member]int
}

func changeLists(s *scenario.Stage) {
	names := []string{"a", "b", "c", "x", "y"}
	for _, name := range names {
		s.Place(name)
	}
	s.SetLinks(scenario.Link{Latency: hop})
	l := &lists{s: s, started: map[*member]int{}}
	for _, name := range names {
		cfg := node.Config{DrainTimeout: reloadDrain, CleanupInterval: 5 * time.Second}
		for _, other := range names {
			// c, x and y would be connected to everybody, all the time.
			if other != name && (name != "a" && name != "b" || other != "y") {
				cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, other))
			}
		}
		m := startNode(s, name, cfg)
		l.nodes = append(l.nodes, m)
		m.provideWith("hold."+name, node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
			l.started[m]++
			r := m.place.Runtime()
			return req.Body, rt.Sleep(ctx, r, time.Duration(r.Rand("hold").Int64N(int64(reloadDrain-time.Second))))
		})
	}
	l.in, l.since = l.nodes[3], s.Runtime().Now()
	s.Always(propPolicy, l.check)
	l.connected()
	for range s.Int("rounds") {
		l.round()
		l.connected()
	}
}

// out is the one of x and y that is not in the lists.
func (l *lists) out() *member {
	if l.in == l.nodes[3] {
		return l.nodes[4]
	}
	return l.nodes[3]
}

// settled is how long after a change what was let in before may still be there:
// the drain, and the news of its end.
const settled = reloadDrain + time.Second

// check says, from then on, who has a link that it may not have, seen from
// either end.
func (l *lists) check() error {
	if l.s.Runtime().Now().Sub(l.since) < settled {
		return nil
	}
	out := l.out()
	for _, m := range l.nodes[:2] {
		if m.node == nil || out.node == nil {
			return nil // the story is over
		}
		if len(connections(m, out)) > 0 || len(connections(out, m)) > 0 {
			return fmt.Errorf("%s and %s are connected, %v after the reload", m.place.Name(), out.place.Name(), l.s.Runtime().Now().Sub(l.since))
		}
	}
	return nil
}

// connected demands that everybody in the lists is connected, and what the
// nodes provide is known where it is allowed.
func (l *lists) connected() {
	l.s.Eventually(90*time.Second, propInList, func() bool {
		for _, m := range l.nodes[:2] {
			if len(connections(m, l.in)) == 0 || len(connections(m, l.nodes[2])) == 0 || !m.lists("hold."+l.in.place.Name()) || !l.in.lists("hold."+m.place.Name()) {
				return false
			}
		}
		return len(connections(l.nodes[0], l.nodes[1])) > 0
	})
}

// round changes the lists of both nodes with calls in flight over the links
// that have to go, and sometimes with these just being made.
func (l *lists) round() {
	s := l.s
	old, next := l.in, l.out()
	var calls []*scenario.Job
	for _, m := range l.nodes[:2] {
		for range 3 {
			calls = append(calls, l.hold(m, old), l.hold(old, m))
		}
	}
	s.Sleep(100*time.Millisecond + time.Duration(s.Rand("reload").Int64N(int64(time.Second))))
	dialling := s.Rand("reload").IntN(2) == 0
	if dialling { // the dials that follow are in some state of theirs
		for _, j := range calls {
			j.Wait()
		}
		calls = nil
		for _, m := range l.nodes[:2] {
			s.Kill(m.place, old.place)
		}
		s.Sleep(2 * hop) // both ends know
		for _, m := range l.nodes[:2] {
			calls = append(calls, l.dial(old, m), l.dial(m, old))
		}
		s.Sleep(time.Duration(s.Rand("reload").Int64N(int64(8 * hop))))
	}
	apart := time.Duration(s.Rand("reload").IntN(3)) * hop / 2
	l.in, l.since = next, s.Runtime().Now()
	var jobs []*scenario.Job
	for i, m := range l.nodes[:2] {
		jobs = append(jobs, s.Go("reload", func() {
			s.Sleep(time.Duration(i) * apart)
			l.reload(m)
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	begun := l.started[old]
	for _, m := range l.nodes[:2] {
		_, err := m.call("hold."+old.place.Name(), nil, time.Second, false)
		s.Check(err != nil, propNoNew, "%s calls %s", m.place.Name(), old.place.Name())
	}
	s.Check(dialling || l.started[old] == begun, propNoNew, "%s got one", old.place.Name())
	for _, j := range calls {
		j.Wait()
	}
	s.Sleep(settled + time.Second - s.Runtime().Now().Sub(l.since)) // so that the links are looked at
	if !dialling {
		expelled := l.nodes[0].node.Status().Pool.Policy + l.nodes[1].node.Status().Pool.Policy
		s.Check(expelled > 0, "a peer that is removed was connected", "nobody was expelled")
	}
}

// reload gives a node the list that counts now.
func (l *lists) reload(m *member) {
	var bootstrap []node.Peer
	for _, p := range append(slices.Clone(l.nodes[:3]), l.in) {
		if p != m {
			bootstrap = append(bootstrap, peerOf(l.s, p.place.Name()))
		}
	}
	n := m.node
	m.place.Do("reload", func() {
		err := n.SetPeers(bootstrap, nil, false)
		l.s.Check(err == nil, "a list can be changed", "%v", err)
	})
}

// hold makes a call that takes less than the drain gives it.
func (l *lists) hold(from, to *member) *scenario.Job {
	return from.place.Go("hold", func() {
		ctx, cancel := from.place.Runtime().WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := from.node.Call(ctx, "hold."+to.place.Name(), []byte("x"), node.CallOptions{})
		l.s.Check(err == nil, propFinish, "%s calls %s: %v", from.place.Name(), to.place.Name(), err)
	})
}

// dial makes a call that may come to nothing: it is there for its dial.
func (l *lists) dial(from, to *member) *scenario.Job {
	return from.place.Go("dial", func() {
		ctx, cancel := from.place.Runtime().WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		from.node.Call(ctx, "hold."+to.place.Name(), nil, node.CallOptions{})
	})
}

// busyHub is a hub whose limits change.
type busyHub struct {
	s       *scenario.Stage
	hub     *member
	peers   []*member
	clients []*attached
}

func changeLimits(s *scenario.Stage) {
	h := &busyHub{s: s}
	s.Place("hub")
	for i := range s.Int("peers") {
		s.Place(fmt.Sprintf("peer-%d", i))
	}
	for i := range s.Int("clients") {
		s.Place(fmt.Sprintf("client-%d", i))
	}
	s.SetLinks(scenario.Link{Latency: hop})
	cfg := node.Config{OpenPeers: true, DrainTimeout: reloadDrain, CleanupInterval: 5 * time.Second}
	// Else what may be open besides would hide what is shed.
	cfg.Handshakes, cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing = 2, 1, 1, 1
	h.hub = startNode(s, "hub", cfg)
	h.hub.provideWith("hub.hold", node.AdvertiseOptions{}, h.work(h.hub.place))
	n := h.hub.node
	s.Always(propAtLimit, func() error { return h.hub.within(n, h.hub.place.Conns()) })
	for i := range s.Int("peers") {
		p := startPeer(s, fmt.Sprintf("peer-%d", i), node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
		p.provideWith("hold."+p.place.Name(), node.AdvertiseOptions{}, h.work(p.place))
		h.peers = append(h.peers, p)
	}
	for i := range s.Int("clients") {
		name := fmt.Sprintf("client-%d", i)
		c := newClient(s, name, name, client.Config{NoReconnect: true}, h.hub)
		err := c.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
		err = c.provide("at."+name, echo, 0, false)
		s.Check(err == nil, "a client provides something", "%v", err)
		h.clients = append(h.clients, c)
	}
	s.Eventually(time.Minute, "the hub knows everybody", func() bool {
		st := h.hub.node.Status()
		return st.Pool.Open == len(h.peers) && st.Registry.Entries == 1+len(h.peers)+len(h.clients)
	})
	h.lower()
	h.raise()
}

// work holds its caller for less than the drain gives it.
func (h *busyHub) work(p *scenario.Place) node.Handler {
	return func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, rt.Sleep(ctx, p.Runtime(), time.Second+time.Duration(p.Runtime().Rand("work").Int64N(int64(reloadDrain-2*time.Second))))
	}
}

// lower puts every limit below what the hub holds, while calls are in flight in
// all directions.
func (h *busyHub) lower() {
	s, n := h.s, h.hub.node
	const busyPeers, busyClients = 3, 3
	s.Rand("busy").Shuffle(len(h.peers), func(i, j int) { h.peers[i], h.peers[j] = h.peers[j], h.peers[i] })
	s.Rand("busy").Shuffle(len(h.clients), func(i, j int) { h.clients[i], h.clients[j] = h.clients[j], h.clients[i] })
	var calls []*scenario.Job
	call := func(what string, p *scenario.Place, f func(context.Context) error) {
		calls = append(calls, p.Go("call", func() {
			ctx, cancel := p.Runtime().WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := f(ctx)
			s.Check(err == nil, propFinish, "%s: %v", what, err)
		}))
	}
	for i, p := range h.peers[:busyPeers] {
		if i%2 == 0 {
			call("the hub calls a peer", h.hub.place, func(ctx context.Context) error {
				_, err := n.Call(ctx, "hold."+p.place.Name(), nil, node.CallOptions{})
				return err
			})
		} else {
			call("a peer calls the hub", p.place, func(ctx context.Context) error {
				_, err := p.node.Call(ctx, "hub.hold", nil, node.CallOptions{})
				return err
			})
		}
	}
	for _, c := range h.clients[:busyClients] {
		k := c.client
		call("a client calls the hub", c.place, func(ctx context.Context) error {
			_, err := k.Call(ctx, "hub.hold", nil, false)
			return err
		})
	}
	s.Sleep(500 * time.Millisecond)
	l := n.Limits()
	l.Handlers = 1
	l.Services = 0
	h.refused(l)
	l.Peers, l.Clients, l.Services = 1+s.Rand("lower").IntN(3), 1+s.Rand("lower").IntN(4), 1+s.Rand("lower").IntN(4)
	h.hub.place.Do("lower", func() {
		err := n.SetLimits(l)
		st := n.Status()
		s.Check(err == nil && st.Pool.Open <= l.Peers && st.Clients.Attached <= l.Clients && st.Registry.Entries <= l.Services, propLower,
			"%v; %d peers of %d, %d clients of %d, %d services of %d", err, st.Pool.Open, l.Peers, st.Clients.Attached, l.Clients, st.Registry.Entries, l.Services)
	})
	h.keptInOrder(l, busyPeers, busyClients)
	_, err := h.hub.call("hub.hold", nil, time.Second, false)
	s.Check(fault.KindOf(err) == fault.Overload, "no handler starts while too many run", "%v", err)
	for _, j := range calls {
		j.Wait()
	}
	s.Eventually(reloadDrain, "what was shed is gone by the end of the drain", func() bool {
		st := n.Status()
		return st.Pool.Shedding == 0 && st.Clients.Shedding == 0 && st.Server.Running == 0
	})
	err = n.Audit()
	s.Check(err == nil, propAudit, "%v", err)
}

// refused demands that limits that cannot be change nothing.
func (h *busyHub) refused(l node.Limits) {
	n := h.hub.node
	was := n.Limits()
	h.hub.place.Do("refused", func() {
		err := n.SetLimits(l)
		now := n.Limits()
		h.s.Check(fault.KindOf(err) == fault.Invalid && now.Handlers == was.Handlers && now.Services == was.Services, "limits are changed all or none", "%v, %+v", err, now)
	})
}

// keptInOrder demands that those who were busy were the last to go, and that
// nothing is left of the clients that went.
func (h *busyHub) keptInOrder(l node.Limits, busyPeers, busyClients int) {
	s, n := h.s, h.hub.node
	kept := func(infos []node.PeerInfo, of []transport.PeerID) (kept int) {
		for _, p := range infos {
			if slices.Contains(of, p.ID) {
				kept++
			}
		}
		return kept
	}
	var peers, clients []transport.PeerID
	for _, p := range h.peers[:busyPeers] {
		peers = append(peers, p.id)
	}
	for _, c := range h.clients[:busyClients] {
		clients = append(clients, c.id)
	}
	gotPeers, gotClients := kept(n.Peers(), peers), kept(n.Clients(), clients)
	s.Check(gotPeers == min(l.Peers, busyPeers) && gotClients == min(l.Clients, busyClients), "those without calls are the first to go",
		"%d busy peers are left at a limit of %d, and %d busy clients at one of %d", gotPeers, l.Peers, gotClients, l.Clients)
	s.Sometimes("a busy client was shed", l.Clients < busyClients)
	s.Sometimes("a busy peer was shed", l.Peers < busyPeers)
	attached := n.Clients()
	for _, c := range h.clients {
		if !slices.ContainsFunc(attached, func(p node.PeerInfo) bool { return p.ID == c.id }) {
			s.Check(!h.hub.lists("at."+c.place.Name()), "the services of a client that was shed leave with it", "%s", c.place.Name())
		}
	}
}

// raise lets everybody come back.
func (h *busyHub) raise() {
	s, n := h.s, h.hub.node
	for _, c := range h.clients {
		if c.client.Over().Fired() {
			err := c.client.Err()
			s.Check(fault.KindOf(err) == fault.Overload, "a client that is shed hears why", "%v", err)
		}
	}
	l := n.Limits()
	l.Peers, l.Clients, l.Services, l.Handlers = 100, 100, 100, 100
	h.hub.place.Do("raise", func() {
		err := n.SetLimits(l)
		s.Check(err == nil, "limits can be raised", "%v", err)
	})
	// First, since their handshakes take the places of those of the clients.
	s.Eventually(time.Minute, "peers come back when the cap is raised", func() bool { return h.hub.peers() == len(h.peers) })
	for i, c := range h.clients {
		if !c.client.Over().Fired() {
			continue
		}
		c.close()
		name := c.place.Name()
		h.clients[i] = newClient(s, name, name, client.Config{NoReconnect: true}, h.hub)
		err := h.clients[i].attach()
		s.Check(err == nil, "a client may come back when the limit is raised", "%v", err)
	}
	_, err := h.hub.call("hub.hold", nil, 10*time.Second, false)
	s.Check(err == nil, "handlers start when there is room again", "%v", err)
}
