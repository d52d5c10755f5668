package node_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

const testRealm = "org.example.mesh"

// entry is a line of a log.
type entry struct {
	level slog.Level
	msg   string
	attrs map[string]any
	at    time.Duration
}

// journal keeps what a node logs.
type journal struct {
	r     rt.Runtime
	begun time.Time
	lines []entry
}

func newJournal(r rt.Runtime) *journal { return &journal{r: r, begun: r.Wall()} }

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	e := entry{level: r.Level, msg: r.Message, attrs: map[string]any{}, at: j.r.Wall().Sub(j.begun)}
	r.Attrs(func(a slog.Attr) bool { e.attrs[a.Key] = a.Value.Any(); return true })
	j.lines = append(j.lines, e)
	return nil
}

func (j *journal) find(msg string) (found []entry) {
	for _, e := range j.lines {
		if e.msg == msg {
			found = append(found, e)
		}
	}
	return found
}

// member is a node at a place of a scenario.
type member struct {
	t     *testing.T
	s     *scenario.Stage
	place *scenario.Place
	id    transport.PeerID
	log   *journal
	node  *node.Node
	serve *scenario.Job
	err   error // of Serve
}

// play runs a story in many worlds. The framework demands that nothing is
// left of any of them.
func play(t *testing.T, seeds int, story func(t *testing.T, s *scenario.Stage)) {
	t.Helper()
	sc := &scenario.Scenario{Name: "test", Limit: 24 * time.Hour, Play: func(s *scenario.Stage) {
		for _, name := range []string{"n", "other", "nobody", "client", "a", "b", "friend", "stranger"} {
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
			t.Errorf("seed %d: %v\n%v\n%v\n%s", seed, res.Failure, res.Failure.Waiting, res.Failure.Leaks, res.Failure.Stack)
		}
		if t.Failed() {
			t.Logf("seed %d", seed)
			return
		}
	}
}

func idOf(s *scenario.Stage, name string) transport.PeerID { return ident.Simulated(s.Seed(), name) }

func peerAt(s *scenario.Stage, name string) node.Peer {
	return node.Peer{ID: idOf(s, name), Addr: s.Place(name).Addr()}
}

// build makes a node that does not serve yet.
func build(t *testing.T, s *scenario.Stage, name string, cfg node.Config) *member {
	m := &member{t: t, s: s, place: s.Place(name), id: idOf(s, name)}
	m.log = newJournal(m.place.Runtime())
	if cfg.Realm == "" {
		cfg.Realm = testRealm
	}
	var err error
	m.node, err = node.New(cfg, node.Deps{
		Runtime: m.place.Runtime(), Transport: m.place.Transport(m.id, transport.Config{}), ID: m.id, Log: slog.New(m.log),
	})
	if err != nil {
		t.Error(err)
	}
	return m
}

// start makes a node that serves.
func start(t *testing.T, s *scenario.Stage, name string, cfg node.Config) *member {
	m := build(t, s, name, cfg)
	m.run(context.Background())
	s.Eventually(time.Second, "it listens", m.node.Ready)
	return m
}

func (m *member) run(ctx context.Context) {
	m.serve = m.place.Go("node", func() { m.err = m.node.Serve(ctx) })
}

// close closes the node and demands that nothing is left of it.
func (m *member) close() {
	m.place.Do("close", m.node.Close)
	if left := m.node.Leftovers(); left != (node.Leftovers{}) {
		m.t.Errorf("%s: left: %+v", m.place.Name(), left)
	}
	if m.serve != nil && !m.serve.Done() {
		m.serve.Wait()
	}
}

func (m *member) call(name string, timeout time.Duration) (err error) {
	m.place.Do("call", func() {
		r := m.place.Runtime()
		ctx, cancel := r.WithTimeout(context.Background(), timeout)
		defer cancel()
		_, err = m.node.Call(ctx, name, nil, node.CallOptions{})
	})
	return err
}

func (m *member) provide(name string, h node.Handler, opt node.AdvertiseOptions) *node.Service {
	svc, err := m.node.Advertise(name, h, opt)
	if err != nil {
		m.t.Error(err)
	}
	return svc
}

func echo(_ context.Context, req *node.Request) ([]byte, error) { return req.Body, nil }

func TestTheCleanupSaysWhatItRemovedAndIsQuietWhenThereWasNothing(t *testing.T) {
	play(t, 2, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{CleanupBatch: 2})
		s.Sleep(90 * time.Second)
		for _, name := range []string{"a", "b", "c"} {
			m.provide(name, echo, node.AdvertiseOptions{TTL: 10 * time.Second, Once: true})
		}
		m.call("nobody", time.Second) // remembered as not provided, for a second
		s.Sleep(60 * time.Second)
		lines := m.log.find("cleanup")
		if len(lines) != 2 {
			t.Errorf("%d runs in two and a half minutes", len(lines))
			return
		}
		if e := lines[0]; e.level != slog.LevelDebug || e.attrs["removed"] != int64(0) {
			t.Errorf("with nothing to remove: %+v", e)
		}
		if e := lines[1]; e.level != slog.LevelInfo || e.attrs["removed"] != int64(7) || e.attrs["names"] != int64(3) || e.attrs["services"] != int64(3) || e.attrs["lookups"] != int64(1) {
			t.Errorf("with three services, that are told to peers, and a lookup: %+v", e)
		}
		if c := m.node.Status().Cleanup; c.Runs != 2 || c.Removed != 7 {
			t.Errorf("%+v", c)
		}
		m.close()
	})
}

