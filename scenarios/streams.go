package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func leavingSystem() *scenario.System {
	return &scenario.System{
		Name:  "leaving",
		Shows: "clients with calls in flight both ways, at a gateway with a provider behind it",
		Params: []scenario.Param{
			{Name: "clients", Default: "10", Least: "1", Doc: "clients that leave"},
		},
		Requests: []plan.Verb{
			act("leave", "the clients leave in five ways: their streams, services and calls leave with them, on both sides"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"leave": func() { leaveAll(s) }})
		},
	}
}

// The ways in which a client can leave.
var leaveNames = [...]string{"closes", "crashes", "loses its connection", "is superseded", "is cut off"}

func leaveAll(s *scenario.Stage) {
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "gateway", "provider")
	gw, prov := nodes[0], nodes[1]
	waits := waiting(prov.place)
	prov.provideWith("wait", node.AdvertiseOptions{}, waits)
	s.Sleep(4 * hop)
	base := gw.place.Streams()
	count := s.Int("clients")
	clients := make([]*attached, count)
	for i := range clients {
		clients[i] = busyClient(s, gw, i)
	}
	s.Eventually(5*time.Second, "every client has calls in flight both ways", func() bool {
		// The gateway runs one forwarding handler for each, and the provider
		// the call itself.
		return gw.node.Status().Server.Running >= count && prov.node.Status().Server.Running == count
	})
	s.Check(gw.place.Streams() > base, "the clients have streams", "%d streams at the gateway", gw.place.Streams())
	for i, c := range clients {
		leave(s, gw, c, i)
	}
	s.Sleep(idle + 5*time.Second)
	gone(s, gw, prov, clients)
	after, stay := gw.place.Streams(), 2*survivors(count)
	s.Peak("streams left behind", 0, max(0, after-base-stay))
	s.Check(after <= base+stay, "no stream of a client that left is held", "%d streams at the gateway, %d before the clients came", after, base)
	for i := 3; i < count; i += len(leaveNames) {
		wantFound(s, gw, fmt.Sprintf("client-%d-again", i), true, "a newer session keeps what it provides")
	}
	s.Factf("%d clients left in %d ways; %d streams before, %d after, up to %d of them of newer sessions that stay", count, len(leaveNames), base, after, stay)
}

// survivors is how many sessions are left: one for each that was superseded.
func survivors(count int) int { return (count + 1) / len(leaveNames) }

// waiting returns a handler that waits until its context ends.
func waiting(p *scenario.Place) node.Handler {
	return func(ctx context.Context, _ *node.Request) ([]byte, error) {
		return nil, p.Runtime().NewParker().Park(ctx)
	}
}

// busyClient attaches a client that provides a service which is being called,
// and has a call of its own in flight. Every other one calls with a body that
// takes a stream of its own.
func busyClient(s *scenario.Stage, gw *member, i int) *attached {
	name := fmt.Sprintf("client-%d", i)
	s.SetLink(gw.place, s.Place(name), scenario.Link{Latency: hop})
	c := newClient(s, name, name, client.Config{NoReconnect: true}, gw)
	err := c.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	err = c.provide(name, waiting(c.place), 0, false)
	s.Check(err == nil, "a client advertises", "%v", err)
	body := make([]byte, 64)
	if i%2 == 1 {
		body = make([]byte, 40<<10)
	}
	k := c.client
	c.place.Go("call", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		_, err := k.Call(ctx, "wait", body, false)
		s.Check(err != nil, "a call of a client that left does not succeed", "it did")
	})
	gw.place.Go("call", func() {
		ctx, cancel := gw.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		_, err := gw.node.Call(ctx, name, body, node.CallOptions{})
		s.Check(err != nil, "a call of a client that left does not succeed", "it did")
	})
	return c
}

// leave lets client i go in the way that is its turn.
func leave(s *scenario.Stage, gw *member, c *attached, i int) {
	switch i % len(leaveNames) {
	case 0:
		c.close()
	case 1:
		c.crash()
	case 2:
		s.Check(s.Kill(gw.place, c.place) > 0, "there is a connection to lose", "none")
	case 3:
		again := newClient(s, c.place.Name()+"-again", c.place.Name(), client.Config{NoReconnect: true}, gw)
		s.SetLink(gw.place, again.place, scenario.Link{Latency: hop})
		c.chatter()
		err := again.attach()
		s.Check(err == nil, "a newer session attaches", "%v", err)
		err = again.provide(again.place.Name(), echo, 0, false)
		s.Check(err == nil, "a newer session advertises", "%v", err)
	case 4:
		s.Cut(gw.place, c.place)
		s.Cut(c.place, gw.place)
	}
}

// chatter lets a client advertise again and again while it is superseded.
func (c *attached) chatter() {
	k := c.client
	for i := range 20 {
		c.place.Go("advertise", func() {
			r := c.place.Runtime()
			rt.Sleep(context.Background(), r, time.Duration(i)*hop/4)
			ctx, cancel := r.WithTimeout(context.Background(), time.Second)
			defer cancel()
			k.Advertise(ctx, fmt.Sprintf("%s.late.%d", c.place.Name(), i), echo, 0, false)
		})
	}
}

