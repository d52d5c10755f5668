package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func identitySystem() *scenario.System {
	return &scenario.System{
		Name:  "identity",
		Shows: "a gateway with a node behind it, and clients and nodes that come back under the same id",
		Params: []scenario.Param{
			{Name: "rounds", Default: "4", Least: "1", Doc: "how often an act is repeated"},
			{Name: "takeovers", Default: "3", Least: "1", Doc: "how often in a minute a newer session takes over unasked"},
		},
		Requests: []plan.Verb{
			act("silent-return", "a client vanishes without a word, with calls in flight both ways, and is back before anybody has noticed"),
			act("two-holders", "two machines with one key, once as clients and once as nodes, that are started again whenever they are thrown out"),
			act("leave-while-updating", "a client with many services leaves in the middle of changing them, while the news of it cannot be told"),
			act("change-owners", "services change hands: between those who provide the same names, between sessions, and from hearsay to the provider's own word"),
			act("late-ends", "ends of older sessions, connections and runs that come long after the newer ones are there"),
		},
		Open: openIdentity,
	}
}

// identity is a run of the system.
type identity struct {
	s          *scenario.Stage
	gw, behind *member
	nodes      []*member
	link       scenario.Link
	next       int // numbers the places of clients
	takeovers  int
	asked      int // services that were known by hearsay
}

func openIdentity(s *scenario.Stage) *scenario.Subject {
	stage(s)
	x := &identity{s: s, link: scenario.Link{Latency: hop, Jitter: hop}, takeovers: s.Int("takeovers")}
	cfg := node.Config{OpenPeers: true}
	cfg.Clients.Takeovers, cfg.Pool.Takeovers = x.takeovers, x.takeovers
	x.nodes = meshOf(s, x.link, cfg, "gateway", "behind")
	x.gw, x.behind = x.nodes[0], x.nodes[1]
	return acts(map[string]func(){
		"silent-return": x.silentReturn, "two-holders": x.twoHolders, "leave-while-updating": x.leaveWhileUpdating,
		"change-owners": x.changeOwners, "late-ends": x.lateEnds,
	})
}

// client builds a client of the gateway at a place of its own.
func (x *identity) client(as string, cfg client.Config) *attached {
	x.next++
	name := fmt.Sprintf("%s-%d", as, x.next)
	x.s.SetLink(x.gw.place, x.s.Place(name), x.link)
	return newClient(x.s, name, as, cfg, x.gw)
}

// sessions counts those of an id.
func (x *identity) sessions(id transport.PeerID) (n int) {
	for _, c := range x.gw.node.Clients() {
		if c.ID == id {
			n++
		}
	}
	return n
}

const (
	propTakeover = "a client that comes back takes over at once"
	propOne      = "an id has one session, and one connection for it"
)

// silentReturn lets a client vanish in one of three ways and come back from
// another place long before the idle timeout.
func (x *identity) silentReturn() {
	s := x.s
	rnd := s.Rand("silent return")
	waits := waiting(x.behind.place)
	x.behind.provideWith("wait", node.AdvertiseOptions{}, waits)
	s.Sleep(10 * hop)
	for round := range s.Int("rounds") {
		id := fmt.Sprintf("roamer-%d", round)
		old := x.client(id, client.Config{})
		s.Check(old.attach() == nil && old.provide(id, waiting(old.place), 0, false) == nil, "a client attaches and advertises", "it does not")
		outward := x.holdCalls(old, id)
		s.Sleep(20 * hop)
		// Three returns a minute are taken for what they are.
		for back := range min(3, x.takeovers) {
			switch rnd.IntN(3) {
			case 0:
				old.crash()
			case 1:
				s.Cut(x.gw.place, old.place)
				s.Cut(old.place, x.gw.place)
			case 2:
				s.HalfOpen(x.gw.place, old.place)
				s.Cut(old.place, x.gw.place)
			}
			s.Sleep(time.Duration(rnd.Int64N(int64(5 * time.Second))))
			old = x.back(id, back)
		}
		s.Eventually(time.Second, "calls of the older session are over", func() bool { return outward.Done() })
		s.Sleep(idle + 5*time.Second)
		wantFound(s, x.gw, id, true, "what the newer session provides stays")
		wantFound(s, x.behind, id, true, "what the newer session provides stays")
		s.Check(x.sessions(old.id) == 1 && x.gw.place.Conns() == x.gw.node.Status().Clients.Attached+1, propOne, "%d sessions, %d connections", x.sessions(old.id), x.gw.place.Conns())
		old.close()
		s.Sleep(10 * hop)
	}
}

