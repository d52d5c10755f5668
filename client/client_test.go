package client_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

const realm = "org.example.mesh"

// play runs a story in many worlds. The framework demands that nothing is
// left of any of them.
func play(t *testing.T, seeds int, story func(t *testing.T, s *scenario.Stage)) {
	t.Helper()
	sc := &scenario.Scenario{Name: "test", Limit: 24 * time.Hour, Play: func(s *scenario.Stage) {
		for _, name := range []string{"gateway", "client", "here", "there", "first", "second"} {
			s.Place(name)
		}
		s.SetLinks(scenario.LAN())
		story(t, s)
	}}
	for seed := range uint64(seeds) {
		res, err := scenario.Play(sc, scenario.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if !res.Held() {
			t.Errorf("%v\n%v\n%v\n%s", res.Failure, res.Failure.Waiting, res.Failure.Leaks, res.Failure.Stack)
		}
		if t.Failed() {
			t.Logf("seed %d", seed)
			return
		}
	}
}

func idOf(s *scenario.Stage, name string) transport.PeerID { return ident.Simulated(s.Seed(), name) }

// gateway is a node that clients attach to.
type gateway struct {
	s     *scenario.Stage
	place *scenario.Place
	node  *node.Node
}

func startGateway(t *testing.T, s *scenario.Stage, cfg node.Config) *gateway {
	g := &gateway{s: s, place: s.Place("gateway")}
	cfg.Realm = realm
	var err error
	g.node, err = node.New(cfg, node.Deps{Runtime: g.place.Runtime(), Transport: g.place.Transport(idOf(s, "gateway"), transport.Config{}), ID: idOf(s, "gateway")})
	if err != nil {
		t.Error(err)
	}
	g.place.Go("node", func() { g.node.Serve(context.Background()) })
	s.Eventually(time.Second, "it listens", g.node.Ready)
	return g
}

func (g *gateway) close() { g.place.Do("close", g.node.Close) }

// services are the names that clients provide at the gateway.
func (g *gateway) services() (names []string) {
	for _, e := range g.node.Services() {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// party is a client at a place.
type party struct {
	t     *testing.T
	place *scenario.Place
	tr    *counting
	*client.Client
}

// counting is a transport that counts how often it dials.
type counting struct {
	transport.Transport
	dials int
}

func (c *counting) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	c.dials++
	return c.Transport.Dial(ctx, addr, want)
}

// newParty makes a client at a place, of the id of some name.
func newParty(t *testing.T, s *scenario.Stage, place, as string, cfg client.Config) *party {
	p := &party{t: t, place: s.Place(place)}
	p.tr = &counting{Transport: p.place.Transport(idOf(s, as), transport.Config{})}
	cfg.Realm = realm
	cfg.Gateways = []client.Gateway{{ID: idOf(s, "gateway"), Addr: s.Place("gateway").Addr()}}
	var err error
	if p.Client, err = client.New(cfg, client.Deps{Runtime: p.place.Runtime(), Transport: p.tr, ID: idOf(s, as)}); err != nil {
		t.Error(err)
	}
	return p
}

// within runs f at the client's place with a context of so long.
func (p *party) within(d time.Duration, f func(ctx context.Context) error) (err error) {
	p.place.Do("client", func() {
		ctx, cancel := p.place.Runtime().WithTimeout(context.Background(), d)
		defer cancel()
		err = f(ctx)
	})
	return err
}

func (p *party) attach() error { return p.within(10*time.Second, p.Attach) }

func (p *party) provide(name string) (svc *client.Service, err error) {
	err = p.within(5*time.Second, func(ctx context.Context) error {
		svc, err = p.Advertise(ctx, name, echo, 0, false)
		return err
	})
	return svc, err
}

func (p *party) call(name string) error {
	return p.within(5*time.Second, func(ctx context.Context) error {
		_, err := p.Call(ctx, name, nil, false)
		return err
	})
}

// leave closes the client, which must not need its whole deadline.
func (p *party) leave() {
	p.t.Helper()
	begun := p.place.Runtime().Now()
	p.within(time.Minute, func(ctx context.Context) error { p.Close(ctx); return nil })
	if took := p.place.Runtime().Now().Sub(begun); took > 5*time.Second {
		p.t.Errorf("Close took %v", took)
	}
	p.place.Do("close", func() { p.tr.Close() })
}

func echo(_ context.Context, req *rpc.Request) ([]byte, error) { return req.Body, nil }

func TestAClientComesBackAndProvidesWhatItProvidesNow(t *testing.T) {
	play(t, 20, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		p := newParty(t, s, "client", "client", client.Config{})
		if err := p.attach(); err != nil {
			t.Error(err)
		}
		a, err := p.provide("a")
		if err != nil {
			t.Error(err)
		}
		if _, err := p.provide("b"); err != nil {
			t.Error(err)
		}
		g.place.Crash()
		s.Eventually(time.Minute, "it notices", func() bool { return !p.Attached() })
		a.Withdraw()
		late := s.Go("advertise", func() {
			err := p.within(5*time.Minute, func(ctx context.Context) error { _, err := p.Advertise(ctx, "c", echo, 0, false); return err })
			if err != nil {
				t.Errorf("what it advertised while away: %v", err)
			}
		})
		s.Sleep(time.Duration(s.Rand("away").Int64N(int64(2 * time.Minute))))
		g.place.Restart()
		g = startGateway(t, s, node.Config{})
		s.Eventually(time.Minute, "it comes back", p.Attached)
		late.Wait()
		s.Sleep(time.Second)
		if got := g.services(); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("provided after the return: %v", got)
		}
		if err := p.call("b"); err != nil {
			t.Error(err)
		}
		p.leave()
		g.close()
	})
}

