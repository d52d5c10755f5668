// Package node is one node of the mesh: it keeps connections to peers, serves
// attached clients, knows who provides which service and calls them by name.
//
// A Node is built from a Config, which an operator decides, and Deps, which
// is its world: over real QUIC and the system clock in production, over a
// simulated network in virtual time in tests. Nothing else differs.
package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/renewal"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

type (
	peerSlot = pool.Slot[*link.Link]
	session  = clients.Session[*link.Link]
)

// Node is a running node. All methods are safe for concurrent use.
type Node struct {
	r       rt.Runtime
	cfg     Config
	deps    Deps
	log     *slog.Logger
	started mono.Time

	ledger           *ledger.Ledger
	buffers          link.Buffers
	pool             *pool.Pool[*link.Link]
	clients          *clients.Table[*link.Link]
	registry         *registry.Registry[rpc.Handler]
	server           *rpc.Server
	caller           *rpc.Caller
	discovery        discovery.Discovery
	handshakes       *rt.Semaphore // of strangers
	memberHandshakes *rt.Semaphore // of those who may be peers
	door             *handshakes   // those of both
	calls            link.Totals   // of all links
	group            *rt.Group     // everything that serves connections
	upkeep           *rt.Group     // cleanup, renewal, keepers, the accept loop

	ctx      context.Context
	cancel   context.CancelCauseFunc
	stopping *rt.Event
	stopped  *rt.Event
	changing *rt.Semaphore            // one change of limits, peers or pressure at a time
	recheck  *rt.Queue[struct{}]      // when the next cleanup is due may have changed
	services *renewal.Table[*Service] // advertised here, renewed before their TTL ends

	mu       rt.Mutex
	addr     transport.Addr
	serving  bool
	draining bool
	joined   bool    // a peer was connected since the start
	limits   Limits  // as configured
	act      Limits  // as they count under the pressure that there is
	who      *policy // may be a peer
	keeping  bool    // the node listens, and its keepers run
	keepers  []*keeper
	pressure pressure.State
	versions uint64 // of local services: each has a higher one than those before it
	cleanup  CleanupStats
	swept    mono.Time // when the last cleanup began
	audits   AuditCounts
	closed   Leftovers
}

// New builds a node; Serve makes it live. The error says which value of the
// configuration is wrong.
func New(cfg Config, deps Deps) (*Node, error) {
	cfg, err := cfg.withDefaults(deps)
	if err != nil {
		return nil, err
	}
	if deps.Runtime == nil || deps.Transport == nil {
		return nil, fault.New("node.New", fault.Invalid, "it needs a Runtime and a Transport")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	r := deps.Runtime
	n := &Node{
		r: r, cfg: cfg, deps: deps, log: deps.Log, started: r.Now(),
		clients:    clients.New[*link.Link](r, cfg.Clients),
		handshakes: rt.NewSemaphore(r, cfg.Handshakes), memberHandshakes: rt.NewSemaphore(r, cfg.Handshakes), door: newHandshakes(r, 2*cfg.Handshakes),
		group: rt.NewGroup(r), upkeep: rt.NewGroup(r),
		stopping: rt.NewEvent(r), stopped: rt.NewEvent(r),
		changing: rt.NewSemaphore(r, 1), recheck: rt.NewQueue[struct{}](r, 1),
		limits: cfg.limits(), act: cfg.limits(), who: newPolicy(cfg.Bootstrap, cfg.Peers, cfg.OpenPeers),
		pressure: pressure.State{Since: r.Now()},
		mu:       rt.NewMutex(r),
		services: renewal.New[*Service](r, "local services", cfg.Registry.PerOwner),
	}
	cfg.Ledger.OnDoubleRelease = func(name string) {
		n.log.Error("macula bug: a lease was released twice", "lease", name)
	}
	n.ledger = ledger.New(cfg.Ledger)
	n.registry = registry.New[rpc.Handler](r, cfg.Registry, n.charge)
	// It tells this run apart from an earlier one of the same id.
	n.cfg.Link.Incarnation = r.Rand("node/incarnation").Uint64()
	n.ctx, n.cancel = r.WithCancelCause(context.Background())
	n.wire()
	if cfg.OpenPeers {
		n.log.Warn("every node of the realm may be a peer: for development only", "realm", cfg.Realm)
	}
	return n, nil
}

// wire connects the parts. Each knows the others only by what it needs.
func (n *Node) wire() {
	n.pool = pool.New(n.cfg.Pool, pool.Deps[*link.Link]{
		Runtime: n.r, Dial: n.dialPeer, Run: n.runDialled, Mark: n.deps.Mark,
	})
	n.server = rpc.NewServer(n.cfg.Server, rpc.ServerDeps{Runtime: n.r, Log: n.log, Route: n.route})
	n.caller = rpc.NewCaller(n.cfg.Caller, rpc.CallerDeps{
		Runtime: n.r, Server: n.server, Mark: n.deps.Mark,
		Resolve: n.resolve, Connect: n.connect,
		Discover: func(ctx context.Context, name string) error { return n.discovery.Ask(ctx, name) },
	})
	n.discovery = discovery.NewTold(n.cfg.Discovery, discovery.Deps{
		Runtime: n.r, Self: n.deps.ID, Addr: n.dialAddr, Learn: n.learn, Unlearn: n.unlearn, Known: n.known,
	})
}

// ID is the node's own id.
func (n *Node) ID() transport.PeerID { return n.deps.ID }

// Addr is where the node listens; invalid before Serve.
func (n *Node) Addr() transport.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addr
}