// busy is a mesh with everything in it that a node can be in the middle of.
func busy(t *testing.T, s *scenario.Stage) (m, other *member, more func()) {
	other = start(t, s, "other", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}, DrainTimeout: 2 * time.Second})
	m = start(t, s, "n", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "other"), peerAt(s, "nobody")}, DrainTimeout: 2 * time.Second})
	slow := func(ctx context.Context, _ *node.Request) ([]byte, error) {
		return nil, rt.Sleep(ctx, m.place.Runtime(), time.Duration(m.place.Runtime().Rand("work").IntN(4000))*time.Millisecond)
	}
	m.provide("mine", slow, node.AdvertiseOptions{})
	other.provide("theirs", slow, node.AdvertiseOptions{})
	c, tr := newClient(t, s, "client", m)
	jobs := []*scenario.Job{c.attach()}
	for _, call := range []func(){
		func() { m.call("theirs", 5*time.Second) }, func() { m.call("nobody", 5*time.Second) }, func() { m.call("mine", 5*time.Second) },
		func() { other.call("mine", 5*time.Second) }, func() { c.call("theirs") }, func() { c.call("mine") },
	} {
		jobs = append(jobs, s.Go("call", call))
	}
	return m, other, func() {
		for _, j := range jobs {
			j.Wait()
		}
		c.close(tr)
	}
}

func TestCloseAtAnyMomentLeavesNothingBehind(t *testing.T) {
	play(t, 40, func(t *testing.T, s *scenario.Stage) {
		m, other, end := busy(t, s)
		s.Sleep(time.Duration(s.Rand("when").Int64N(int64(6 * time.Second))))
		begun := s.Runtime().Now()
		m.close()
		if took := s.Runtime().Now().Sub(begun); took > 2*time.Second+1500*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		other.close()
		end()
	})
}

func TestANodeCanBeClosedInEveryStateOfItsLife(t *testing.T) {
	never := func(t *testing.T, s *scenario.Stage, m *member) { m.close() }
	for name, story := range map[string]func(t *testing.T, s *scenario.Stage, m *member){
		"never served": never,
		"closed twice": func(t *testing.T, s *scenario.Stage, m *member) { m.close(); m.close() },
		"as it starts": func(t *testing.T, s *scenario.Stage, m *member) { m.run(context.Background()); m.close() },
		"by two at a time": func(t *testing.T, s *scenario.Stage, m *member) {
			m.run(context.Background())
			j := m.place.Go("close", m.node.Close)
			m.close()
			j.Wait()
		},
		"by its context": func(t *testing.T, s *scenario.Stage, m *member) {
			ctx, cancel := m.place.Runtime().WithCancelCause(context.Background())
			m.run(ctx)
			s.Sleep(time.Second)
			cancel(nil)
			m.serve.Wait()
			m.close()
			if m.err != nil {
				t.Errorf("Serve: %v", m.err)
			}
		},
		"served after Close": func(t *testing.T, s *scenario.Stage, m *member) {
			m.close()
			m.run(context.Background())
			m.serve.Wait()
			if fault.KindOf(m.err) != fault.Invalid {
				t.Errorf("Serve after Close: %v", m.err)
			}
		},
		"served twice": func(t *testing.T, s *scenario.Stage, m *member) {
			m.run(context.Background())
			s.Sleep(time.Second)
			m.place.Do("again", func() {
				if err := m.node.Serve(context.Background()); fault.KindOf(err) != fault.Invalid {
					t.Errorf("the second Serve: %v", err)
				}
			})
			m.close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 10, func(t *testing.T, s *scenario.Stage) {
				m := build(t, s, "n", node.Config{Bootstrap: []node.Peer{peerAt(s, "nobody")}})
				m.provide("own", echo, node.AdvertiseOptions{})
				story(t, s, m)
				if _, err := m.node.Advertise("late", echo, node.AdvertiseOptions{}); fault.KindOf(err) != fault.Draining {
					t.Errorf("Advertise after Close: %v", err)
				}
				if err := m.call("own", time.Second); err == nil {
					t.Error("a closed node answers")
				}
			})
		})
	}
}