// A client whose gateway comes and goes, which meanwhile advertises and
// withdraws: when all is quiet, the gateway knows what the client provides.
func TestTheGatewayEndsUpWithTheLatestIntent(t *testing.T) {
	play(t, 40, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		p := newParty(t, s, "client", "client", client.Config{})
		if err := p.attach(); err != nil {
			t.Error(err)
		}
		r := s.Rand("story")
		names := []string{"a", "b", "c"}
		have := map[string]*client.Service{}
		var jobs []*scenario.Job
		for range 30 {
			name := names[r.IntN(len(names))]
			switch r.IntN(4) {
			case 0, 1:
				jobs = append(jobs, s.Go("advertise", func() {
					p.within(time.Minute, func(ctx context.Context) error {
						svc, err := p.Advertise(ctx, name, echo, 0, false)
						if err == nil {
							have[name] = svc
						}
						return err
					})
				}))
			case 2:
				if svc := have[name]; svc != nil {
					delete(have, name)
					p.place.Do("withdraw", svc.Withdraw)
				}
			case 3:
				s.Kill(g.place, p.place)
			}
			s.Sleep(time.Duration(r.Int64N(int64(2 * time.Second))))
		}
		for _, j := range jobs {
			j.Wait()
		}
		s.Eventually(time.Minute, "it is attached", p.Attached)
		s.Sleep(5 * time.Second)
		for _, name := range names {
			if svc := have[name]; svc != nil {
				p.place.Do("withdraw", svc.Withdraw)
			}
		}
		s.Sleep(5 * time.Second)
		if got := g.services(); len(got) != 0 {
			t.Errorf("withdrawn, and still provided: %v", got)
		}
		p.leave()
		g.close()
	})
}

func TestAClientComesBackMoreAndMoreSlowly(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		p := newParty(t, s, "client", "client", client.Config{})
		if err := p.attach(); err != nil {
			t.Error(err)
		}
		g.close()
		s.Sleep(20 * time.Second)
		soon := p.tr.dials
		s.Sleep(time.Hour)
		if p.Attached() || p.Over().Fired() {
			t.Error("it is attached, or has given up")
		}
		// An attempt that nobody answers takes five seconds, and the longest
		// pause is thirty.
		if n := p.tr.dials - soon; soon < 3 || n < 90 || n > 250 {
			t.Errorf("it dialled %d times in the first seconds and %d times in the hour after", soon, n)
		}
		begun := s.Runtime().Now()
		g.place.Crash()
		g.place.Restart()
		g = startGateway(t, s, node.Config{})
		s.Eventually(time.Minute, "it comes back", p.Attached)
		if err := p.call("nobody"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a call after %v: %v", s.Runtime().Now().Sub(begun), err)
		}
		p.leave()
		g.close()
	})
}

