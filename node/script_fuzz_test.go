package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// FuzzScript plays its input as a script of what peers without manners do to a
// real node: frames of every kind, valid, mutated, repeated and out of order,
// on shared and own streams, with resets, half closes and datagrams, before and
// after the hello, as a client, as a node, and as the node itself, on several
// connections. The node must keep its limits after every event and agree with
// its own recount, an honest client beside must be answered all the time, and
// when the peers have gone nothing of them may be left.
func FuzzScript(f *testing.F) {
	for _, s := range scripts() {
		f.Add(s.tape)
	}
	f.Fuzz(func(t *testing.T, tape []byte) { playScript(t, tape) })
}

// A script that fails has to fail again when it is played again.
func TestAScriptTakesTheSamePathEachTime(t *testing.T) {
	for _, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			if a, b := playScript(t, s.tape), playScript(t, s.tape); a.hash != b.hash {
				t.Errorf("%x, and then %x", a.hash, b.hash)
			}
		})
	}
}

// The scripts that the fuzzer begins with reach what they are named after, so
// it begins behind the hello and not in front of it.
func TestTheScriptsReachWhatTheyAreNamedAfter(t *testing.T) {
	for _, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			x := playScript(t, s.tape)
			if s.reaches != nil && !s.reaches(x) {
				t.Errorf("it did not; %d events, the node: %+v, %d honest calls, and this was played:\n%s", x.w.Events(), x.last, x.honest, x.played())
			}
		})
	}
}

// The names in a script. A provider of honestName that is not the node itself
// would be a liar whom the honest client is free to ask.
const honestName = "honest.echo"

// scriptWorld is a node, an honest client of it, and the peers of a script.
type scriptWorld struct {
	t    *testing.T
	w    *sim.World
	net  *netsim.Net
	host *netsim.Host // of the node
	m    *sim.Machine // of the node
	id   transport.PeerID
	n    *node.Node

	first  *honestClient
	honest int // calls of honest clients that were answered
	asked  int // calls of the node that have not ended
	peers  *scriptPeers
	last   node.Status // when the script had ended
	hash   uint64
	failed bool
}

// honestClient is a client that keeps to the protocol.
type honestClient struct {
	m  *sim.Machine
	tr transport.Transport
	c  *client.Client
}

// scriptConfig has small tables, so that a short script fills them.
func scriptConfig(peer transport.PeerID) node.Config {
	return node.Config{
		Realm: testRealm, Peers: []transport.PeerID{peer},
		Handshakes: 4, CleanupInterval: 5 * time.Second, DrainTimeout: 2 * time.Second, IdleAfter: 20 * time.Second,
		Link:     link.Config{MaxCalls: 4, MaxBody: 64 << 10, QueueBytes: 32 << 10},
		Pool:     pool.Config{Cap: 1, Dials: 2, Waiting: 2, Closing: 2, Remembered: 4, Targets: 4},
		Clients:  clients.Config{Limit: 4},
		Registry: registry.Config{Entries: 24, PerOwner: 8, Providers: 4, TTL: 5 * time.Second, MaxTTL: 10 * time.Second},
		Caller:   rpc.CallerConfig{MaxTimeout: 2 * time.Second, Lookups: 4},
		Ledger:   ledger.Config{Strict: true, Peer: ledger.Limits{Conn: ledger.Limit{Count: 4}, Stream: ledger.Limit{Count: 16}, Queue: ledger.Limit{Count: 4, Bytes: 256 << 10}, Entry: ledger.Limit{Count: 16}}},
	}
}

// playScript plays a script to its end, with all demands.
func playScript(t *testing.T, tape []byte) *scriptWorld {
	x := &scriptWorld{t: t, w: sim.New(sim.Config{Seed: 1, LogLevel: slog.LevelError + 1, MaxEvents: 2_000_000, NoSites: true})}
	defer x.w.Close()
	x.net = netsim.New(netsim.Config{Runtime: x.w.Machine("net"), Link: netsim.Link{Latency: time.Millisecond, Jitter: 200 * time.Microsecond}})
	x.host, x.m, x.id = x.net.Host("n"), x.w.Machine("n"), ident.Simulated(1, "n")
	x.peers = newScriptPeers(x, tape)
	x.story()
	if err := x.w.Failed(); err != nil && !x.failed {
		x.fail("%v\n%s", err, failureStack(err))
	}
	x.hash = x.w.Hash()
	return x
}