func TestANodeThatCannotListenSaysSoAndIsClosed(t *testing.T) {
	play(t, 3, func(t *testing.T, s *scenario.Stage) {
		tr := s.Place("n").Transport(idOf(s, "n"), transport.Config{})
		n, err := node.New(node.Config{Realm: testRealm}, node.Deps{Runtime: s.Place("n").Runtime(), Transport: tr, ID: idOf(s, "n")})
		if err != nil {
			t.Error(err)
			return
		}
		tr.Close()
		s.Place("n").Do("serve", func() {
			if err := n.Serve(context.Background()); fault.KindOf(err) != fault.Unreachable {
				t.Errorf("Serve: %v", err)
			}
			n.Close()
		})
		if left := n.Leftovers(); left != (node.Leftovers{}) {
			t.Errorf("%+v", left)
		}
	})
}

func TestAHandlerThatIgnoresItsContextIsAbandonedAndNamedInTheLog(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{DrainTimeout: time.Second})
		deaf := func(context.Context, *node.Request) ([]byte, error) {
			rt.Sleep(context.Background(), m.place.Runtime(), time.Minute)
			return nil, nil
		}
		m.provide("deaf", deaf, node.AdvertiseOptions{})
		job := s.Go("call", func() {
			if err := m.call("deaf", 100*time.Millisecond); fault.KindOf(err) != fault.Deadline || !fault.Executed(err) {
				t.Errorf("the caller got %v", err)
			}
		})
		job.Wait()
		if n := m.node.Status().Server.Running; n != 1 {
			t.Errorf("%d handlers hold a permit", n)
		}
		begun := s.Runtime().Now()
		m.place.Do("close", m.node.Close)
		if took := s.Runtime().Now().Sub(begun); took > 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		if left := m.node.Leftovers(); left != (node.Leftovers{Abandoned: 1}) {
			t.Errorf("%+v", left)
		}
		lines := m.log.find("closed, with something left")
		if len(lines) != 1 || lines[0].level != slog.LevelError || lines[0].attrs["abandoned"] != int64(1) {
			t.Errorf("%+v", lines)
		}
	})
}

func TestADrainingNodeTurnsNewcomersAwayAndLetsCallsFinish(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{})
		m.provide("slow", func(ctx context.Context, _ *node.Request) ([]byte, error) {
			return nil, rt.Sleep(ctx, m.place.Runtime(), time.Second)
		}, node.AdvertiseOptions{})
		c, tr := newClient(t, s, "client", m)
		c.attach().Wait()
		running := s.Go("call", func() {
			if err := c.call("slow"); err != nil {
				t.Errorf("the call that ran was cut: %v", err)
			}
		})
		s.Sleep(100 * time.Millisecond)
		closing := s.Go("close", m.close)
		s.Sleep(10 * time.Millisecond)
		late, ltr := newClient(t, s, "other", m)
		newcomer := late.attach()
		running.Wait()
		closing.Wait()
		newcomer.Wait()
		if n := m.node.Status().Clients.Admitted; n != 1 || late.client.Attached() {
			t.Errorf("%d clients were admitted", n)
		}
		late.close(ltr)
		c.close(tr)
	})
}

