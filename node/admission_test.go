package node_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// raw is a connection to a node that the test plays itself, frame by frame.
// Its methods are for tasks at its place.
type raw struct {
	t    *testing.T
	ctx  context.Context
	conn transport.Conn
}

// dialRaw connects to a node and says nothing; nil if it was refused.
func dialRaw(t *testing.T, p *scenario.Place, tr transport.Transport, to *member) *raw {
	ctx := context.Background()
	conn, err := tr.Dial(ctx, to.place.Addr(), to.id)
	if err != nil {
		t.Errorf("%s: dial: %v", p.Name(), err)
		return nil
	}
	return &raw{t, ctx, conn}
}

// open opens a stream, writes b on it, and returns what reads its frames.
func (r *raw) open(b []byte) *wire.Reader {
	s, err := r.conn.OpenStream(r.ctx)
	if err != nil {
		r.t.Errorf("open: %v", err)
		return nil
	}
	s.Write(b)
	return wire.NewReader(s, wire.MaxFrame)
}

// hello says hello and returns the control stream.
func (r *raw) hello(role wire.Role) *wire.Reader {
	return r.open(wire.AppendHello([]byte{wire.StreamControl}, &wire.Hello{
		MinVersion: wire.Version, MaxVersion: wire.Version, Role: role, Realm: testRealm, Session: 1, MaxCalls: 100,
	}))
}

// A peer names a provider that this node's operator has not: it is neither
// kept nor dialled.
func TestAProviderThatIsNotInTheListIsNeitherLearnedNorDialled(t *testing.T) {
	play(t, 10, func(t *testing.T, s *scenario.Stage) {
		stranger := start(t, s, "stranger", node.Config{OpenPeers: true})
		friend := start(t, s, "friend", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "stranger")}})
		n := start(t, s, "n", node.Config{Bootstrap: []node.Peer{peerAt(s, "friend")}})
		open := start(t, s, "other", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "friend")}})
		ran := 0
		stranger.provide("svc", func(context.Context, *node.Request) ([]byte, error) { ran++; return nil, nil }, node.AdvertiseOptions{})
		s.Sleep(5 * time.Second)
		before := n.node.Status().Pool.Dials
		if err := n.call("svc", 2*time.Second); fault.KindOf(err) != fault.NotFound || ran != 0 || !strings.Contains(err.Error(), "(providers that are not in this node's list of peers: 1)") {
			t.Errorf("the call: %v, %d handlers ran", err, ran)
		}
		if err := n.call("svc", 2*time.Second); !strings.Contains(fmt.Sprint(err), "list of peers") { // from what is remembered
			t.Errorf("the second call: %v", err)
		}
		for _, e := range n.node.Services() {
			t.Errorf("it has learned %+v", e)
		}
		if st := n.node.Status().Pool; st.Dials != before || st.Open != 1 {
			t.Errorf("%d dials for the call, %d connections", st.Dials-before, st.Open)
		}
		if lines := stranger.log.find("not allowed as a peer"); len(lines) > 0 || slices.ContainsFunc(stranger.node.Peers(), func(p node.PeerInfo) bool { return p.ID == n.id }) {
			t.Error("the stranger was dialled")
		}
		// The hint itself is good: to whom it is allowed, it leads there.
		if err := open.call("svc", 2*time.Second); err != nil || ran != 1 {
			t.Errorf("a node that is open: %v, %d handlers ran", err, ran)
		}
		for _, m := range []*member{n, open, friend, stranger} {
			m.close()
		}
	})
}

func TestTheLoserOfTwoDialsIsNoPeerThatIsDown(t *testing.T) {
	lost := 0
	play(t, 20, func(t *testing.T, s *scenario.Stage) {
		var ms []*member
		for i, name := range []string{"a", "b"} {
			other := []string{"b", "a"}[i]
			m := build(t, s, name, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, other)}})
			m.run(context.Background()) // at the same moment
			ms = append(ms, m)
		}
		s.Sleep(10 * time.Second)
		for _, m := range ms {
			for _, l := range m.log.find("peer down") {
				lost++
				if why := fmt.Sprint(l.attrs["reason"]); l.attrs["connected"] != true || strings.Contains(why, "closed here") {
					t.Errorf("%s: %v", m.place.Name(), l.attrs)
				}
			}
			if n := m.node.Status().Pool.Open; n != 1 {
				t.Errorf("%d connections are open", n)
			}
		}
		ms[0].close()
		s.Sleep(time.Second)
		if lines := ms[1].log.find("peer down"); len(lines) == 0 || lines[len(lines)-1].attrs["connected"] != false {
			t.Errorf("of a peer that has left: %v", lines)
		}
		ms[1].close()
	})
	if lost == 0 {
		t.Error("no dials have crossed")
	}
}