// holdCalls makes a call from a client and one to it.
func (x *identity) holdCalls(c *attached, name string) *scenario.Job {
	k := c.client
	c.place.Go("call", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		k.Call(ctx, "wait", nil, false)
	})
	return x.gw.place.Go("call", func() {
		ctx, cancel := x.gw.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		x.gw.node.Call(ctx, name, nil, node.CallOptions{})
	})
}

// back lets a client come back from a new place and demands that it is there
// at once, with what it provides.
func (x *identity) back(id string, n int) *attached {
	s := x.s
	begun := s.Runtime().Now()
	c := x.client(id, client.Config{})
	err := c.attach()
	took := s.Runtime().Now().Sub(begun)
	s.Check(err == nil && took <= 20*hop+s.Slack(), propTakeover, "return %d took %v: %v", n+1, took, err)
	s.Check(x.sessions(c.id) == 1, propOne, "%d sessions", x.sessions(c.id))
	err = c.provide(id, echo, 0, false)
	s.Check(err == nil, propTakeover, "it cannot advertise: %v", err)
	wantFound(s, x.gw, id, true, propTakeover)
	s.Eventually(time.Second, propOne, func() bool { return x.gw.place.Conns() == x.gw.node.Status().Clients.Attached+1 })
	return c
}

const (
	propTurns  = "an id changes hands so often a minute at most"
	propSecond = "who comes second is told that the id is in use"
)

// twoHolders starts two machines with one key, again and again: clients first,
// then nodes. After a few turns one of them stays, and is served.
func (x *identity) twoHolders() {
	s := x.s
	over, done := false, false
	watch := s.Go("turns", func() { x.countTurns(&done) })
	told, served := 0, 0
	var jobs []*scenario.Job
	for range 2 {
		jobs = append(jobs, s.Go("holder", func() {
			for !over {
				c := x.client("holder", client.Config{})
				if err := c.attach(); err != nil {
					s.Check(fault.KindOf(err) == fault.Superseded, propSecond, "%v", err)
					if fault.RetryAfter(err) > 0 { // else it was let in, and thrown out at once
						told++
					}
				} else {
					for !over && !c.client.Over().Fired() {
						s.Sleep(time.Second)
						if _, err := x.gw.call("by.holder", nil, time.Second, false); err == nil {
							served++
						}
						c.provide("by.holder", echo, 0, false)
					}
				}
				c.close()
				s.Sleep(2 * time.Second)
			}
		}))
	}
	s.Sleep(2 * time.Minute)
	over = true
	for _, j := range jobs {
		j.Wait()
	}
	s.Check(told > 0, propSecond, "nobody was")
	s.Check(served > 60, "who has the id is served", "%d calls of 120 were answered", served)
	x.twinNodes()
	done = true
	watch.Wait()
	s.Factf("%d times the second holder was told; %d calls served; %d takeovers among clients, %d among nodes",
		told, served, x.gw.node.Status().Clients.Superseded, x.gw.node.Status().Pool.Superseded)
}

// twinNodes starts two nodes with one key, which both connect to the gateway
// for ever.
func (x *identity) twinNodes() {
	s := x.s
	var twins []*member
	for i := range 2 {
		place := fmt.Sprintf("twin-%d", i)
		s.SetLink(x.gw.place, s.Place(place), x.link)
		twins = append(twins, startMemberAs(s, place, "twin", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "gateway")}}, false))
	}
	s.Sleep(2 * time.Minute)
	n := len(connections(x.gw, twins[0]))
	s.Check(n == 1, "one of two nodes with one key is connected", "%d connections", n)
}

// countTurns looks every second how often an id has changed hands in the last
// minute.
func (x *identity) countTurns(done *bool) {
	s := x.s
	var seen [][2]uint64
	for !*done {
		st := x.gw.node.Status()
		seen = append(seen, [2]uint64{st.Clients.Superseded, st.Pool.Superseded})
		last := seen[len(seen)-1]
		for k, what := range []string{"client", "node"} {
			turns := last[k] - seen[0][k]
			s.Check(turns <= uint64(x.takeovers), propTurns, "that of a %s %d times in a minute, want %d", what, turns, x.takeovers)
		}
		if len(seen) == 60 { // a minute
			seen = seen[1:]
		}
		s.Sleep(time.Second)
	}
}

