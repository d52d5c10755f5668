package worlds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

const realm = "org.example.worlds"

// Story returns a story of three nodes and some clients that meets every end
// that a call, a client and a service can come to. What those who took part saw
// is written into out, a line for each thing: results and kinds of faults,
// never how long something took, so that every world writes the same.
func Story(out *strings.Builder) *scenario.Scenario {
	return &scenario.Scenario{
		Name: "three-worlds", Shows: "what callers, clients and services see, in any world",
		Play: func(s *scenario.Stage) {
			w := &story{s: s, out: out}
			for _, act := range []func(){
				w.meet, w.sizes, w.faults, w.givesUp, w.limits, w.strangers, w.expiry, w.takeover, w.leaves, w.crash, w.drain, w.books,
			} {
				act()
			}
		},
	}
}

// story is what the acts share. One task runs at a time in every world.
type story struct {
	s       *scenario.Stage
	out     *strings.Builder
	a, b, c *member
	k       *guest // attached to a

	running int  // handlers that wait for open
	open    bool // they may return
	ended   int  // handlers whose context has ended
}

// say writes a line.
func (w *story) say(format string, args ...any) {
	fmt.Fprintf(w.out, format+"\n", args...)
}

// until waits for something that takes a moment in one world and longer in
// another.
func (w *story) until(what string, cond func() bool) {
	w.s.Eventually(20*time.Second, what, cond)
}

// member is a node at a place.
type member struct {
	w     *story
	place *scenario.Place
	id    transport.PeerID
	node  *node.Node
}

// quick lets dials and connections notice soon that nobody is at the other end.
// They are long enough for a machine that has other things to do.
var quick = transport.Config{HandshakeTimeout: 3 * time.Second, IdleTimeout: 4 * time.Second, KeepAlive: time.Second}

func (w *story) idOf(name string) transport.PeerID { return ident.Simulated(w.s.Seed(), name) }

// start makes a node that knows the others, and serves it until the end.
func (w *story) start(name string, others ...string) *member {
	m := &member{w: w, place: w.s.Place(name), id: w.idOf(name)}
	m.boot(others...)
	w.s.Defer(m.close)
	return m
}

func (m *member) boot(others ...string) {
	cfg := node.Config{Realm: realm}
	cfg.Clients.Limit, cfg.Server.MaxHandlers, cfg.Ledger.Strict = 2, 2, true
	for _, o := range others {
		cfg.Bootstrap = append(cfg.Bootstrap, node.Peer{ID: m.w.idOf(o), Addr: m.w.s.Place(o).Addr()})
	}
	n, err := node.New(cfg, node.Deps{
		Runtime: m.place.Runtime(), Transport: m.place.Transport(m.id, quick), ID: m.id, Log: m.place.Logger(),
	})
	if !m.w.s.Check(err == nil, "a node can be built", "%v", err) {
		return
	}
	m.node = n
	m.place.Always("every table stays within its limit", n.Check)
	m.place.Go("node", func() { n.Serve(context.Background()) })
	m.w.until("a node listens", n.Ready)
}

// close ends the node in good order and says what is left of it.
func (m *member) close() {
	if n := m.node; n != nil {
		m.node = nil
		m.place.Do("close", n.Close)
		m.place.Forget()
		m.w.s.Check(n.Leftovers() == node.Leftovers{}, "a closed node leaves nothing behind", "%+v", n.Leftovers())
	}
}

// provide advertises a service at the node.
func (m *member) provide(name string, h node.Handler, opt node.AdvertiseOptions) {
	_, err := m.node.Advertise(name, h, opt)
	m.w.s.Check(err == nil, "a service can be advertised", "%s: %v", name, err)
}

// knows is how many providers of a name the node knows.
func (m *member) knows(name string) (count int) {
	for _, e := range m.node.Services() {
		if e.Name == name {
			count++
		}
	}
	return count
}

// call calls from the node and says what came of it.
func (m *member) call(name string, size int, timeout time.Duration, idempotent bool) string {
	n := m.node
	return m.w.ask(m.place, size, timeout, func(ctx context.Context, body []byte) ([]byte, error) {
		return n.Call(ctx, name, body, node.CallOptions{Idempotent: idempotent})
	})
}

// guest is a client at a place.
type guest struct {
	w      *story
	place  *scenario.Place
	client *client.Client
	trans  transport.Transport
}

// visit makes a client of the node, as the id of a name, and attaches it.
func (w *story) visit(place, as, realm string, gw *member) (*guest, error) {
	g := &guest{w: w, place: w.s.Place(place)}
	cfg := client.Config{Realm: realm, NoReconnect: true, Gateways: []client.Gateway{{ID: gw.id, Addr: gw.place.Addr()}}}
	g.trans = g.place.Transport(w.idOf(as), quick)
	var err error
	g.client, err = client.New(cfg, client.Deps{
		Runtime: g.place.Runtime(), Transport: g.trans, ID: w.idOf(as), Log: g.place.Logger(),
	})
	w.s.Check(err == nil, "a client can be built", "%v", err)
	w.s.Defer(g.close)
	g.place.Do("attach", func() {
		ctx, cancel := g.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = g.client.Attach(ctx)
	})
	return g, err
}

func (g *guest) close() {
	if g.client == nil {
		return
	}
	k := g.client
	g.client = nil
	g.place.Do("close", func() {
		ctx, cancel := g.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		k.Close(ctx)
		g.trans.Close()
	})
}

func (g *guest) call(name string, size int, timeout time.Duration) string {
	return g.w.ask(g.place, size, timeout, func(ctx context.Context, body []byte) ([]byte, error) {
		return g.client.Call(ctx, name, body, false)
	})
}

// ask makes a call at a place and says what came of it.
func (w *story) ask(p *scenario.Place, size int, timeout time.Duration, call func(context.Context, []byte) ([]byte, error)) (saw string) {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * 7)
	}
	p.Do("call", func() {
		ctx, cancel := p.Runtime().WithTimeout(context.Background(), timeout)
		defer cancel()
		answer, err := call(ctx, body)
		switch {
		case err != nil:
			saw = described(err)
		case string(answer) != string(body):
			saw = fmt.Sprintf("%d other bytes", len(answer))
		default:
			saw = fmt.Sprintf("%d bytes", len(answer))
		}
	})
	return saw
}

// described is the kind of a fault and what its caller has to know of it.
func described(err error) string {
	if err == nil {
		return "no fault"
	}
	text := fault.KindOf(err).String()
	if fault.Executed(err) {
		text += ", may have run"
	}
	if fault.RetryAfter(err) > 0 {
		text += ", later"
	}
	return text
}

func echo(_ context.Context, req *node.Request) ([]byte, error) { return req.Body, nil }

// held is an echo that waits for open.
func (w *story) held(r rt.Runtime) node.Handler {
	return func(ctx context.Context, req *node.Request) ([]byte, error) {
		w.running++
		defer func() { w.running-- }()
		for !w.open {
			if err := rt.Sleep(ctx, r, 5*time.Millisecond); err != nil {
				w.ended++
				return nil, err
			}
		}
		return req.Body, nil
	}
}