func TestASupersededClientStops(t *testing.T) {
	play(t, 20, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		old := newParty(t, s, "here", "client", client.Config{})
		if err := old.attach(); err != nil {
			t.Error(err)
		}
		if _, err := old.provide("a"); err != nil {
			t.Error(err)
		}
		new := newParty(t, s, "there", "client", client.Config{})
		if err := new.attach(); err != nil {
			t.Error(err)
		}
		s.Eventually(5*time.Second, "the older one is over", old.Over().Fired)
		if k := fault.KindOf(old.Err()); k != fault.Superseded {
			t.Errorf("it is over for %v", old.Err())
		}
		if err := old.call("a"); fault.KindOf(err) != fault.Superseded {
			t.Errorf("a call of the older one: %v", err)
		}
		s.Sleep(10 * time.Minute)
		if !new.Attached() || old.Attached() || g.node.Status().Clients.Superseded != 1 {
			t.Errorf("attached: %v and %v, %+v", new.Attached(), old.Attached(), g.node.Status().Clients)
		}
		if got := g.services(); len(got) != 0 {
			t.Errorf("the services of the older session: %v", got)
		}
		old.leave()
		new.leave()
		g.close()
	})
}

func TestWhoFindsTheGatewayFullIsToldAndMayTryAgain(t *testing.T) {
	play(t, 10, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{Clients: clients.Config{Limit: 1}})
		first := newParty(t, s, "first", "first", client.Config{})
		if err := first.attach(); err != nil {
			t.Error(err)
		}
		p := newParty(t, s, "second", "second", client.Config{})
		err := p.attach()
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Overload || f.RetryAfter <= 0 || !f.Remote {
			t.Errorf("attached to a full gateway: %v", err)
		}
		// It does not come back by itself: it was never attached.
		if _, err := p.provide("never"); fault.KindOf(err) != fault.Deadline {
			t.Errorf("advertised without a session: %v", err)
		}
		if n := g.node.Status().Clients.Refused; n != 1 {
			t.Errorf("%d refused", n)
		}
		first.leave()
		s.Sleep(time.Second)
		if err := p.attach(); err != nil {
			t.Errorf("attached when there is room: %v", err)
		}
		s.Sleep(time.Second)
		if got := g.services(); len(got) != 0 {
			t.Errorf("what could not be advertised is provided: %v", got)
		}
		if err := p.attach(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("attached twice: %v", err)
		}
		p.leave()
		g.close()
	})
}

func TestAnAdvertisementThatNobodyWaitsForIsTakenBack(t *testing.T) {
	play(t, 30, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		p := newParty(t, s, "client", "client", client.Config{})
		if err := p.attach(); err != nil {
			t.Error(err)
		}
		err := p.within(300*time.Microsecond, func(ctx context.Context) error { // less than a round trip
			_, err := p.Advertise(ctx, "a", echo, 0, false)
			return err
		})
		if fault.KindOf(err) != fault.Deadline {
			t.Errorf("the gateway has answered already: %v", err)
		}
		s.Sleep(time.Second)
		if got := g.services(); len(got) != 0 {
			t.Errorf("provided, and its caller was told that it is not: %v", got)
		}
		p.leave()
		g.close()
	})
}

func TestWithOneSessionItDoesNotComeBack(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		p := newParty(t, s, "client", "client", client.Config{NoReconnect: true})
		if err := p.attach(); err != nil {
			t.Error(err)
		}
		g.close()
		s.Eventually(10*time.Second, "it is over", p.Over().Fired)
		if k := fault.KindOf(p.Err()); k != fault.Draining {
			t.Errorf("over for %v", p.Err())
		}
		p.leave()
	})
}

