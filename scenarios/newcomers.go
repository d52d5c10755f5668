package scenarios

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func newcomersSystem() *scenario.System {
	return &scenario.System{
		Name:  "newcomers",
		Shows: "a hub with small limits, and strangers that connect to it by hand",
		Params: []scenario.Param{
			{Name: "cap", Default: "6", Least: "2", Doc: "connections that the hub's pool may hold"},
			{Name: "strangers", Default: "12", Least: "2", Doc: "strangers that come"},
			{Name: "handshakes", Default: "4", Least: "1", Doc: "newcomers whose hello was not answered yet, at most; and as many members"},
		},
		Requests: []plan.Verb{
			act("burst", "all strangers connect within a tenth of a second, again and again, faster than those who make room can leave"),
			act("doubles", "each stranger connects several times under one id"),
			act("say-nothing", "strangers connect and say nothing, or half a hello, or a byte now and then"),
			act("come-and-go", "strangers connect and leave at once, at every point of a hello"),
			act("die-at-the-door", "strangers die in the very moment in which they are let in, and while they wait for that"),
		},
		Open: openNewcomers,
	}
}

// newcomers is a run of the system.
type newcomers struct {
	s          *scenario.Stage
	cap        int
	handshakes int
	hub        *member
	strangers  []*stranger
}

// Limits of the hub, which are small, so that they are reached.
const (
	newcomersClosing = 3
	newcomersWaiting = 3
	newcomersDrain   = 500 * time.Millisecond
	newcomersHello   = 2 * time.Second
)

func openNewcomers(s *scenario.Stage) *scenario.Subject {
	stage(s)
	n := &newcomers{s: s, cap: s.Int("cap"), handshakes: s.Int("handshakes")}
	cfg := node.Config{OpenPeers: true, Handshakes: n.handshakes, Bootstrap: []node.Peer{peerOf(s, "friend")}}
	cfg.Pool.Cap, cfg.Pool.Closing, cfg.Pool.Waiting, cfg.Pool.Dials = n.cap, newcomersClosing, newcomersWaiting, 1
	cfg.Pool.DrainTimeout, cfg.Link.DrainTimeout, cfg.Link.HelloTimeout = newcomersDrain, newcomersDrain, newcomersHello
	cfg.Clients.Limit = n.cap
	n.hub = startNode(s, "hub", cfg)
	for i := range s.Int("strangers") {
		x := newStranger(s, fmt.Sprintf("stranger-%02d", i), n.hub, scenario.Link{Latency: hop, Jitter: hop})
		n.strangers = append(n.strangers, x)
	}
	return acts(map[string]func(){
		"burst": n.burst, "doubles": n.doubles, "say-nothing": n.sayNothing, "come-and-go": n.comeAndGo, "die-at-the-door": n.dieAtTheDoor,
	})
}

// visit is one of several connections of a stranger.
type visit struct {
	conn    transport.Conn
	control transport.Stream
	rd      *wire.Reader
	kind    byte // of the frame that answered the hello
}

// visit connects and says hello as a run of the stranger.
func (x *stranger) visit(ctx context.Context, to *member, role wire.Role, run uint64) (*visit, error) {
	conn, err := x.trans.Dial(ctx, to.place.Addr(), to.id)
	if err != nil {
		return nil, err
	}
	v := &visit{conn: conn}
	if v.control, err = conn.OpenStream(ctx); err != nil {
		return v, err
	}
	if _, err = v.control.Write(helloOf(role, run, 100)); err != nil {
		return v, err
	}
	v.rd = wire.NewReader(v.control, wire.MaxControl)
	v.kind, _, err = v.rd.Next()
	return v, err
}

// helloOf is the first bytes of a control stream: of a run, and with how many
// calls the other side may have in flight.
func helloOf(role wire.Role, run uint64, calls uint32) []byte {
	h := wire.Hello{MinVersion: wire.Version, MaxVersion: wire.Version, Role: role, Realm: realm, Session: run, MaxCalls: calls}
	return wire.AppendHello([]byte{wire.StreamControl}, &h)
}

// stay reads until the connection ends. Whoever is polite acknowledges that it
// is to leave.
func (v *visit) stay(polite bool) {
	for {
		kind, _, err := v.rd.Next()
		if err != nil {
			return
		}
		if kind == wire.KindGoAway && polite {
			v.control.Write(wire.AppendGoAwayAck(nil))
		}
	}
}