// A handshake's place is given back at admission, not at the end of the
// connection.
func TestAdmittedConnectionsDoNotCountAsHandshakes(t *testing.T) {
	play(t, 3, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{OpenPeers: true, Handshakes: 2})
		var peers []*member
		for _, name := range []string{"a", "b", "friend"} {
			peers = append(peers, start(t, s, name, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}}))
			s.Sleep(time.Second)
		}
		var leave []func()
		for _, name := range []string{"client", "other", "stranger"} {
			c, tr := newClient(t, s, name, n)
			c.attach().Wait()
			leave = append(leave, func() { c.close(tr) })
		}
		if st := n.node.Status(); st.Pool.Open != 3 || st.Clients.Attached != 3 {
			t.Errorf("%d peers and %d clients are in", st.Pool.Open, st.Clients.Attached)
		}
		for _, f := range leave {
			f()
		}
		for _, m := range append(peers, n) {
			m.close()
		}
	})
}

func TestTheWrongConfigurationIsNamed(t *testing.T) {
	play(t, 1, func(t *testing.T, s *scenario.Stage) {
		self := idOf(s, "n")
		for name, cfg := range map[string]node.Config{
			"no realm":       {},
			"itself":         {Realm: testRealm, Bootstrap: []node.Peer{peerAt(s, "n")}},
			"no address":     {Realm: testRealm, Bootstrap: []node.Peer{{ID: idOf(s, "x")}}},
			"quota":          {Realm: testRealm, Pool: pool.Config{Cap: 2, MaxInbound: 3}},
			"the same twice": {Realm: testRealm, Bootstrap: []node.Peer{peerAt(s, "x"), peerAt(s, "x")}},
		} {
			if _, err := node.New(cfg, node.Deps{Runtime: s.Place("n").Runtime(), ID: self}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		r := s.Place("n").Runtime()
		for name, deps := range map[string]node.Deps{"no world": {}, "no network": {Runtime: r, ID: self}} {
			_, err := node.New(node.Config{Realm: testRealm}, deps)
			if _, cerr := client.New(client.Config{Realm: testRealm, Gateways: []client.Gateway{{ID: idOf(s, "x")}}}, client.Deps{Runtime: deps.Runtime}); fault.KindOf(err) != fault.Invalid || fault.KindOf(cerr) != fault.Invalid {
				t.Errorf("%s: %v, %v", name, err, cerr)
			}
		}
	})
}

// refused reports whether a bootstrap failed, and every time for that reason.
func (m *member) refused(why fault.Kind) bool {
	lines := m.log.find("bootstrap not reached")
	for _, e := range lines {
		if err, _ := e.attrs["err"].(error); !errors.Is(err, why) {
			m.t.Errorf("refused with %v", err)
		}
	}
	return len(lines) > 0
}

func TestANodeOfAnotherRealmIsRefusedWithThatReason(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		b := start(t, s, "b", node.Config{OpenPeers: true})
		a := start(t, s, "a", node.Config{Realm: "org.example.other", Bootstrap: []node.Peer{peerAt(s, "b")}})
		s.Sleep(10 * time.Second)
		if !a.refused(fault.RealmMismatch) {
			t.Error("it was not refused")
		}
		if n := b.node.Status().Pool.Admitted; n != 0 {
			t.Errorf("%d admitted", n)
		}
		a.close()
		b.close()
	})
}

func TestAPeerThatIsNotAllowedIsRefusedAndMayBeAClient(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		b := start(t, s, "b", node.Config{Peers: []transport.PeerID{idOf(s, "friend")}})
		stranger := start(t, s, "stranger", node.Config{Bootstrap: []node.Peer{peerAt(s, "b")}})
		friend := start(t, s, "friend", node.Config{Bootstrap: []node.Peer{peerAt(s, "b")}})
		s.Sleep(10 * time.Second)
		if !stranger.refused(fault.Unauthorized) {
			t.Error("the stranger was not refused")
		}
		if friend.refused(fault.Unauthorized) || b.node.Status().Pool.Open != 1 {
			t.Errorf("the friend is not in: %+v", b.node.Status().Pool)
		}
		c, tr := newClient(t, s, "client", b)
		c.attach().Wait()
		if !c.client.Attached() {
			t.Error("a client of no list was refused")
		}
		c.close(tr)
		for _, m := range []*member{stranger, friend, b} {
			m.close()
		}
	})
}