// Close comes at a random moment of whatever the client is doing, and with it
// ends all of it at once.
func TestCloseAtAnyMomentEndsEverything(t *testing.T) {
	stories := map[string]func(s *scenario.Stage, g *gateway, p *party){
		"not attached":   func(*scenario.Stage, *gateway, *party) {},
		"as it attaches": func(s *scenario.Stage, _ *gateway, p *party) { s.Go("attach", func() { p.attach() }) },
		"nobody answers": func(s *scenario.Stage, g *gateway, p *party) {
			s.Cut(g.place, p.place)
			s.Go("attach", func() { p.attach() })
		},
		"coming back":        func(s *scenario.Stage, g *gateway, p *party) { p.attach(); s.Kill(g.place, p.place) },
		"the gateway leaves": func(s *scenario.Stage, g *gateway, p *party) { p.attach(); s.Go("leave", g.close) },
		"calls and services": func(s *scenario.Stage, _ *gateway, p *party) {
			p.attach()
			s.Go("advertise", func() { p.provide("a") })
			s.Go("call", func() { p.call("slow") })
			s.Go("call", func() { p.call("a") })
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			play(t, 30, func(t *testing.T, s *scenario.Stage) {
				g := startGateway(t, s, node.Config{DrainTimeout: time.Second})
				g.node.Advertise("slow", func(ctx context.Context, _ *node.Request) ([]byte, error) {
					return nil, rt.Sleep(ctx, g.place.Runtime(), time.Minute)
				}, node.AdvertiseOptions{})
				p := newParty(t, s, "client", "client", client.Config{})
				story(s, g, p)
				s.Sleep(time.Duration(s.Rand("when").Int64N(int64(3 * time.Millisecond))))
				if s.Seed()%3 == 0 {
					s.Sleep(time.Duration(s.Rand("when").Int64N(int64(3 * time.Second))))
				}
				p.leave()
				if p.Attached() || !p.Over().Fired() || p.Err() == nil {
					t.Errorf("attached %v, over %v, for %v", p.Attached(), p.Over().Fired(), p.Err())
				}
				if err := p.call("slow"); fault.KindOf(err) == fault.Deadline || err == nil {
					t.Errorf("a call after Close: %v", err)
				}
				g.close()
			})
		})
	}
}

func TestCloseCanBeCalledAgain(t *testing.T) {
	play(t, 10, func(t *testing.T, s *scenario.Stage) {
		g := startGateway(t, s, node.Config{})
		for i, name := range []string{"client", "here", "there"} {
			p := newParty(t, s, name, name, client.Config{})
			switch i {
			case 1:
				if err := p.attach(); err != nil {
					t.Error(err)
				}
			case 2:
				s.Go("attach", func() { p.attach() })
				s.Sleep(time.Duration(s.Rand("when").Int64N(int64(2 * time.Millisecond))))
			}
			begun := s.Runtime().Now()
			both := s.Go("close", func() { p.within(time.Minute, func(ctx context.Context) error { p.Close(ctx); return nil }) })
			p.within(time.Minute, func(ctx context.Context) error { p.Close(ctx); return nil })
			both.Wait()
			p.leave()
			if took := s.Runtime().Now().Sub(begun); took > 10*time.Second {
				t.Errorf("%s: closing three times took %v", name, took)
			}
		}
		g.close()
	})
}

// Whoever advertises without a deadline waits for a gateway; when there will
// be none any more, the wait is over.
func TestAnAdvertisementEndsWithItsClient(t *testing.T) {
	forever := func(p *party) (*scenario.Job, *error) {
		var got error
		return p.place.Go("advertise", func() { _, got = p.Advertise(context.Background(), "a", echo, 0, false) }), &got
	}
	for name, c := range map[string]struct {
		attach bool
		end    func(t *testing.T, s *scenario.Stage, p *party)
		why    fault.Kind
	}{
		"closed, never attached": {false, func(_ *testing.T, _ *scenario.Stage, p *party) { p.leave() }, fault.Cancelled},
		"closed, and the gateway is silent": {true, func(_ *testing.T, _ *scenario.Stage, p *party) {
			p.within(time.Minute, func(ctx context.Context) error { p.Close(ctx); return nil })
		}, fault.Draining},
		"superseded": {true, func(t *testing.T, s *scenario.Stage, p *party) {
			newer := newParty(t, s, "there", "client", client.Config{})
			if err := newer.attach(); err != nil {
				t.Error(err)
			}
			s.Eventually(10*time.Second, "it is over", p.Over().Fired)
			newer.leave()
		}, fault.Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 10, func(t *testing.T, s *scenario.Stage) {
				g := startGateway(t, s, node.Config{})
				p := newParty(t, s, "here", "client", client.Config{})
				if c.attach {
					if err := p.attach(); err != nil {
						t.Error(err)
					}
					s.Cut(p.place, g.place) // no advertisement arrives, so none is answered
				}
				job, err := forever(p)
				s.Sleep(100 * time.Millisecond)
				if job.Done() {
					t.Errorf("it has not waited: %v", *err)
				}
				c.end(t, s, p)
				s.Eventually(5*time.Second, "Advertise returns", job.Done)
				if *err == nil || fault.KindOf(*err) != c.why {
					t.Errorf("it ended with %v, want %v", *err, c.why)
				}
				s.HealAll()
				p.leave()
				g.close()
			})
		})
	}
}