// gone demands that nothing is left of the clients.
func gone(s *scenario.Stage, gw, prov *member, clients []*attached) {
	st := gw.node.Status()
	s.Check(st.Clients.Attached == survivors(len(clients)), "clients that left are gone", "%d are attached, want %d", st.Clients.Attached, survivors(len(clients)))
	s.Check(st.Server.Running == 0, "handlers of callers that left are over", "%d run at the gateway", st.Server.Running)
	s.Check(st.Caller.InFlight == 0, "calls to clients that left are over", "%d are in flight", st.Caller.InFlight)
	s.Check(prov.node.Status().Server.Running == 0, "handlers of callers that left are over", "%d run at the provider", prov.node.Status().Server.Running)
	for i := range clients {
		wantFound(s, gw, fmt.Sprintf("client-%d", i), false, "a client that leaves takes its services along")
	}
}

func deathSystem() *scenario.System {
	return &scenario.System{
		Name:  "death",
		Shows: "a caller, and a provider whose handler waits and notes when its context ended",
		Params: []scenario.Param{
			{Name: "rounds", Default: "20", Least: "1", Doc: "rounds of the race between a reply and a cancellation"},
		},
		Requests: []plan.Verb{
			act("gives-up", "the caller is cancelled, or runs out of time, again and again: nothing is held"),
			act("cannot-be-heard", "the caller is cut off: the provider keeps the deadlines too"),
			act("dies-behind-gateway", "a client of the caller's node cancels, closes or crashes, two hops away"),
			act("loses-its-connection", "the connection breaks, and the nodes find each other again"),
			act("race", "a cancellation meets the reply, again and again"),
			act("crashes", "the caller's machine crashes and comes back"),
		},
		Open: openDeath,
	}
}

// watch is a service whose handler waits for its context and notes when it
// ended.
type watch struct {
	m     *member
	begun *rt.Queue[time.Duration]
	ended *rt.Queue[time.Duration]
}

func newWatch(s *scenario.Stage, m *member, name string) *watch {
	r := m.place.Runtime()
	w := &watch{m: m, begun: rt.NewQueue[time.Duration](r, 64), ended: rt.NewQueue[time.Duration](r, 64)}
	now := func() time.Duration { return s.Runtime().Now().Sub(0) }
	m.provideWith(name, node.AdvertiseOptions{}, func(ctx context.Context, _ *node.Request) ([]byte, error) {
		w.begun.TryPut(now())
		err := r.NewParker().Park(ctx)
		w.ended.TryPut(now())
		return nil, err
	})
	return w
}

func openDeath(s *scenario.Stage) *scenario.Subject {
	stage(s)
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "caller", "provider")
	a, p := nodes[0], nodes[1]
	w := newWatch(s, p, "watch")
	s.Sleep(4 * hop)
	return acts(map[string]func(){
		"gives-up":            func() { w.givesUp(s, a) },
		"cannot-be-heard":     func() { w.cannotBeHeard(s, a) },
		"dies-behind-gateway": func() { w.diesBehindGateway(s, a) },
		"loses-its-connection": func() {
			w.dies(s, a, "loses its connection", 64, hop, func(func()) { s.Kill(a.place, p.place) })
			s.Eventually(time.Minute, "the nodes find each other again", func() bool { return converged(nodes) })
		},
		"race": func() { race(s, a, p) },
		"crashes": func() {
			w.dies(s, a, "crashes", 64, idle+hop, func(func()) { a.crash() })
			s.Eventually(idle+5*time.Second, "the provider gives the connection up", func() bool { return p.peers() == 0 })
			a.restart()
			s.Eventually(time.Minute, "a caller that restarts is back", func() bool { return converged(nodes) })
		},
	})
}

// givesUp lets callers go in the two ways that they have themselves.
func (w *watch) givesUp(s *scenario.Stage, a *member) {
	p := w.m
	held := 0
	for round := range 3 {
		for _, size := range []int{64, 40 << 10} { // on the shared stream, and on one of its own
			w.dies(s, a, "is cancelled", size, hop, func(cancel func()) { a.place.Do("cancel", cancel) })
			w.dies(s, a, "runs into its deadline", size, hop, nil)
		}
		s.Sleep(4*hop + s.Slack())
		before := held
		held = len(a.place.Leaks()) + len(p.place.Leaks())
		s.Check(round == 0 || held == before, "nothing is held after a call", "%d tasks, timers and contexts, %d after as many calls more", before, held)
	}
}