// names of the services of an act.
func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s.%d", prefix, i)
	}
	return slices.Clip(out)
}

// agree demands after every event of the gateway that all its indices agree:
// no other event can change them.
func (x *identity) agree(property string) {
	running := x.gw.node
	x.gw.place.Always(property, func() error {
		if x.gw.node != running {
			return nil
		}
		return running.Audit()
	})
}

const propAgree = "all indices agree after every event"

// leaveWhileUpdating lets clients leave in the middle of changing what they
// provide, with calls to it in flight, in four ways. The peer that has to
// hear of it loses its connection in about that moment.
func (x *identity) leaveWhileUpdating() {
	s := x.s
	x.agree(propAgree)
	rnd := s.Rand("leave while updating")
	for round := range s.Int("rounds") {
		id := fmt.Sprintf("updater-%d", round)
		c := x.client(id, client.Config{NoReconnect: true})
		s.Check(c.attach() == nil, "a client attaches", "it does not")
		names := numbered(id, 12)
		jobs := []*scenario.Job{x.churn(c, names, 0), x.churn(c, names, 1)}
		for _, name := range names[:4] {
			jobs = append(jobs, x.gw.place.Go("call", func() {
				for range 20 {
					ctx, cancel := x.gw.place.Runtime().WithTimeout(context.Background(), time.Second)
					x.gw.node.Call(ctx, name, nil, node.CallOptions{Idempotent: true})
					cancel()
				}
			}))
		}
		s.Sleep(time.Duration(20+rnd.IntN(40)) * hop / 2)
		x.goes(c, names[rnd.IntN(4)], round)
		s.Sleep(time.Duration(rnd.IntN(4)) * hop / 2)
		s.Kill(x.gw.place, x.behind.place)
		for _, j := range jobs {
			j.Wait()
		}
		s.Sleep(idle + time.Second)
		x.nothingOf(c)
	}
}

// goes ends a client in the way that is its turn.
func (x *identity) goes(c *attached, name string, round int) {
	s := x.s
	switch round % 4 {
	case 0:
		c.crash()
	case 1:
		s.KillAfter(c.place, x.gw.place, int64(1+s.Rand("bytes").IntN(100)))
	case 2: // superseded by one that provides a part of it, and leaves too
		again := newClient(s, c.place.Name()+"-again", c.place.Name()[:len(c.place.Name())-2], client.Config{NoReconnect: true}, x.gw)
		again.id = c.id
		s.SetLink(x.gw.place, again.place, x.link)
		again.attach()
		again.provide(name, echo, 0, false)
		again.close()
	case 3:
		c.close()
	}
}

// churn advertises and withdraws, without waiting for one before the next.
func (x *identity) churn(c *attached, names []string, from int) *scenario.Job {
	k := c.client
	return c.place.Go("churn", func() {
		r := c.place.Runtime()
		for i := range 60 {
			ctx, cancel := r.WithTimeout(context.Background(), time.Second)
			svc, err := k.Advertise(ctx, names[(from+i*5)%len(names)], echo, 0, false)
			cancel()
			if err != nil {
				if k.Over().Fired() || !k.Attached() {
					return
				}
				continue
			}
			rt.Sleep(context.Background(), r, time.Duration(r.Rand("churn").Int64N(int64(hop))))
			if i%3 > 0 {
				svc.Withdraw()
			}
		}
	})
}

// nothingOf demands that nothing is left of a client.
func (x *identity) nothingOf(c *attached) {
	s := x.s
	for _, m := range x.nodes {
		for _, e := range m.node.Services() {
			s.Check(e.Provider != c.id, "nothing is left of a client that has left", "%s knows its %s", m.place.Name(), e.Name)
		}
		st := m.node.Status()
		s.Check(st.Caller.InFlight == 0 && st.Server.Running == 0, "nothing is left of a client that has left", "%d calls, %d handlers at %s", st.Caller.InFlight, st.Server.Running, m.place.Name())
	}
	s.Check(x.sessions(c.id) == 0, "nothing is left of a client that has left", "a session")
}
