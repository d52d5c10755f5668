package churn_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/load/churn"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

const realm = "org.example.mesh"

// seats are simulated machines.
type seats struct{ s *scenario.Stage }

func (w seats) Runtime() rt.Runtime         { return w.s.Runtime() }
func (w seats) Seat(name string) churn.Seat { return seat{w.s.Place(name), w.s} }

type seat struct {
	*scenario.Place
	s *scenario.Stage
}

func (p seat) Enter(name string) (transport.Transport, transport.PeerID, error) {
	id := ident.Simulated(p.s.Seed(), name)
	return p.Transport(id, transport.Config{}), id, nil
}

func (p seat) Strike(func()) { p.Crash(); p.Restart() }

// gateway is the node under load.
type gateway struct {
	*node.Node
	id    transport.PeerID
	place *scenario.Place
}

// play runs a story with one node in a few worlds.
func play(t *testing.T, cfg node.Config, story func(t *testing.T, s *scenario.Stage, g *gateway)) {
	t.Helper()
	sc := &scenario.Scenario{Name: "test", Limit: 24 * time.Hour, Play: func(s *scenario.Stage) {
		g := &gateway{place: s.Place("node"), id: ident.Simulated(s.Seed(), "node")}
		cfg.Realm, cfg.OpenPeers = realm, true
		var err error
		g.Node, err = node.New(cfg, node.Deps{Runtime: g.place.Runtime(), Transport: g.place.Transport(g.id, transport.Config{}), ID: g.id})
		if err != nil {
			t.Error(err)
			return
		}
		g.place.Go("node", func() { g.Serve(context.Background()) })
		s.Eventually(time.Second, "it listens", g.Ready)
		story(t, s, g)
		g.place.Do("close", g.Close)
	}}
	for seed := range uint64(3) {
		res, err := scenario.Play(sc, scenario.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if !res.Held() {
			t.Errorf("seed %d: %v\n%v\n%v\n%s", seed, res.Failure, res.Failure.Waiting, res.Failure.Leaks, res.Failure.Stack)
		}
	}
}

// load starts one that comes at the node.
func (g *gateway) load(s *scenario.Stage, cfg churn.Config) *churn.Load {
	cfg.Realm, cfg.Nodes = realm, []client.Gateway{{ID: g.id, Addr: g.place.Addr()}}
	l := churn.Start(seats{s}, cfg)
	s.SetLinks(scenario.LAN())
	return l
}

func small() node.Config {
	var cfg node.Config
	cfg.Pool.Cap, cfg.Clients.Limit, cfg.Registry.PerOwner = 4, 6, 10
	return cfg
}

func TestEverybodyComesAndLeavesInEveryWay(t *testing.T) {
	play(t, small(), func(t *testing.T, s *scenario.Stage, g *gateway) {
		l := g.load(s, churn.Config{Clients: 9, Peers: 6, Hoard: 12, Stay: 20 * time.Second, Rate: 20})
		s.Sleep(5 * time.Minute)
		st := g.Status()
		l.Stop()
		c := l.Counts()
		for what, n := range map[string]int{
			"attached": c.Attached, "refused": c.Refused, "peers": c.Joined, "left": c.Left, "vanished": c.Vanished, "dropped": c.Dropped,
			"superseded": c.Superseded, "answered": c.Answered, "large": c.Large, "not found": c.NotFound, "cancelled": c.Cancelled,
			"deadline": c.Deadline, "lost": c.Lost, "advertised": c.Advertised, "withdrawn": c.Withdrawn, "left to expire": c.Expired, "services refused": c.Full,
		} {
			if n == 0 {
				t.Errorf("seed %d: none of %q in %+v", s.Seed(), what, c)
			}
		}
		if c.Wrong != 0 || c.Late != 0 || c.Struck != 0 {
			t.Errorf("%+v", c)
		}
		if st.Pool.Peak != 4 || st.Clients.Peak != 6 || st.Pool.Evicted == 0 {
			t.Errorf("the caps were not met: %+v %+v", st.Pool, st.Clients)
		}
		s.Sleep(2 * time.Minute) // who vanished is missed, and a name forgotten
		st = g.Status()
		if st.Clients.Attached+st.Pool.Open+st.Registry.Entries+st.Ledger.Leases != 0 {
			t.Errorf("left when everybody has: %+v %+v %+v %+v", st.Clients, st.Pool, st.Registry, st.Ledger)
		}
	})
}

func TestALoadThatIsStoppedAtOnceLeavesNothing(t *testing.T) {
	play(t, small(), func(t *testing.T, s *scenario.Stage, g *gateway) {
		l := g.load(s, churn.Config{Clients: 9, Peers: 6, Ramp: time.Second})
		s.Sleep(700 * time.Millisecond)
		begun := s.Runtime().Now()
		l.Stop()
		if took := s.Runtime().Now().Sub(begun); took > 45*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// The load itself must notice when something is not right.
func TestAWrongAnswerIsNoticed(t *testing.T) {
	play(t, node.Config{}, func(t *testing.T, s *scenario.Stage, g *gateway) {
		if _, err := g.Advertise("churn.shared", func(context.Context, *node.Request) ([]byte, error) { return []byte("no"), nil }, node.AdvertiseOptions{}); err != nil {
			t.Error(err)
		}
		l := g.load(s, churn.Config{Clients: 3, Peers: -1, Rate: 20})
		s.Sleep(time.Minute)
		l.Stop()
		if c := l.Counts(); c.Wrong == 0 || !strings.Contains(c.Saw, "churn.shared") {
			t.Errorf("%+v", c)
		}
	})
}