func (x *scriptWorld) fail(format string, args ...any) {
	x.t.Helper()
	x.failed = true
	x.t.Errorf(format+"\nafter this script:\n%s", append(args, x.played())...)
}

func (x *scriptWorld) played() string { return strings.Join(x.peers.log, "\n") }

// until lets the world go on until cond holds, and reports whether it does.
func (x *scriptWorld) until(what string, limit time.Duration, cond func() bool) bool {
	if x.failed {
		return false
	}
	if err := x.w.RunUntil(cond, limit); err != nil {
		var detail string
		if x.n != nil {
			detail = fmt.Sprintf("%+v, leases %v", x.n.Status(), x.n.Peers())
		}
		x.fail("%s: %v\n%s\n%s", what, err, failureStack(err), detail)
		return false
	}
	return true
}

// do runs f as a task of a machine to its end.
func (x *scriptWorld) do(what string, m *sim.Machine, limit time.Duration, f func()) bool {
	if x.failed {
		return false
	}
	done := false
	m.Go(what, func() { f(); done = true })
	return x.until(what, limit, func() bool { return done })
}

func (x *scriptWorld) story() {
	cfg := scriptConfig(x.peers.ids[0])
	tr := x.host.Transport(x.m, x.id, transport.Config{MaxStreams: 16})
	var err error
	if x.n, err = node.New(cfg, node.Deps{Runtime: x.m, Transport: tr, ID: x.id}); err != nil {
		x.t.Fatal(err)
	}
	x.w.AfterEach(x.n.Check)
	x.w.AfterEach(x.net.Check)
	x.w.Every(20, x.roster)
	x.m.Go("node", func() { x.n.Serve(context.Background()) })
	x.provide()
	if !x.until("the node listens", time.Second, x.n.Ready) {
		return
	}
	x.first = x.attach("honest")
	if x.failed {
		return
	}
	base := x.n.Status()
	x.do("script", x.peers.m, time.Hour, x.peers.play)
	x.last = x.n.Status()
	x.audit("after the last step")
	x.settle()
	x.do("leave", x.peers.m, time.Minute, x.peers.leave)
	// A closed connection is gone at once, a handler within its context, and
	// what was said of services within its time to live.
	x.until("the node holds what it held before", cfg.Registry.MaxTTL+cfg.CleanupInterval+time.Second, func() bool { return x.asked == 0 && x.rest(base) == "" })
	if x.failed {
		x.t.Logf("left: %s", x.rest(base))
		return
	}
	x.audit("at rest")
	x.ask(x.first)
	x.end()
}

// roster demands that nobody is in who may not be.
func (x *scriptWorld) roster() error {
	for _, p := range x.n.Peers() {
		if p.ID != x.peers.ids[0] {
			return fmt.Errorf("%x is a peer and may not be one", p.ID)
		}
	}
	for _, c := range x.n.Clients() {
		if c.ID == x.id {
			return errors.New("the node is a client of itself")
		}
	}
	return nil
}

// settle waits, with all connections open, until every deadline of a stream has
// passed, and demands that nothing is held then that is over for the peers.
func (x *scriptWorld) settle() {
	if x.failed {
		return
	}
	if err := x.w.RunFor(scriptSettle); err != nil {
		x.fail("%v\n%s", err, failureStack(err))
		return
	}
	for _, o := range x.net.Orphans(x.w.Machine("net").Now()) {
		if strings.HasPrefix(o, "n: ") {
			x.fail("an orphan: %s", o)
		}
	}
	if x.n.Status().Server.Running > 0 || x.asked > 0 {
		return
	}
	for _, p := range append(x.n.Peers(), x.n.Clients()...) {
		if p.CallsIn != 0 || p.CallsOut != 0 {
			x.fail("no handler runs and nobody waits, and the books have %d calls in and %d out: %+v", p.CallsIn, p.CallsOut, p)
		}
	}
}

// scriptSettle is longer than the longest deadline of a stream, 10 s.
const scriptSettle = 11 * time.Second

// provide advertises what scripts call.
func (x *scriptWorld) provide() {
	slow := func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, rt.Sleep(ctx, x.m, 3*time.Second)
	}
	fails := func(context.Context, *node.Request) ([]byte, error) { return nil, errors.New("as it was told to") }
	big := func(context.Context, *node.Request) ([]byte, error) { return make([]byte, 40<<10), nil }
	for _, p := range []struct {
		name string
		h    node.Handler
	}{{honestName, echo}, {"echo", echo}, {"slow", slow}, {"fails", fails}, {"big", big}} {
		if _, err := x.n.Advertise(p.name, p.h, node.AdvertiseOptions{TTL: 5 * time.Second}); err != nil {
			x.fail("%s: %v", p.name, err)
		}
	}
}

