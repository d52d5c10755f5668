package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func returnsSystem() *scenario.System {
	return &scenario.System{
		Name:  "returns",
		Shows: "nodes that restart together, and a gateway whose clients all come back to it at once",
		Params: []scenario.Param{
			{Name: "nodes", Default: "5", Least: "2", Doc: "nodes that restart"},
			{Name: "clients", Default: "80", Least: "12", Doc: "clients of the gateway"},
			{Name: "handshakes", Default: "8", Least: "2", Doc: "handshakes that the gateway takes part in at a time"},
		},
		Requests: []plan.Verb{
			act("mass-restart", "all nodes crash and come back within seconds, with their counters at the beginning"),
			act("gateway-returns", "a gateway goes, in good order or not, and comes back: all its clients return to it at once"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"mass-restart":    func() { massRestart(s) },
				"gateway-returns": func() { gatewayReturns(s) },
			})
		},
	}
}

// runs are nodes of which each provides a service that tells how often the node
// was started.
type runs struct {
	s     *scenario.Stage
	nodes []*member
	count []int
}

const (
	wordTTL      = 30 * time.Second // of what a node says of itself
	wordSoon     = 10 * time.Second // within which it is known again: a dial to one that was down meanwhile takes half of it
	propBelieved = "a node that restarted is known again soon, however far its earlier run had counted"
	propStays    = "a node that restarted stays known"
	propNewer    = "a call of a node that restarted is answered by its last run"
	propOver     = "what only an earlier run provided is gone when its time is over"
)