func TestABootstrapPeerIsTriedForEverMoreAndMoreSlowly(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		a := start(t, s, "a", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "b")}})
		s.Sleep(2 * time.Hour)
		lines := a.log.find("bootstrap not reached")
		var gaps []time.Duration
		for i := range lines[1:] {
			gaps = append(gaps, lines[i+1].at-lines[i].at)
		}
		if len(gaps) < 100 || len(gaps) > 600 {
			t.Errorf("%d attempts in two hours", len(lines))
			return
		}
		if first, late := gaps[0], gaps[20:]; first > 6*time.Second || slices.Min(late) < 10*time.Second || slices.Max(late) > 2*time.Minute {
			t.Errorf("from %v to %v, most %v", first, slices.Min(late), slices.Max(late))
		}
		b := start(t, s, "b", node.Config{OpenPeers: true})
		s.Eventually(2*time.Minute, "the mesh finds together again", func() bool { return b.node.Status().Pool.Open == 1 })
		a.close()
		b.close()
	})
}

func TestANodeThatCrashedAndCameBackIsKnownAtOnce(t *testing.T) {
	play(t, 10, func(t *testing.T, s *scenario.Stage) {
		b := start(t, s, "b", node.Config{OpenPeers: true})
		a := start(t, s, "a", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "b")}})
		b.provide("own", echo, node.AdvertiseOptions{})
		s.Sleep(10 * time.Second)
		if err := a.call("own", time.Second); err != nil {
			t.Errorf("before the crash: %v", err)
		}
		before := a.node.Status().Pool.Superseded
		b.place.Crash()
		s.Sleep(time.Second)
		b.place.Restart()
		// It dials now, so only its incarnation says that the other one is lost.
		b = start(t, s, "b", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "a")}})
		b.provide("own", echo, node.AdvertiseOptions{})
		s.Sleep(500 * time.Millisecond) // less than a sign of life is waited for
		if st := a.node.Status().Pool; st.Superseded != before+1 {
			t.Errorf("the connection of the earlier run: %+v", st)
		}
		if err := a.call("own", time.Second); err != nil {
			t.Errorf("after the crash: %v", err)
		}
		b.close()
		a.close()
	})
}

// attached is a client at a place.
type attached struct {
	t      *testing.T
	place  *scenario.Place
	client *client.Client
}

func newClient(t *testing.T, s *scenario.Stage, name string, gateway *member) (*attached, transport.Transport) {
	return newClientOf(t, s, name, gateway, client.Config{})
}

func newClientOf(t *testing.T, s *scenario.Stage, name string, gateway *member, cfg client.Config) (*attached, transport.Transport) {
	c := &attached{t: t, place: s.Place(name)}
	tr := c.place.Transport(idOf(s, name), transport.Config{})
	var err error
	cfg.Realm, cfg.Gateways = testRealm, []client.Gateway{{ID: gateway.id, Addr: gateway.place.Addr()}}
	c.client, err = client.New(cfg, client.Deps{Runtime: c.place.Runtime(), Transport: tr, ID: idOf(s, name)})
	if err != nil {
		t.Error(err)
	}
	return c, tr
}

func (c *attached) attach() *scenario.Job {
	return c.place.Go("attach", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.client.Attach(ctx)
	})
}

func (c *attached) call(name string) (err error) {
	c.place.Do("call", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err = c.client.Call(ctx, name, nil, false)
	})
	return err
}

func (c *attached) close(tr transport.Transport) {
	c.place.Do("close", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c.client.Close(ctx)
		if ctx.Err() != nil {
			c.t.Error("Close of the client took ten seconds")
		}
		tr.Close()
	})
}

func TestTheServicesOfAClientLeaveWithItsSession(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{Clients: clients.Config{Limit: 2}, Registry: registry.Config{PerOwner: 2}})
		c, tr := newClient(t, s, "client", n)
		c.attach().Wait()
		c.place.Do("advertise", func() {
			ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), time.Second)
			defer cancel()
			for i, name := range []string{"a", "b", "c"} {
				_, err := c.client.Advertise(ctx, name, echo, 0, false)
				if (err != nil) != (i == 2) || i == 2 && fault.KindOf(err) != fault.Overload {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if err := n.call("a", time.Second); err != nil {
			t.Error(err)
		}
		c.close(tr)
		s.Sleep(time.Second)
		if got := n.node.Services(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		if err := n.call("a", time.Second); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after it left: %v", err)
		}
		n.close()
	})
}