// rest says in what the node differs from how it was, or nothing.
func (x *scriptWorld) rest(base node.Status) string {
	s := x.n.Status()
	for _, c := range []struct {
		what      string
		have, was int
	}{
		{"connections of the pool", s.Pool.Open + s.Pool.InUse + s.Pool.Dialling + s.Pool.Waiting + s.Pool.Closing, 0},
		{"clients", s.Clients.Attached, base.Clients.Attached},
		{"services", s.Registry.Entries, base.Registry.Entries},
		{"handlers", s.Server.Running, 0},
		{"calls out", s.Caller.InFlight, 0},
		{"handshakes", s.Transport.Handshaking, 0},
		{"connections", s.Transport.Conns, base.Transport.Conns},
		{"questions", s.Discovery.Asks, 0},
		{"peers that are told", s.Discovery.Peers, 0},
		{"leases", s.Leases, base.Leases},
	} {
		// The honest client's stream of calls is there from its first call on.
		if c.have != c.was && !(c.what == "leases" && x.honest > 0 && c.have == c.was+1) {
			return fmt.Sprintf("%s: %d, before %d", c.what, c.have, c.was)
		}
	}
	return ""
}

func (x *scriptWorld) audit(when string) {
	if x.failed {
		return
	}
	for _, audit := range []func() error{x.n.Audit, x.net.Audit} {
		if err := audit(); err != nil {
			x.fail("%s: %v", when, err)
		}
	}
}

// attach is a new honest client, attached.
func (x *scriptWorld) attach(name string) *honestClient {
	h := &honestClient{m: x.w.Machine(name)}
	id := ident.Simulated(1, name)
	h.tr = x.net.Host(name).Transport(h.m, id, transport.Config{})
	var err error
	h.c, err = client.New(client.Config{Realm: testRealm, Gateways: []client.Gateway{{ID: x.id, Addr: x.host.Addr()}}, NoReconnect: true},
		client.Deps{Runtime: h.m, Transport: h.tr, ID: id})
	if err != nil {
		x.t.Fatal(err)
	}
	x.do("attach", h.m, 10*time.Second, func() {
		ctx, cancel := h.m.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = h.c.Attach(ctx)
	})
	if err != nil {
		x.fail("%s cannot attach: %v", name, err)
	}
	return h
}

// call makes an honest call, as a task of the client's machine.
func (x *scriptWorld) call(h *honestClient) {
	ctx, cancel := h.m.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	body := []byte(fmt.Sprint("call ", x.honest))
	got, err := h.c.Call(ctx, honestName, body, false)
	switch {
	case err == nil && bytes.Equal(got, body):
		x.honest++
	case !x.impostor():
		x.w.Fail(fmt.Errorf("an honest client is not served: %q, %w", got, err))
	}
}

// ask makes an honest call from the outside.
func (x *scriptWorld) ask(h *honestClient) {
	x.do("honest call", h.m, 3*time.Second, func() { x.call(h) })
}

// impostor reports whether somebody of the script provides what the honest
// client calls.
func (x *scriptWorld) impostor() bool {
	for _, s := range x.n.Services() {
		if s.Name == honestName && s.Provider != x.id {
			return true
		}
	}
	return false
}

// end lets a newcomer in, closes everything and demands that nothing is left.
func (x *scriptWorld) end() {
	newcomer := x.attach("newcomer")
	if x.failed {
		return
	}
	x.ask(newcomer)
	for _, h := range []*honestClient{x.first, newcomer} {
		x.do("close", h.m, 20*time.Second, func() {
			ctx, cancel := h.m.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			h.c.Close(ctx)
			h.tr.Close()
		})
	}
	x.do("close", x.m, 10*time.Second, x.n.Close)
	if x.failed {
		return
	}
	if left := x.n.Leftovers(); left != (node.Leftovers{}) {
		x.fail("left: %+v", left)
	}
	if err := x.w.RunFor(10 * time.Second); err != nil {
		x.fail("%v\n%s", err, failureStack(err))
		return
	}
	for _, l := range x.w.Leaks() {
		x.fail("left: %v", l)
	}
	for _, l := range x.net.Leaks() {
		x.fail("left: %v", l)
	}
}

func failureStack(err error) string {
	var f *sim.Failure
	if errors.As(err, &f) {
		return f.Stack
	}
	return ""
}