// close ends the connection, if there is one.
func (v *visit) close() {
	if v != nil && v.conn != nil {
		v.conn.CloseWithError(0, "")
	}
}

const propEach = "no more connections than the cap, those that leave and those that come"

// watchConns demands of the network's own books, after every event, that each
// connection of the hub has one of the places that there are. Those whose task
// has not begun yet, and those that are being refused, are as many as handshakes
// at most.
func (n *newcomers) watchConns() {
	hub, node := n.hub, n.hub.node
	n.s.Always(propEach, func() error {
		open := hub.place.Conns()
		if hub.node != node || open <= n.cap {
			return nil
		}
		st := node.Status()
		room := st.Pool.Cap + st.Pool.Closing + st.Pool.Waiting + st.Clients.Attached + 2*n.handshakes
		if open > room {
			return fmt.Errorf("%d are open, for %d places with %d that leave and %d that wait", open, room, st.Pool.Closing, st.Pool.Waiting)
		}
		return nil
	})
}

// burst lets all strangers connect at once, three times, within the time that
// others would call a grace period.
func (n *newcomers) burst() {
	s := n.s
	n.watchConns()
	in, out := 0, 0
	var jobs []*scenario.Job
	for round := range 3 {
		for i, x := range n.strangers {
			jobs = append(jobs, x.place.Go("burst", func() {
				// Not all in one instant: most would not get a handshake then.
				r := x.place.Runtime()
				rt.Sleep(context.Background(), r, time.Duration(r.Rand("burst").IntN(40))*hop)
				v, err := x.visit(context.Background(), n.hub, wire.RolePeer, uint64(i+1))
				defer v.close()
				if err == nil && v.kind == wire.KindWelcome {
					in++
					v.stay(i%2 == 0)
				} else {
					out++
				}
			}))
		}
		s.Sleep(time.Duration(100+200*round) * time.Millisecond)
	}
	s.Sleep(newcomersDrain + newcomersHello + time.Second)
	st := n.hub.node.Status().Pool
	s.Check(st.Open == n.cap && n.hub.place.Conns() == n.cap, "after a burst the pool is full and nobody else is left", "%d in the pool, %d open, the cap is %d", st.Open, n.hub.place.Conns(), n.cap)
	s.Check(in > n.cap && st.Evicted > 0, "more come than there is room for", "%d were let in", in)
	s.Sometimes("a burst met its limits", out > 0)
	for _, x := range n.strangers {
		x.place.Do("leave", func() { x.trans.Close() })
	}
	for _, j := range jobs {
		j.Wait()
	}
}

// doubles lets each stranger connect several times under its id, as one run
// and as a new one, and stay.
func (n *newcomers) doubles() {
	s := n.s
	n.watchConns()
	rnd := s.Rand("doubles")
	few := n.strangers[:n.cap]
	var jobs []*scenario.Job
	for round := range 4 {
		for i, x := range few {
			for k := range 2 {
				wait := time.Duration(rnd.IntN(4)) * hop
				jobs = append(jobs, x.place.Go("again", func() {
					rt.Sleep(context.Background(), x.place.Runtime(), wait)
					v, err := x.visit(context.Background(), n.hub, wire.RolePeer, uint64(1+(round+k)/2))
					defer v.close()
					if err == nil && v.kind == wire.KindWelcome {
						v.stay(i%2 == 0)
					}
				}))
			}
		}
		s.Sleep(150 * time.Millisecond)
		n.share(few)
	}
	s.Sleep(newcomersDrain + newcomersHello + time.Second)
	st := n.hub.node.Status()
	held := st.Ledger.Usage[ledger.Conn].Count
	s.Check(held == n.hub.place.Conns(), "the ledger counts connections and not peers", "it counts %d, %d are open", held, n.hub.place.Conns())
	s.Check(st.Pool.Open == n.hub.place.Conns() && st.Pool.Open <= n.cap, "the ledger counts connections and not peers", "%d in the pool, %d open", st.Pool.Open, n.hub.place.Conns())
	s.Check(st.Pool.Superseded > 0, "peers have two connections at a time", "none had")
	for _, x := range few {
		x.place.Do("leave", func() { x.trans.Close() })
	}
	for _, j := range jobs {
		j.Wait()
	}
}

// share demands that no stranger holds more connections than a peer may, and
// that all that are open at the hub are in the books.
func (n *newcomers) share(few []*stranger) {
	const each = 4
	st := n.hub.node.Status()
	booked, open := st.Ledger.Usage[ledger.Conn].Count, n.hub.place.Conns()
	n.s.Check(open <= booked, "the ledger counts connections and not peers", "it counts %d, %d are open", booked, open)
	n.s.Check(booked <= each*len(few), "one peer has no more connections than its share", "%d of %d peers", booked, len(few))
}