func TestOwnDialsDoNotKeepNewcomersOut(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		s.Cut(s.Place("n"), s.Place("nobody"))
		cfg := node.Config{OpenPeers: true}
		for i := range 64 {
			cfg.Bootstrap = append(cfg.Bootstrap, node.Peer{ID: idOf(s, fmt.Sprint("nobody", i)), Addr: s.Place("nobody").Addr()})
		}
		n := start(t, s, "n", cfg)
		s.Sleep(100 * time.Millisecond)
		c, tr := newClient(t, s, "client", n)
		joining := c.attach()
		peer := start(t, s, "a", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}})
		s.Sleep(500 * time.Millisecond)
		if st := n.node.Status(); st.Transport.Handshaking != 64 || st.Transport.Accepting != 0 {
			t.Errorf("%+v: not 64 dials of its own", st.Transport)
		}
		if !joining.Done() || !c.client.Attached() || n.node.Status().Pool.Open != 1 {
			t.Errorf("the client is in: %v; %d peers", c.client.Attached(), n.node.Status().Pool.Open)
		}
		joining.Wait()
		c.close(tr)
		peer.close()
		n.close()
	})
}

// silent makes connections to a node, each of another id, that say nothing.
// The result ends them.
func silent(t *testing.T, s *scenario.Stage, to *member, name string, count int) (open func() int, leave func()) {
	p := s.Place("stranger")
	var trs []transport.Transport
	var conns []transport.Conn
	for i := range count {
		tr := p.Transport(ident.Simulated(s.Seed(), fmt.Sprint(name, i)), transport.Config{})
		trs = append(trs, tr)
		p.Go("silent", func() {
			if r := dialRaw(t, p, tr, to); r != nil {
				conns = append(conns, r.conn)
			}
		})
	}
	open = func() (n int) {
		for _, c := range conns {
			if c.Context().Err() == nil {
				n++
			}
		}
		return n
	}
	return open, func() {
		p.Do("leave", func() {
			for _, tr := range trs {
				tr.Close()
			}
		})
	}
}

func TestStrangersWhoSayNothingDoNotKeepMembersOut(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{Peers: []transport.PeerID{idOf(s, "friend")}})
		open, leave := silent(t, s, n, "silent", 64)
		s.Sleep(100 * time.Millisecond)
		late, leaveToo := silent(t, s, n, "late", 8)
		s.Sleep(100 * time.Millisecond)
		if open() != 64 || late() != 0 {
			t.Errorf("%d strangers have a place, and %d of those after them", open(), late())
		}
		friend := start(t, s, "friend", node.Config{Bootstrap: []node.Peer{peerAt(s, "n")}})
		s.Eventually(time.Second, "the member is in", func() bool { return n.node.Status().Pool.Open == 1 })
		if friend.refused(fault.Overload) || open() != 64 {
			t.Errorf("the member was refused first; %d strangers have a place", open())
		}
		s.Sleep(6 * time.Second) // their time is up: the places are free again
		again, leaveAgain := silent(t, s, n, "again", 64)
		s.Sleep(100 * time.Millisecond)
		if open() != 0 || again() != 64 {
			t.Errorf("%d of the first are left, %d new ones have a place", open(), again())
		}
		begun := s.Runtime().Now()
		n.close() // while they say nothing
		if took := s.Runtime().Now().Sub(begun); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		leave()
		leaveToo()
		leaveAgain()
		friend.close()
	})
}

// The pool has one place, and it is in use while three wait for it. In the
// instant in which it is free they could evict each other: whoever is admitted
// hears the welcome before anything else.
func TestAnAdmittedNewcomerHearsItsWelcomeFirst(t *testing.T) {
	play(t, 20, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{OpenPeers: true, Pool: pool.Config{Cap: 1}})
		n.provide("slow", func(ctx context.Context, _ *node.Request) ([]byte, error) {
			return nil, rt.Sleep(ctx, n.place.Runtime(), time.Second)
		}, node.AdvertiseOptions{})
		var heard []string
		come := func(name string) *scenario.Job {
			p := s.Place(name)
			tr := p.Transport(idOf(s, name), transport.Config{})
			return p.Go("peer", func() {
				defer tr.Close()
				r := dialRaw(t, p, tr, n)
				if r == nil {
					return
				}
				rd := r.hello(wire.RolePeer)
				kind, _, err := rd.Next()
				heard = append(heard, fmt.Sprint(kind, err))
				if name == "a" {
					r.open(wire.AppendCall([]byte{wire.StreamCalls}, &wire.Call{ID: 1, Budget: time.Minute, Name: "slow"}))
				}
				for err == nil && kind != wire.KindGoAway { // until it is evicted
					kind, _, err = rd.Next()
				}
				r.conn.CloseWithError(0, "")
			})
		}
		jobs := []*scenario.Job{come("a")}
		s.Sleep(100 * time.Millisecond)
		for _, name := range []string{"b", "friend", "stranger"} {
			jobs = append(jobs, come(name))
		}
		s.Sleep(500 * time.Millisecond)
		if st := n.node.Status().Pool; len(heard) != 1 || st.InUse != 1 {
			t.Errorf("%d have heard something while the place was in use: %+v", len(heard), st)
		}
		s.Sleep(2 * time.Second)
		for _, h := range heard {
			if h != fmt.Sprint(wire.KindWelcome, nil) {
				t.Errorf("somebody heard first: %s", h)
			}
		}
		if len(heard) != 4 {
			t.Errorf("%d of 4 were welcomed", len(heard))
		}
		n.close()
		for _, j := range jobs {
			j.Wait()
		}
	})
}
