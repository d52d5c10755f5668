package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// link is one end of a connection between two discoveries. Frames arrive in
// order, after a latency.
type link struct {
	x      *world
	owner  *member // at this end
	peer   *member // at the other end
	other  *link
	ctx    context.Context
	cancel context.CancelCauseFunc
	full   bool // Tell fails
	mute   bool // what is said does not arrive
	slow   time.Duration
	order  uint64
	flight [][]byte // oldest first
}

func (l *link) Peer() transport.PeerID     { return l.peer.id }
func (l *link) RemoteAddr() transport.Addr { return addr(l.peer.id) }
func (l *link) Incarnation() uint64        { return 1 }
func (l *link) Context() context.Context   { return l.ctx }

func (l *link) Drained(context.Context) error { return nil }

func (l *link) Send(ctx context.Context, frame func([]byte) []byte) error {
	if err := rt.Sleep(ctx, l.x.m, l.slow); err != nil {
		return err
	}
	return l.put(frame)
}

func (l *link) Tell(frame func([]byte) []byte) error {
	if l.full {
		return fault.New("link.Tell", fault.Overload, "full")
	}
	return l.put(frame)
}

func (l *link) put(frame func([]byte) []byte) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	b := frame(nil)
	if l.mute {
		return nil
	}
	l.peer.heard++
	l.flight = append(l.flight, b)
	// Two timers of one instant fire in any order: each takes the oldest frame.
	l.x.m.AfterInline(5*time.Millisecond, func() {
		b := l.flight[0]
		l.flight = l.flight[1:]
		if l.other.ctx.Err() == nil {
			handled, err := l.peer.d.Frame(l.other, b[4], b[5:])
			if !handled || err != nil {
				l.x.w.Fail(fmt.Errorf("frame %d: handled %v, %v", b[4], handled, err))
			}
		}
	})
	return nil
}

// member is one discovery with what it has learnt.
type member struct {
	id    transport.PeerID
	d     *discovery.Told
	learn map[string]map[transport.PeerID]uint64 // versions, by name and provider
	own   map[string]bool
	links []*link
	heard int
}

type world struct {
	w  *sim.World
	m  *sim.Machine
	ms []*member

	order uint64 // of the last link
}

func addr(id transport.PeerID) transport.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, id[0]}), 4433)
}

func newWorld(seed uint64, n int, cfg discovery.Config) *world {
	x := &world{w: sim.New(sim.Config{Seed: seed})}
	x.m = x.w.Machine("m")
	for i := range n {
		m := &member{id: transport.PeerID{byte(i + 1)}, learn: map[string]map[transport.PeerID]uint64{}, own: map[string]bool{}}
		m.d = discovery.NewTold(cfg, discovery.Deps{
			Runtime: x.m, Self: m.id, Addr: func() transport.Addr { return addr(m.id) },
			Learn: m.keep, Unlearn: m.drop, Known: m.known,
		})
		x.w.AfterEach(m.d.Audit)
		x.ms = append(x.ms, m)
	}
	return x
}

func (m *member) keep(f discovery.Found) error {
	if f.Addr != addr(f.Provider) || f.TTL <= 0 {
		return fmt.Errorf("%+v", f)
	}
	if m.learn[f.Name] == nil {
		m.learn[f.Name] = map[transport.PeerID]uint64{}
	}
	if f.Version < m.learn[f.Name][f.Provider] {
		return fault.New("test", fault.Superseded, "older")
	}
	m.learn[f.Name][f.Provider] = f.Version
	return nil
}

func (m *member) drop(name string, provider transport.PeerID, _, version uint64) {
	if m.learn[name][provider] <= version {
		delete(m.learn[name], provider)
	}
}

func (m *member) known(name string, buf []wire.Provider) []wire.Provider {
	if m.own[name] {
		buf = append(buf, wire.Provider{ID: m.id, Addr: addr(m.id), TTL: time.Minute})
	}
	return buf
}

// connect makes two members peers.
func (x *world) connect(a, b *member) *link {
	l, o := &link{x: x, owner: a, peer: b}, &link{x: x, owner: b, peer: a}
	l.other, o.other = o, l
	for _, e := range []*link{l, o} {
		e.ctx, e.cancel = x.m.WithCancelCause(context.Background())
		e.owner.links = append(e.owner.links, e)
		x.order++
		e.order = x.order
		e.owner.d.Up(e, e.order)
	}
	return l
}

// cut ends a connection.
func (l *link) cut() {
	for _, e := range []*link{l, l.other} {
		if e.ctx.Err() == nil {
			e.cancel(transport.ErrClosed)
			e.owner.d.Down(e)
		}
	}
}

func (x *world) finish() error {
	for _, m := range x.ms {
		for _, l := range m.links {
			l.cut()
		}
	}
	for _, m := range x.ms {
		x.m.Go("close", m.d.Close)
	}
	if err := x.w.Run(); err != nil {
		return err
	}
	if l := x.w.Leaks(); len(l) > 0 {
		return fmt.Errorf("left: %v", l)
	}
	for _, m := range x.ms {
		if s := m.d.Stats(); s.Peers+s.Asks != 0 {
			return fmt.Errorf("left: %+v", s)
		}
	}
	return nil
}