const propHandshakes = "no more newcomers than handshakes are allowed, and none for longer"

// sayNothing lets strangers connect who do not finish their hello, while a
// member comes, and clients who do.
func (n *newcomers) sayNothing() {
	s := n.s
	n.watchConns()
	hub, running := n.hub, n.hub.node
	s.Always(propHandshakes, func() error {
		if hub.node != running {
			return nil
		}
		if t := running.Status().Transport; t.Accepting > n.handshakes {
			return fmt.Errorf("%d handshakes, the limit is %d", t.Accepting, n.handshakes)
		}
		return nil
	})
	var jobs []*scenario.Job
	refused := 0
	for i, x := range n.strangers {
		if i%6 == 5 {
			x.place.StallHandshakes(true)
		}
		jobs = append(jobs, x.place.Go("say nothing", func() {
			for range 3 {
				if n.mute(x, i) {
					refused++
				}
				rt.Sleep(context.Background(), x.place.Runtime(), time.Duration(i)*hop)
			}
		}))
	}
	s.Sleep(10 * hop)
	s.SetLink(hub.place, s.Place("friend"), scenario.Link{Latency: hop})
	friend := startPeer(s, "friend", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
	s.Eventually(5*time.Second, "a member comes in past strangers who say nothing", func() bool { return friend.peers() == 1 })
	for _, j := range jobs {
		j.Wait()
	}
	s.Sometimes("a stranger found no place", refused > 0)
	s.Sleep(100 * time.Millisecond)
	v, err := n.polite(0)
	s.Check(err == nil && v.kind == wire.KindWelcome, "who says hello is let in when the others are over", "%v", err)
	n.strangers[0].place.Do("leave", v.close)
}

// mute connects and does not finish a hello, in one of four ways. It reports
// whether there was no place for it, and demands that it is not kept.
func (n *newcomers) mute(x *stranger, way int) (refused bool) {
	r := x.place.Runtime()
	ctx, cancel := r.WithTimeout(context.Background(), 2*newcomersHello)
	defer cancel()
	conn, err := x.trans.Dial(ctx, n.hub.place.Addr(), n.hub.id)
	if err != nil {
		return true
	}
	begun := r.Now()
	hello := helloOf(wire.RolePeer, 1, 100)
	if way%4 > 0 {
		hello = hello[:[]int{0, 1, len(hello) / 2, len(hello) - 1}[way%4]]
		if s, err := conn.OpenStream(ctx); err == nil {
			for i := range hello {
				s.Write(hello[i : i+1])
				if way%4 == 3 {
					rt.Sleep(conn.Context(), r, newcomersHello/8)
				}
			}
		}
	}
	kept, stop := r.WithTimeout(conn.Context(), 2*newcomersHello)
	defer stop()
	r.NewParker().Park(kept)
	took := r.Now().Sub(begun)
	n.s.Check(took <= newcomersHello+10*hop+n.s.Slack(), propHandshakes, "one that said nothing was kept for %v, want %v", took, newcomersHello)
	return took < newcomersHello/2
}

// polite lets a stranger come as it should.
func (n *newcomers) polite(i int) (v *visit, err error) {
	x := n.strangers[i]
	x.do("hello", func(ctx context.Context) { v, err = x.visit(ctx, n.hub, wire.RoleClient, 9) })
	return v, err
}

// comeAndGo lets strangers connect and leave at once, a hundred times over, at
// every point of a hello. Soon after, nothing of them is left: sooner than
// any timeout would have seen to it.
func (n *newcomers) comeAndGo() {
	s := n.s
	n.watchConns()
	s.Sleep(time.Second)
	base := n.hub.place.Leaks()
	var jobs []*scenario.Job
	for i, x := range n.strangers {
		jobs = append(jobs, x.place.Go("come and go", func() {
			for k := range 12 {
				n.passBy(x, (i+k)%6)
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	s.Sleep(newcomersHello / 4)
	left := n.hub.place.Leaks()
	s.Check(len(left) <= len(base), "soon nothing is left of those who came and went", "%d tasks, timers and contexts, %d before", len(left), len(base))
	s.Check(n.hub.node.Status().Ledger.Leases == 0, "soon nothing is left of those who came and went", "%d leases", n.hub.node.Status().Ledger.Leases)
}

// passBy connects and goes so far, and no further.
func (n *newcomers) passBy(x *stranger, far int) {
	ctx, cancel := x.place.Runtime().WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := x.trans.Dial(ctx, n.hub.place.Addr(), n.hub.id)
	if err != nil {
		return
	}
	defer conn.CloseWithError(0, "")
	if far == 0 {
		return
	}
	s, err := conn.OpenStream(ctx)
	if err != nil || far == 1 {
		return
	}
	hello := helloOf([]wire.Role{wire.RolePeer, wire.RoleClient}[far%2], 1, 100)
	if far == 2 {
		s.Write(hello[:3])
		return
	}
	s.Write(hello)
	if far >= 4 {
		io.ReadFull(s, make([]byte, 1))
	}
	if far == 5 {
		rt.Sleep(ctx, x.place.Runtime(), 2*hop)
	}
}

const propDoor = "who has died at the door is in no table, and has cost nobody a place"

// dieAtTheDoor fills the pool with peers that are slow to leave, so that some
// newcomers wait for room, and lets those die: long before there is room, or
// within a round trip of that.
func (n *newcomers) dieAtTheDoor() {
	s := n.s
	rnd := s.Rand("die at the door")
	for _, x := range n.strangers {
		s.SetLink(n.hub.place, x.place, scenario.Link{Latency: hop})
	}
	residents, others := n.strangers[:n.cap], n.strangers[n.cap:]
	for round := range 8 {
		early := round%4 == 0
		in := n.visitAll(residents)
		s.Sleep(20 * hop)
		before := n.hub.node.Status().Pool
		s.Check(before.Open == n.cap, "residents fill the pool", "%d of %d", before.Open, n.cap)
		late := n.visitAll(others)
		// The first of them are let in when their hello arrives, three hops
		// from now, and those for whom they make room are gone a drain later.
		room := 3*hop + newcomersDrain
		if early {
			room = room / 2
		}
		var dying []*scenario.Job
		for _, x := range others {
			at := room - hop + time.Duration(rnd.IntN(5)-2)*hop
			dying = append(dying, x.place.Go("die", func() {
				rt.Sleep(context.Background(), x.place.Runtime(), at)
				if v := late[x]; v != nil && v.kind == 0 { // not let in yet, as far as it knows
					v.close()
				}
			}))
		}
		s.Sleep(newcomersDrain / 4)
		waiting := n.hub.node.Status().Pool.Waiting
		s.Check(waiting > 0, "some wait at the door", "nobody does")
		for _, j := range dying {
			j.Wait()
		}
		s.Sleep(newcomersDrain + 20*hop)
		n.settledDoor(before.Evicted, early)
		for _, x := range residents {
			x.place.Do("leave", in[x].close)
		}
		for _, x := range others {
			x.place.Do("leave", late[x].close)
		}
		s.Sleep(20 * hop)
	}
}

// visits are connections of strangers, by who made them.
type visits map[*stranger]*visit // for lookup only

// visitAll lets strangers connect as peers at once, each in a task.
func (n *newcomers) visitAll(list []*stranger) visits {
	out := visits{}
	for i, x := range list {
		x.place.Go("visit", func() {
			conn, err := x.trans.Dial(context.Background(), n.hub.place.Addr(), n.hub.id)
			if err != nil {
				return
			}
			v := &visit{conn: conn}
			out[x] = v
			if v.control, err = conn.OpenStream(context.Background()); err == nil {
				v.control.Write(helloOf(wire.RolePeer, uint64(i+1), 100))
				v.kind, _, _ = wire.NewReader(v.control, wire.MaxControl).Next()
			}
		})
	}
	return out
}

// settledDoor demands that the tables hold whoever lives and nobody else.
func (n *newcomers) settledDoor(evicted uint64, early bool) {
	st, open := n.hub.node.Status(), n.hub.place.Conns()
	n.s.Check(st.Pool.Open == open && st.Pool.Waiting == 0 && st.Pool.Closing == 0, propDoor,
		"%d in the pool, %d wait, %d leave; %d are open", st.Pool.Open, st.Pool.Waiting, st.Pool.Closing, open)
	if early {
		n.s.Check(st.Pool.Evicted-evicted == newcomersClosing, propDoor, "%d had to make room for %d who were let in", st.Pool.Evicted-evicted, newcomersClosing)
	}
	n.s.Sometimes("died as it was let in", !early && st.Pool.Evicted-evicted > newcomersClosing)
}