func massRestart(s *scenario.Stage) {
	m := &runs{s: s}
	var names []string
	for i := range s.Int("nodes") {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	m.nodes = meshOf(s, scenario.Link{Latency: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}, node.Config{}, names...)
	m.count = make([]int, len(m.nodes))
	rng := s.Rand("mass restart")
	for i, n := range m.nodes {
		for range rng.IntN(20) { // so that the numbers of the next run are below those of this one
			m.provide(i)
		}
		m.provide(i)
		n.provide(fmt.Sprintf("old.%d", i), node.AdvertiseOptions{TTL: wordTTL})
	}
	s.Eventually(wordSoon, "every node knows every provider", func() bool { return m.missing() == "" })
	var jobs []*scenario.Job
	for i, n := range m.nodes {
		first, away := time.Duration(rng.Int64N(int64(2*time.Second))), time.Duration(rng.Int64N(int64(3*time.Second)))
		jobs = append(jobs, s.Go("restart", func() {
			s.Sleep(first)
			n.crash()
			s.Sleep(away)
			n.restart()
			m.count[i]++
			m.provide(i)
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	back := s.Runtime().Now()
	s.Eventually(wordSoon, propBelieved, func() bool { return m.missing() == "" })
	m.stay(back)
}

// provide advertises the service of one node, once more if it does already.
func (m *runs) provide(i int) {
	n, run := m.nodes[i], byte(m.count[i])
	n.provideWith(fmt.Sprintf("run.%d", i), node.AdvertiseOptions{TTL: wordTTL}, func(context.Context, *node.Request) ([]byte, error) {
		return []byte{run}, nil
	})
}

// missing says who does not know whom.
func (m *runs) missing() string {
	for _, n := range m.nodes {
		for i := range m.nodes {
			if !n.lists(fmt.Sprintf("run.%d", i)) {
				return fmt.Sprintf("%s does not know n%d", n.place.Name(), i)
			}
		}
	}
	return ""
}

// lists reports whether a node knows a provider of a name.
func (m *member) lists(name string) bool {
	return slices.ContainsFunc(m.node.Services(), func(e node.ServiceInfo) bool { return e.Name == name })
}

// stay looks at what everybody knows for as long as the word of the earlier
// runs counts, and for as long again.
func (m *runs) stay(back mono.Time) {
	s := m.s
	for !back.Add(2 * wordTTL).Reached(s.Runtime().Now()) {
		s.Sleep(500 * time.Millisecond)
		missing := m.missing()
		s.Check(missing == "", propStays, "%s, %v after the last one was back", missing, s.Runtime().Now().Sub(back))
	}
	for _, n := range m.nodes {
		for i := range m.nodes {
			answer, err := n.call(fmt.Sprintf("run.%d", i), nil, 5*time.Second, false)
			s.Check(err == nil && len(answer) == 1 && int(answer[0]) == m.count[i], propNewer, "%s calls n%d: %v, %v", n.place.Name(), i, answer, err)
			old := fmt.Sprintf("old.%d", i)
			s.Check(!n.lists(old), propOver, "%s still knows %s", n.place.Name(), old)
		}
	}
}

// knocks is a transport that notes the dials of a client.
type knocks struct {
	transport.Transport
	s    *scenario.Stage
	at   []mono.Time    // of each dial since the last forget
	last transport.Conn // of the last dial that led to one
	told mono.Time      // until when its refusal has told to stay away; zero when it has not
}

const (
	propTold   = "a client that is refused is told when to come back"
	propSooner = "nobody comes back before the time that it was told"
	propSpread = "clients that lost their gateway in the same moment do not return in the same moment"
	propFew    = "a client tries a few times until it is back"
	propBack   = "every client is attached again soon after its gateway is back"
	propKeeps  = "no client that is attached is dropped because others return"
)

// Dial implements transport.Transport.
func (k *knocks) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	now := k.s.Runtime().Now()
	k.look(now)
	k.s.Check(k.told.IsZero() || k.told.Reached(now), propSooner, "%v too early", k.told.Sub(now))
	k.told = 0
	k.at = append(k.at, now)
	conn, err := k.Transport.Dial(ctx, addr, want)
	k.last = conn
	if err == nil {
		// The refusal is noted when it arrives.
		k.s.Place(knockDoor).Runtime().AfterDone(conn.Context(), func() { k.look(k.s.Runtime().Now()) })
	}
	return conn, err
}

// knockDoor is the place that waits for the ends of connections.
const knockDoor = "door"

// look takes note of a refusal.
func (k *knocks) look(now mono.Time) {
	if k.last == nil {
		return
	}
	var c *transport.CloseError
	if errors.As(context.Cause(k.last.Context()), &c) && c.Remote {
		k.last = nil
		if f := wire.ParseRefusal(c.Code, c.Reason); f.Kind == fault.Overload {
			k.s.Mark("refused while returning")
			k.s.Check(f.RetryAfter > 0, propTold, "%v", f)
			k.told = now.Add(f.RetryAfter)
		}
	}
}

func gatewayReturns(s *scenario.Stage) {
	cfg := node.Config{Handshakes: s.Int("handshakes"), DrainTimeout: 5 * time.Second}
	gw := startNode(s, "gateway", cfg)
	s.Place(knockDoor)
	count := s.Int("clients")
	all := make([]*knocks, count)
	clients := make([]*attached, count)
	for i := range clients {
		clients[i], all[i] = knockingClient(s, fmt.Sprintf("client-%02d", i), gw)
	}
	var jobs []*scenario.Job
	for i, c := range clients {
		jobs = append(jobs, c.place.Go("attach", func() {
			rt.Sleep(context.Background(), c.place.Runtime(), time.Duration(i)*5*time.Millisecond)
			for c.attach() != nil {
				rt.Sleep(context.Background(), c.place.Runtime(), time.Second)
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	for _, k := range all {
		k.at = nil
	}
	away := time.Duration(s.Rand("gateway").Int64N(int64(4 * time.Second)))
	if s.Rand("gateway").IntN(2) == 0 {
		gw.crash()
		// Everybody has lost it in the same moment, when their connections say so.
		s.Sleep(away)
		gw.restart()
	} else {
		gw.drain()
		s.Sleep(away)
		gw.start()
	}
	back := func() int {
		n := 0
		for _, c := range clients {
			if c.client.Attached() {
				n++
			}
		}
		return n
	}
	s.Eventually(idle+30*time.Second, propBack, func() bool { return back() == count && gw.node.Status().Clients.Attached == count })
	st := gw.node.Status().Clients
	s.Check(st.Left == 0 && st.Superseded == 0, propKeeps, "%d left and %d were superseded of %d", st.Left, st.Superseded, count)
	spread(s, all)
}

// spread demands of the dials that followed the loss of the gateway that they
// were few, and not all at a time.
func spread(s *scenario.Stage, all []*knocks) {
	var at []mono.Time
	total := 0
	for i, k := range all {
		s.Check(len(k.at) > 0 && len(k.at) <= 12, propFew, "client %d dialled %d times", i, len(k.at))
		at = append(at, k.at...)
		total += len(k.at)
	}
	slices.Sort(at)
	most, from := 0, 0
	for i := range at {
		for at[i].Sub(at[from]) > 10*time.Millisecond {
			from++
		}
		most = max(most, i-from+1)
	}
	s.Peak("clients that return within 10 ms", len(all)/4, most)
	s.Check(most <= len(all)/4, propSpread, "%d of %d dialled within 10 ms", most, len(all))
	s.Factf("%d clients came back with %d dials, at most %d of them within 10 ms", len(all), total, most)
}

// knockingClient is a client whose dials are noted.
func knockingClient(s *scenario.Stage, name string, gw *member) (*attached, *knocks) {
	c := &attached{s: s, place: s.Place(name), id: idOf(s, name)}
	s.SetLink(gw.place, c.place, scenario.Link{Latency: 5 * time.Millisecond, Jitter: time.Millisecond})
	c.trans = c.place.Transport(c.id, transport.Config{})
	k := &knocks{Transport: c.trans, s: s}
	var err error
	c.client, err = client.New(client.Config{Realm: realm, Gateways: []client.Gateway{{ID: gw.id, Addr: gw.place.Addr()}}},
		client.Deps{Runtime: c.place.Runtime(), Transport: k, ID: c.id, Log: c.place.Logger(), Mark: s.Mark})
	s.Check(err == nil, "a client can be built", "%v", err)
	s.Defer(c.close)
	return c, k
}
