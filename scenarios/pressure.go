package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func pressureSystem() *scenario.System {
	return &scenario.System{
		Name:  "pressure",
		Shows: "a hub that is told how much memory it uses, with idle peers, clients, and calls in flight",
		Params: []scenario.Param{
			{Name: "peers", Default: "16", Least: "8", Doc: "peers that are connected to the hub"},
			{Name: "clients", Default: "12", Least: "8", Doc: "the limit of clients; two thirds of as many are attached"},
		},
		Requests: []plan.Verb{
			act("rises-and-falls", "the memory in use goes up level by level, stays, and falls again"),
			act("swings", "the memory in use swings around a threshold for minutes"),
			act("keepers-wait", "the pressure is high for minutes, and peers whose connections are closed want them back"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			p := openPressed(s)
			return acts(map[string]func(){"rises-and-falls": p.risesAndFalls, "swings": p.swings, "keepers-wait": p.keepersWait})
		},
	}
}

const (
	propThrown = "nobody who is attached is thrown out under pressure"
	propBusy   = "no connection in use is closed under pressure"
	propTight  = "each level of pressure does what it says"
	propRelax  = "when the pressure is over everything is as before"
	propFlap   = "a load that swings around a threshold does not make the level swing"
	propWait   = "a peer whose connection was closed under pressure does not come back at once"
	propStep   = "a level is left one at a time, and not before its time"
)

// pressed is a hub under a load that the story decides.
type pressed struct {
	s       *scenario.Stage
	hub     *member
	peers   []*member
	clients []*attached // of the hub, in the order in which they came
	limit   int
	share   float64 // of the memory that is in use
	noise   float64 // as much more or less, drawn for each sample
	came    int     // clients that have been made
	was     node.Pressure
}

// pressedLimit is the memory of the hub.
const pressedLimit = 1 << 30

func openPressed(s *scenario.Stage) *pressed {
	p := &pressed{s: s, limit: s.Int("clients"), share: 0.3}
	s.Place("hub")
	cfg := node.Config{CleanupInterval: 10 * time.Second}
	for i := range s.Int("peers") {
		name := fmt.Sprintf("peer-%d", i)
		s.Place(name)
		cfg.Peers = append(cfg.Peers, idOf(s, name))
	}
	s.SetLinks(scenario.Link{Latency: hop})
	// An eighth of the places for the idle ones is fewer than there are.
	cfg.Pool.Cap, cfg.Clients.Limit = s.Int("peers")+4, p.limit
	p.hub = startLoaded(s, "hub", cfg, p.sample)
	p.hub.provideWith("hold", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, rt.Sleep(ctx, p.hub.place.Runtime(), time.Duration(req.Body[0])*time.Second)
	})
	for i := range s.Int("peers") {
		m := startPeer(s, fmt.Sprintf("peer-%d", i), node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
		p.peers = append(p.peers, m)
	}
	s.Eventually(10*time.Second, "the peers connect and hear of each other", func() bool {
		for _, m := range p.peers {
			if !m.lists("hold") {
				return false
			}
		}
		return p.hub.peers() == len(p.peers)
	})
	for _, m := range p.peers { // from now on nobody keeps the connections, and nobody dials
		m.place.Do("let go", func() {
			err := m.node.SetPeers(nil, nil, true)
			s.Check(err == nil, "a list can be emptied", "%v", err)
		})
	}
	for range 2 * p.limit / 3 {
		err := p.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
	}
	s.Always(propThrown, p.kept)
	s.Always(propStep, p.steps)
	return p
}

// startLoaded is startNode for a node that is told what it uses.
func startLoaded(s *scenario.Stage, name string, cfg node.Config, load func() pressure.Sample) *member {
	m := &member{s: s, watched: true, place: s.Place(name), id: idOf(s, name), cfg: cfg, load: load}
	m.cfg.Realm, m.cfg.Ledger.Strict = realm, true
	m.start()
	s.Defer(m.stop)
	return m
}

// sample is what the hub is told.
func (p *pressed) sample() pressure.Sample {
	share := p.share + p.noise*(2*p.s.Rand("load").Float64()-1)
	return pressure.Sample{Used: int64(share * pressedLimit), Limit: pressedLimit}
}

// attach lets another client come and keeps it if it gets in.
func (p *pressed) attach() error {
	name := fmt.Sprintf("client-%d", p.came)
	p.came++
	p.s.SetLink(p.hub.place, p.s.Place(name), scenario.Link{Latency: hop})
	c := newClient(p.s, name, name, client.Config{NoReconnect: true}, p.hub)
	err := c.attach()
	if err == nil {
		p.clients = append(p.clients, c)
	}
	return err
}

// kept says which client has lost its session.
func (p *pressed) kept() error {
	for i, c := range p.clients {
		if k := c.client; k != nil && k.Over().Fired() {
			return fmt.Errorf("client %d was attached and is not any more: %v", i, k.Err())
		}
	}
	return nil
}

// steps says when a level was left by more than one, or too soon.
func (p *pressed) steps() error {
	if p.hub.node == nil {
		return nil
	}
	now := p.hub.node.Pressure()
	was := p.was
	p.was = now
	if now.Level < was.Level && (was.Level-now.Level > 1 || now.Since.Sub(was.Since) < pressure.Config{}.WithDefaults().Fall) {
		return fmt.Errorf("from %v to %v after %v", was.Level, now.Level, now.Since.Sub(was.Since))
	}
	return nil
}

// level waits until the hub is under so much pressure.
func (p *pressed) level(share float64, want pressure.Level, within time.Duration) {
	p.share = share
	p.s.Eventually(within, propTight, func() bool { return p.hub.node.Pressure().Level == want })
}

// turnedAway demands that a client that comes is refused with a time to come
// back.
func (p *pressed) turnedAway() {
	before := p.hub.node.Status().Clients.RefusedPressure
	err := p.attach()
	after := p.hub.node.Status().Clients.RefusedPressure
	p.s.Check(fault.KindOf(err) == fault.Overload && fault.RetryAfter(err) > 0, propTight, "a client too many: %v", err)
	p.s.Sometimes("refused under pressure", after > before)
}

func (p *pressed) risesAndFalls() {
	s, n := p.s, p.hub.node
	configured := n.Limits()
	const rise = 5 * time.Second
	var held []*scenario.Job
	for _, m := range p.peers[:3] {
		held = append(held, m.place.Go("hold", func() { p.hold(m) }))
	}
	s.Sleep(time.Duration(s.Rand("start").Int64N(int64(2 * time.Second))))

	p.level(0.75, pressure.Elevated, rise)
	for len(p.clients) < (3*p.limit+3)/4 {
		err := p.attach()
		s.Check(err == nil, propTight, "a client within three quarters of the limit is refused: %v", err)
	}
	p.turnedAway()
	s.Check(p.hub.peers() == len(p.peers) && n.NotReady() == "", propTight, "elevated: %d peers of %d, %q", p.hub.peers(), len(p.peers), n.NotReady())

	p.level(0.85, pressure.High, rise)
	p.turnedAway()
	few := max(configured.Peers/8, 1)
	s.Eventually(5*time.Second, "under high pressure few idle connections are left", func() bool {
		st := n.Status().Pool
		return st.Open-st.InUse <= few && st.Closing == 0
	})
	st := n.Status().Pool
	s.Check(st.InUse == 3 && st.Open == 3+few, propBusy, "%d in use of 3, %d open", st.InUse, st.Open)
	now := n.Acting()
	s.Check(now.IdleAfter < configured.IdleAfter && now.TTL == configured.TTL/2 && now.Peers == configured.Peers, propTight, "acting is %+v", now)

	p.level(0.95, pressure.Critical, rise)
	p.turnedAway()
	s.Check(n.NotReady() != "" && n.Acting().Clients == 0, propTight, "critical, and ready: acting is %+v", n.Acting())
	p.comesBack()

	p.level(0.3, pressure.Normal, time.Minute)
	now = n.Acting()
	s.Check(now.Clients == configured.Clients && now.IdleAfter == configured.IdleAfter && now.TTL == configured.TTL && n.NotReady() == "", propRelax, "acting is %+v", now)
	for len(p.clients) < p.limit {
		err := p.attach()
		s.Check(err == nil, propRelax, "a client is refused: %v", err)
	}
	err := p.attach()
	s.Check(fault.KindOf(err) == fault.Overload, "the configured limit counts again", "one more: %v", err)
	for _, j := range held {
		j.Wait()
	}
}

// hold holds a call at the hub for as long as the story needs.
func (p *pressed) hold(m *member) {
	_, err := m.call("hold", []byte{100}, 2*time.Minute, false)
	p.s.Check(err == nil, propBusy, "%v", err)
}

// comesBack lets a client that is attached come back over another connection.
func (p *pressed) comesBack() {
	old := p.clients[0]
	p.clients = p.clients[1:]
	name := old.place.Name()
	p.s.SetLink(p.hub.place, p.s.Place(name+"-again"), scenario.Link{Latency: hop})
	again := newClient(p.s, name+"-again", name, client.Config{NoReconnect: true}, p.hub)
	err := again.attach()
	p.s.Check(err == nil, "a client that is attached may come back under any pressure", "%v", err)
	p.clients = append(p.clients, again)
}

func (p *pressed) swings() {
	s, n := p.s, p.hub.node
	before := n.Pressure()
	s.Check(before.Level == pressure.Normal, propRelax, "it begins with %v", before.Level)
	p.noise = 0.03
	p.level(0.84, pressure.High, 5*time.Second)
	p.share = 0.79
	s.Sleep(5 * time.Minute)
	p.share, p.noise = 0.3, 0
	s.Eventually(time.Minute, propRelax, func() bool { return n.Pressure().Level == pressure.Normal })
	// Up in one step or two, and down in two.
	changes := n.Pressure().Changes - before.Changes
	s.Check(changes <= 4, propFlap, "the level has changed %d times", changes)
	s.Factf("%d changes of level in six minutes around a threshold", changes)
}

// keepersWait lets peers keep their connections to a hub that closes them.
func (p *pressed) keepersWait() {
	s, n := p.s, p.hub.node
	for _, m := range p.peers {
		m.place.Do("keep", func() {
			err := m.node.SetPeers([]node.Peer{peerOf(s, "hub")}, nil, true)
			s.Check(err == nil, "a list can be changed", "%v", err)
		})
	}
	s.Eventually(time.Minute, propRelax, func() bool { return p.hub.peers() == len(p.peers) })
	p.level(0.85, pressure.High, 5*time.Second)
	before := n.Status().Pool.Admitted
	s.Sleep(2 * time.Minute)
	came := n.Status().Pool.Admitted - before
	s.Check(came <= uint64(4*len(p.peers)), propWait, "%d peers came back %d times in two minutes", len(p.peers), came)
	p.level(0.3, pressure.Normal, time.Minute)
	s.Eventually(90*time.Second, propRelax, func() bool { return p.hub.peers() == len(p.peers) })
	s.Factf("%d peers came back %d times in two minutes of high pressure", len(p.peers), came)
}