// Over all advertisements, withdrawals, slow and lost connections: when it is
// quiet, every connected peer has heard the last word on every name.
func TestEveryConnectedPeerHearsTheLastWord(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		x := newWorld(rapid.Uint64().Draw(t, "seed"), 3, discovery.Config{SendBatch: rapid.IntRange(1, 3).Draw(t, "batch")})
		defer x.w.Close()
		a := x.ms[0]
		live := map[*member]*link{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			m := x.ms[rapid.IntRange(1, 2).Draw(t, "peer")]
			switch rapid.SampledFrom([]string{"advertise", "advertise", "withdraw", "connect", "cut", "time"}).Draw(t, "command") {
			case "advertise":
				if err := a.d.Advertise(name, time.Hour); err != nil {
					t.Fatal(err)
				}
				a.own[name] = true
			case "withdraw":
				a.d.Withdraw(name)
				delete(a.own, name)
			case "connect":
				if l := live[m]; l != nil && rapid.Bool().Draw(t, "the old one ends first") {
					l.cut()
				}
				old := live[m]
				live[m] = x.connect(a, m)
				live[m].slow = time.Duration(rapid.IntRange(0, 20).Draw(t, "slow")) * time.Millisecond
				if old != nil {
					old.cut()
				}
			case "cut":
				if l := live[m]; l != nil {
					l.cut()
				}
			case "time":
				if err := x.w.RunFor(time.Duration(rapid.IntRange(0, 30).Draw(t, "ms")) * time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := x.w.RunFor(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		for m, l := range live {
			if l.ctx.Err() != nil {
				continue
			}
			for _, name := range names {
				if _, ok := m.learn[name][a.id]; ok != a.own[name] {
					t.Fatalf("%s: provided %v, and the peer believes %v", name, a.own[name], ok)
				}
			}
		}
		if err := x.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestANameThatChangesOftenIsSentOnce(t *testing.T) {
	x := newWorld(1, 2, discovery.Config{})
	defer x.w.Close()
	a, b := x.ms[0], x.ms[1]
	l := x.connect(a, b)
	l.slow = time.Second // the first one is on its way for so long
	a.d.Advertise("first", time.Hour)
	x.w.RunFor(time.Millisecond)
	for range 100 {
		a.d.Advertise("often", time.Hour)
		a.d.Withdraw("often")
	}
	a.d.Advertise("often", time.Hour)
	if err := x.w.RunFor(time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.learn["often"]; !ok || b.heard != 2 {
		t.Errorf("%d frames, learnt %v", b.heard, b.learn)
	}
	if err := x.finish(); err != nil {
		t.Error(err)
	}
}

func TestAQuestionEndsWhenSomebodyKnowsOrNobodyIsLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(x *world)
		took time.Duration
		err  fault.Kind
	}{
		{"somebody knows", func(x *world) { x.ms[2].own["a"] = true }, 10 * time.Millisecond, 0},
		{"nobody knows", func(*world) {}, 10 * time.Millisecond, 0},
		{"nobody is connected", func(x *world) {
			for _, l := range x.ms[0].links {
				l.cut()
			}
		}, 0, 0},
		{"one does not answer", func(x *world) { x.ms[1].links[0].mute = true }, time.Second, fault.Deadline},
		{"one does not listen", func(x *world) { x.ms[0].links[0].full = true }, 10 * time.Millisecond, 0},
		{"one leaves", func(x *world) {
			x.ms[1].links[0].mute = true
			x.m.AfterInline(100*time.Millisecond, x.ms[0].links[0].cut)
		}, 100 * time.Millisecond, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(1, 4, discovery.Config{})
			defer x.w.Close()
			for _, m := range x.ms[1:] {
				x.connect(x.ms[0], m)
			}
			x.w.RunFor(time.Second)
			c.do(x)
			x.m.Go("ask", func() {
				ctx, cancel := x.m.WithTimeout(context.Background(), time.Second)
				defer cancel()
				begun := x.m.Now()
				err := x.ms[0].d.Ask(ctx, "a")
				if took := x.m.Now().Sub(begun); took != c.took || fault.KindOf(err) != c.err {
					t.Errorf("%v after %v", err, took)
				}
			})
			x.w.RunFor(time.Minute)
			if _, ok := x.ms[0].learn["a"][x.ms[2].id]; ok != x.ms[2].own["a"] {
				t.Errorf("learnt: %v", x.ms[0].learn)
			}
			if err := x.finish(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQuestionsAreBoundedAndAskFew(t *testing.T) {
	x := newWorld(1, 12, discovery.Config{Asks: 2, Fanout: 3})
	defer x.w.Close()
	for _, m := range x.ms[1:] {
		x.connect(x.ms[0], m).other.mute = true // nobody answers
	}
	over := 0
	for range 3 {
		x.m.Go("ask", func() {
			ctx, cancel := x.m.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := x.ms[0].d.Ask(ctx, "a"); fault.KindOf(err) == fault.Overload {
				over++
			}
		})
	}
	x.w.RunFor(10 * time.Millisecond)
	asked := 0
	for _, m := range x.ms[1:] {
		asked += m.heard
	}
	if over != 1 || asked != 6 {
		t.Errorf("%d refused, %d asked", over, asked)
	}
	if err := x.w.Run(); err != nil {
		t.Error(err)
	}
	if s := x.ms[0].d.Stats(); s.Asks != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNobodySpeaksForSomebodyElse(t *testing.T) {
	x := newWorld(1, 2, discovery.Config{Names: 2})
	defer x.w.Close()
	a, b := x.ms[0], x.ms[1]
	l := x.connect(a, b)
	third := transport.PeerID{9}
	for name, frame := range map[string][]byte{
		"advertise":   wire.AppendAdvertise(nil, &wire.Advertise{Name: "a", Provider: third, Version: 1, TTL: time.Hour, Addr: addr(third)}),
		"withdraw":    wire.AppendWithdraw(nil, &wire.Withdraw{Name: "a", Provider: third, Version: 1}),
		"half a name": {0, 0, 0, 2, wire.KindAdvertise, 200},
	} {
		handled, err := a.d.Frame(l, frame[4], frame[5:])
		if !handled || fault.KindOf(err) != fault.Protocol {
			t.Errorf("%s: handled %v, %v", name, handled, err)
		}
	}
	// An answer that nobody asked for teaches nothing.
	f := wire.AppendAnswer(nil, &wire.Answer{ID: 77, Name: "a", Found: []wire.Provider{{ID: third, Addr: addr(third), TTL: time.Hour}}})
	if _, err := a.d.Frame(l, f[4], f[5:]); err != nil || len(a.learn) != 0 {
		t.Errorf("%v, learnt %v", err, a.learn)
	}
	if handled, _ := a.d.Frame(l, wire.KindPing, nil); handled {
		t.Error("it handles frames of others")
	}
	a.d.Advertise("a", time.Hour)
	a.d.Advertise("b", time.Hour)
	if err := a.d.Advertise("c", time.Hour); fault.KindOf(err) != fault.Overload {
		t.Errorf("over the limit of names: %v", err)
	}
	if err := a.d.Advertise("b", time.Hour); err != nil {
		t.Errorf("renewed at the limit: %v", err)
	}
	if err := x.finish(); err != nil {
		t.Error(errors.Unwrap(err), err)
	}
}

// Withdrawn names are remembered so that slow peers hear of them. They must
// not keep a new name out, and neither must those whose time is over.
func TestWhatIsOverMakesRoomForANewName(t *testing.T) {
	x := newWorld(1, 2, discovery.Config{Names: 3})
	defer x.w.Close()
	a, b := x.ms[0], x.ms[1]
	x.connect(a, b)
	advertise := func(name string, ttl time.Duration, want fault.Kind) {
		t.Helper()
		if err := a.d.Advertise(name, ttl); fault.KindOf(err) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err := x.w.RunFor(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	advertise("lasts", time.Hour, 0)
	for i := range 10 {
		name := fmt.Sprintf("short.%d", i)
		advertise(name, time.Hour, 0)
		a.d.Withdraw(name)
	}
	advertise("expires", 3*time.Second, 0)
	advertise("more", time.Hour, 0)
	advertise("too.many", time.Hour, fault.Overload)
	x.w.RunFor(time.Second)
	advertise("in.its.place", time.Hour, 0)
	for name, want := range map[string]bool{"lasts": true, "more": true, "too.many": false, "in.its.place": true, "short.3": false} {
		if _, ok := b.learn[name][a.id]; ok != want {
			t.Errorf("%s: the peer believes %v", name, ok)
		}
	}
	if err := x.finish(); err != nil {
		t.Error(err)
	}
}

// Two connections to one peer are admitted one after the other, and the task
// of the older one comes last: the newer one is told all the same, and the end
// of the older one changes nothing.
func TestTheOlderLinkDoesNotTakeThePlaceOfTheNewer(t *testing.T) {
	x := newWorld(1, 2, discovery.Config{})
	defer x.w.Close()
	a, b := x.ms[0], x.ms[1]
	older := &link{x: x, owner: a, peer: b}
	older.other = older
	older.ctx, older.cancel = x.m.WithCancelCause(context.Background())
	newer := x.connect(a, b)
	a.d.Up(older, 0)
	a.d.Down(older)
	older.cancel(nil)
	if err := a.d.Advertise("late", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := x.w.RunFor(time.Second); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.learn["late"][a.id]; !ok || newer.ctx.Err() != nil {
		t.Error("the peer was not told over the newer link")
	}
	if err := x.finish(); err != nil {
		t.Fatal(err)
	}
}