// dialAddr is where others are told to dial.
func (n *Node) dialAddr() transport.Addr {
	if n.cfg.Advertised.IsValid() {
		return n.cfg.Advertised
	}
	return n.Addr()
}

// Serve listens and keeps the node alive until ctx ends or Close is called;
// then it drains for at most Config.DrainTimeout and closes everything. The
// error says why it could not listen; after a drain it is nil. Call it once.
func (n *Node) Serve(ctx context.Context) error {
	n.mu.Lock()
	again := n.serving
	n.serving = true
	n.mu.Unlock()
	if again {
		return fault.New("node.Serve", fault.Invalid, "the node was started before")
	}
	defer n.stopped.Fire()
	lis, err := n.deps.Transport.Listen(transport.ListenConfig{Admit: n.admit})
	if err != nil {
		n.shutdown(nil)
		return &fault.Error{Op: "node.Serve", Kind: fault.Unreachable, Detail: "listen", Err: err}
	}
	n.mu.Lock()
	n.addr = lis.Addr()
	n.mu.Unlock()
	n.log.Info("listening", "addr", lis.Addr().String(), "realm", n.cfg.Realm)
	n.upkeep.Go("node/accept", func() { n.accept(lis) })
	n.upkeep.Go("node/cleanup", n.cleanupLoop)
	n.upkeep.Go("node/renew", n.renewLoop)
	if n.deps.Load != nil {
		n.upkeep.Go("node/adapt", n.adaptLoop)
	}
	n.startKeepers()
	n.stopping.Wait(ctx)
	n.shutdown(lis)
	return nil
}

// Ready reports whether the node listens and does not drain. NotReady asks for
// more: whether others should be sent to it.
func (n *Node) Ready() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addr.IsValid() && !n.draining
}

// Close ends Serve and waits until it has returned. Without Serve it frees
// what New made.
func (n *Node) Close() {
	n.stopping.Fire()
	n.mu.Lock()
	never := !n.serving
	n.serving = true
	n.mu.Unlock()
	if never {
		n.shutdown(nil)
		n.stopped.Fire()
	}
	n.stopped.Wait(context.Background())
}

// Leftovers is what a node still held when it had closed. All zero, or it is
// a bug; a handler that ignores its context is the one exception.
type Leftovers struct {
	Abandoned int // handlers that did not return by the deadline
	Leases    int
	Conns     int
	Streams   int
	Tasks     int // tasks of the node's own groups
}

// Leftovers returns what was left; meaningful after Serve or Close returned.
func (n *Node) Leftovers() Leftovers {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// shutdown drains and closes, in this order: nobody new, clients are told
// where else to go, services are withdrawn, calls in flight finish (those to
// other nodes need the pool for that), peers are told, connections close, tasks
// end.
func (n *Node) shutdown(lis transport.Listener) {
	begun := n.r.Now()
	limit := n.acting().DrainTimeout
	ctx, cancel := n.r.WithTimeout(context.Background(), limit)
	defer cancel()
	// A tenth is for taking leave of the peers.
	first, done := n.r.WithTimeout(ctx, limit-limit/10)
	n.drain(first, "the node stops")
	done()
	if lis != nil {
		lis.Close()
	}
	n.cancel(errDraining())
	left, _ := rt.Remaining(n.r, ctx)
	n.pool.Close(fault.Draining, max(left, 0))
	n.upkeep.Close()
	n.upkeep.Wait(ctx)
	n.caller.Close()
	n.group.Close()
	n.group.Wait(ctx)
	abandoned := n.server.Close(ctx)
	// The hard end: what did not leave by itself is cut.
	n.deps.Transport.Close()
	grace, done := n.r.WithTimeout(context.Background(), closeGrace)
	defer done()
	n.upkeep.Wait(grace)
	n.group.Wait(grace)
	if abandoned > 0 {
		abandoned = n.server.Close(grace)
	}
	n.discovery.Close()
	n.registry.Clear()
	n.leave(abandoned, n.r.Now().Sub(begun))
}

// closeGrace is what tasks get to end after the transport is closed: nothing
// that they wait for is left then.
const closeGrace = time.Second

// leave notes what was left behind.
func (n *Node) leave(abandoned int, took time.Duration) {
	t := n.deps.Transport.Stats()
	left := Leftovers{
		Abandoned: abandoned, Leases: n.ledger.Leases(), Conns: t.Conns + t.Handshaking, Streams: t.Streams,
		Tasks: n.group.Count() + n.upkeep.Count(),
	}
	n.mu.Lock()
	n.closed = left
	n.mu.Unlock()
	if left != (Leftovers{}) {
		n.log.Error("closed, with something left", "abandoned", left.Abandoned, "leases", left.Leases, "conns", left.Conns, "streams", left.Streams, "tasks", left.Tasks, "took", took)
		return
	}
	n.log.Info("stopped", "took", took)
}