// dies makes a call, ends its caller in some way, and measures.
func (w *watch) dies(s *scenario.Stage, a *member, how string, size int, within time.Duration, end func(cancel func())) {
	r := a.place.Runtime()
	n := a.node
	var returned time.Duration
	now := func() time.Duration { return s.Runtime().Now().Sub(0) }
	timeout := time.Hour
	if end == nil {
		timeout = 200 * time.Millisecond
	}
	ctx, cancel := r.WithTimeout(context.Background(), timeout)
	job := a.place.Go("call", func() {
		_, err := n.Call(ctx, "watch", make([]byte, size), node.CallOptions{})
		returned = now()
		s.Check(err != nil, "a caller that dies gets no answer", "it got one")
	})
	w.begun.Get(context.Background())
	at := now()
	if end == nil {
		r.NewParker().Park(ctx)
		at = now()
	} else {
		s.Sleep(50 * time.Millisecond)
		at = now()
		end(cancel)
	}
	job.Wait()
	if a.node == n {
		s.Check(returned-at <= s.Slack() || how == "loses its connection", "a caller is free at once", "a caller that %s was free %v later", how, returned-at)
		st := n.Status().Caller
		held := callsHeld(n)
		s.Check(st.InFlight == 0 && held == 0, "a caller is free at once", "%d calls are in flight, links hold %d", st.InFlight, held)
	}
	ended, _ := w.ended.Get(context.Background())
	s.Check(ended-at <= within+time.Millisecond+s.Slack(), "the handler's context ends in time", "the caller %s, and the handler was told %v later, want %v", how, ended-at, within)
	cancel()
	s.Eventually(time.Second, "the permit is given back", func() bool { return w.m.node.Status().Server.Running == 0 })
}

// cannotBeHeard cuts a caller off whose calls have deadlines: the provider
// keeps them too.
func (w *watch) cannotBeHeard(s *scenario.Stage, a *member) {
	const ms = time.Millisecond
	type span struct{ begun, timeout time.Duration }
	var calls []span
	for _, timeout := range []time.Duration{500 * ms, 300 * ms, 400 * ms} {
		a.place.Go("call", func() {
			ctx, cancel := a.place.Runtime().WithTimeout(context.Background(), timeout)
			defer cancel()
			a.node.Call(ctx, "watch", nil, node.CallOptions{})
		})
		begun, _ := w.begun.Get(context.Background())
		calls = append(calls, span{begun, timeout})
	}
	s.Cut(a.place, w.m.place)
	s.Cut(w.m.place, a.place)
	for _, c := range []span{calls[1], calls[2], calls[0]} {
		ended, _ := w.ended.Get(context.Background())
		s.Check(ended-c.begun <= c.timeout+s.Slack(), "the handler's context ends in time", "the caller cannot be heard, and the handler ran for %v of %v", ended-c.begun, c.timeout)
	}
	s.HealAll()
	s.Sleep(2 * time.Second) // until what was lost is sent again
}

// diesBehindGateway lets a client of the caller's node die: two hops away.
func (w *watch) diesBehindGateway(s *scenario.Stage, gw *member) {
	for _, how := range []string{"cancels", "closes", "crashes"} {
		name := "client-" + how
		s.SetLink(gw.place, s.Place(name), scenario.Link{Latency: hop})
		c := newClient(s, name, name, client.Config{NoReconnect: true}, gw)
		err := c.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
		r := c.place.Runtime()
		ctx, cancel := r.WithTimeout(context.Background(), time.Hour)
		k := c.client
		c.place.Go("call", func() { k.Call(ctx, "watch", nil, false) })
		w.begun.Get(context.Background())
		s.Sleep(50 * time.Millisecond)
		at := s.Runtime().Now().Sub(0)
		within := 2 * hop
		switch how {
		case "cancels":
			c.place.Do("cancel", cancel)
		case "closes":
			c.close()
		case "crashes":
			c.crash()
			within = idle + 2*hop
		}
		ended, _ := w.ended.Get(context.Background())
		s.Check(ended-at <= within+time.Millisecond+s.Slack(), "the handler's context ends in time", "a client %s, and the handler was told %v later, want %v", how, ended-at, within)
		s.Eventually(time.Second, "the permit is given back", func() bool {
			return w.m.node.Status().Server.Running == 0 && gw.node.Status().Server.Running == 0
		})
		if how != "crashes" {
			cancel()
			c.close()
		}
	}
}

// race lets a cancellation meet the reply, again and again: the call has one
// end, and nothing is held after it.
func race(s *scenario.Stage, a, p *member) {
	p.provide("echo", node.AdvertiseOptions{})
	s.Sleep(4 * hop)
	r := a.place.Runtime()
	for range s.Int("rounds") {
		ctx, cancel := r.WithCancelCause(context.Background())
		timed, stop := r.WithTimeout(ctx, time.Second)
		ends := 0
		job := a.place.Go("call", func() {
			a.node.Call(timed, "echo", nil, node.CallOptions{})
			ends++
		})
		// The reply needs two hops, and the cancellation comes in that instant.
		s.Sleep(2 * hop)
		a.place.Do("cancel", func() { cancel(nil) })
		job.Wait()
		stop()
		s.Check(ends == 1, "a call has exactly one end", "%d", ends)
	}
	s.Sleep(4*hop + s.Slack())
	s.Peak("calls left behind", 0, a.node.Status().Caller.InFlight+p.node.Status().Server.Running)
	s.Check(a.node.Status().Caller.InFlight == 0 && p.node.Status().Server.Running == 0, "nothing is held after a call",
		"%d calls, %d handlers", a.node.Status().Caller.InFlight, p.node.Status().Server.Running)
}
