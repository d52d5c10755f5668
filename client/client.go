// Package client attaches to a gateway of the mesh: it calls services by
// name, and provides services that the gateway forwards to.
//
// A Client keeps itself attached: when its session ends it comes back, with
// backoff, and advertises again what it provides at that moment. It stops when
// a newer session of the same id has taken over.
package client

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/renewal"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Gateway is a node to attach to.
type Gateway struct {
	ID   transport.PeerID
	Addr transport.Addr
}

// Config is what the user of a client decides. Zero fields but Realm and
// Gateways take the default beside them.
type Config struct {
	Realm       string
	Gateways    []Gateway      // tried in this order, each time from the one after the last; then those that a gateway has named as it went away
	NoReconnect bool           // one session, and no other after it
	Backoff     backoff.Config // between two attempts
	Timeout     time.Duration  // of a call whose context has no deadline; 5 s
	Services    int            // services provided; 1,000
	Link        link.Config
	Server      rpc.ServerConfig
	Ledger      ledger.Config
}

// Deps is the world of a client.
type Deps struct {
	Runtime   rt.Runtime
	Transport transport.Transport
	ID        transport.PeerID // what the transport proves
	Log       *slog.Logger     // nil discards
	Mark      func(string)     // may be nil
}

// Client is attached to at most one gateway at a time. All methods are safe
// for concurrent use.
type Client struct {
	r        rt.Runtime
	cfg      Config
	deps     Deps
	log      *slog.Logger
	ledger   *ledger.Ledger
	buffers  link.Buffers
	server   *rpc.Server
	services *renewal.Table[*Service]
	group    *rt.Group
	ctx      context.Context
	cancel   context.CancelCauseFunc
	attached *rt.Gate
	over     *rt.Event // it will not attach again
	idle     *rt.Event // the task that keeps it attached has ended

	mu       rt.Mutex
	started  bool
	closed   bool
	link     *link.Link
	moves    moves
	why      error // why it will not attach again
	versions uint64
}

// New returns a client that is not attached yet.
func New(cfg Config, deps Deps) (*Client, error) {
	if err := wire.ValidRealm(cfg.Realm); err != nil {
		return nil, fault.New("client.New", fault.Invalid, "realm: %v", err)
	}
	if len(cfg.Gateways) == 0 {
		return nil, fault.New("client.New", fault.Invalid, "no gateway is named")
	}
	if deps.Runtime == nil || deps.Transport == nil {
		return nil, fault.New("client.New", fault.Invalid, "it needs a Runtime and a Transport")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Services == 0 {
		cfg.Services = 1000
	}
	r := deps.Runtime
	cfg.Link = cfg.Link.WithDefaults()
	cfg.Link.Self, cfg.Link.Realm, cfg.Link.Incarnation = deps.ID, cfg.Realm, r.Rand("client/incarnation").Uint64()
	c := &Client{
		r: r, cfg: cfg, deps: deps, log: deps.Log,
		services: renewal.New[*Service](r, "services", cfg.Services), moves: newMoves(),
		group: rt.NewGroup(r), attached: rt.NewGate(r, false), over: rt.NewEvent(r), idle: rt.NewEvent(r), mu: rt.NewMutex(r),
	}
	cfg.Ledger.OnDoubleRelease = func(name string) {
		c.log.Error("macula bug: a lease was released twice", "lease", name)
	}
	c.ledger = ledger.New(cfg.Ledger)
	c.ctx, c.cancel = r.WithCancelCause(context.Background())
	c.server = rpc.NewServer(cfg.Server, rpc.ServerDeps{Runtime: r, Log: deps.Log, Route: c.route})
	return c, nil
}

// Attach attaches to a gateway and keeps the client attached until Close. It
// returns when the first session is up, or with the refusal of the last
// gateway that was tried: then the client is as it was before. Call it once.
func (c *Client) Attach(ctx context.Context) error {
	c.mu.Lock()
	again := c.started
	c.started = true
	c.mu.Unlock()
	if again {
		return fault.New("client.Attach", fault.Invalid, "the client was attached before")
	}
	l, next, err := c.attachAny(ctx)
	if err == nil && !c.group.Go("client/session", func() { c.keep(l, next) }) {
		l.Refuse(fault.Cancelled)
		err = fault.New("client.Attach", fault.Cancelled, "the client is closed")
	}
	if err != nil {
		c.mu.Lock()
		closed := c.closed
		c.started = closed
		c.mu.Unlock()
		if closed { // Close waits for us
			c.finish(nil)
			c.idle.Fire()
		}
		return err
	}
	return c.attached.Pass(ctx)
}

// attachAny is the first dialAny. It ends with Close too.
func (c *Client) attachAny(ctx context.Context) (*link.Link, int, error) {
	own, cancel := c.r.WithCancelCause(ctx)
	defer cancel(nil)
	defer c.r.AfterDone(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	return c.dialAny(own, 0, false)
}

// dialAny tries every gateway once.
func (c *Client) dialAny(ctx context.Context, from int, moving bool) (l *link.Link, next int, err error) {
	d := link.Deps{Runtime: c.r, Ledger: c.ledger, Log: c.log, Server: c.server, Buffers: &c.buffers, Mark: c.deps.Mark}
	for _, g := range c.choices(from, moving) {
		l, err = link.Dial(ctx, d, c.cfg.Link, c.deps.Transport, g.Addr, g.ID, wire.RoleClient)
		if err == nil {
			return l, g.next, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, from + 1, err
}

// keep runs session after session.
func (c *Client) keep(l *link.Link, next int) {
	defer c.idle.Fire()
	b := backoff.New(c.cfg.Backoff)
	for {
		up := c.r.Now()
		err := c.run(l)
		if c.r.Now().Sub(up) >= stableAfter {
			b.Reset()
		}
		for l = nil; l == nil; {
			if c.cfg.NoReconnect || c.ctx.Err() != nil || fault.KindOf(err) == fault.Superseded {
				c.finish(err)
				return
			}
			moving := c.move()
			if !moving {
				c.log.Debug("not attached", "err", err)
				rt.Sleep(c.ctx, c.r, max(b.Next(c.r.Rand("client/backoff")), fault.RetryAfter(err)))
			}
			l, next, err = c.dialAny(c.ctx, next, moving)
		}
	}
}

// stableAfter is how long a session must have lasted for the next one to come
// soon.
const stableAfter = time.Minute

// run serves one session to its end.
func (c *Client) run(l *link.Link) error {
	c.mu.Lock()
	c.link = l
	closed := c.closed
	c.mu.Unlock()
	if closed { // too early for Close to see this session
		l.Close(fault.Draining, 0)
	}
	c.attached.Open()
	renew := rt.NewGroup(c.r)
	renew.Go("client/renew", func() {
		for _, s := range c.services.All() {
			s.say(l)
		}
		c.services.Run(l.Context(), func(s *Service) { s.say(l) })
	})
	err := l.Run(&control{c: c}, nil)
	c.attached.Shut()
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
	renew.Close()
	renew.Wait(context.Background())
	c.log.Info("detached", "reason", err)
	return sessionEnd(err)
}

// sessionEnd finds the reason that the gateway gave, if it gave one.
func sessionEnd(err error) error {
	var c *transport.CloseError
	if errors.As(err, &c) && c.Remote {
		return wire.ParseRefusal(c.Code, c.Reason)
	}
	return err
}

func (c *Client) finish(err error) {
	if err == nil {
		err = fault.New("client", fault.Cancelled, "the client is closed")
	}
	c.mu.Lock()
	c.why = err
	c.mu.Unlock()
	c.over.Fire()
	c.attached.Open() // whoever waits learns that it is over
	for _, s := range c.services.All() {
		s.acknowledge(err) // no gateway will answer any more
	}
}

// session waits until the client is attached and returns the session.
func (c *Client) session(ctx context.Context) (*link.Link, error) {
	for {
		c.mu.Lock()
		l, why := c.link, c.why
		c.mu.Unlock()
		switch {
		case l != nil && !l.Leaving():
			return l, nil
		case why != nil:
			return nil, fault.Wrap("client", why)
		case l != nil:
			// The gateway asked us to leave: the next session comes after this one.
			if err := l.Ended().Wait(ctx); err != nil {
				return nil, fault.Wrap("client", err)
			}
			c.r.Yield()
			continue
		}
		if err := c.attached.Pass(ctx); err != nil {
			return nil, &fault.Error{Op: "client", Kind: fault.KindOf(err), Detail: "not attached to a gateway", Err: err}
		}
	}
}

// Call asks a provider of name through the gateway and waits for the answer,
// until ctx ends or the default timeout has passed. While the client is not
// attached it waits for that too. An idempotent call may be tried at another
// provider after one may have executed it.
func (c *Client) Call(ctx context.Context, name string, body []byte, idempotent bool) ([]byte, error) {
	if err := wire.ValidName(name); err != nil {
		return nil, fault.New("client.Call", fault.Invalid, "%v", err)
	}
	if _, ok := rt.Remaining(c.r, ctx); !ok {
		lazy := rt.NewLazyTimeout(c.r, ctx, c.r.Now().Add(c.cfg.Timeout))
		defer lazy.End()
		ctx = lazy
	}
	for again := false; ; again = true {
		l, err := c.session(ctx)
		if err != nil {
			return nil, err
		}
		body, err := l.Call(ctx, &link.Request{Name: name, Body: body, Idempotent: idempotent})
		if fault.KindOf(err) != fault.Draining || fault.Executed(err) {
			return body, err
		}
		// It was not executed. If the gateway goes away the next one takes the
		// call; its goodbye may come after its refusal.
		if !l.Leaving() && (again || !c.goes(ctx, l)) {
			return nil, err
		}
	}
}

// goes waits for the goodbye of a gateway that may be leaving.
func (c *Client) goes(ctx context.Context, l *link.Link) bool {
	soon, cancel := c.r.WithTimeout(ctx, goodbye)
	defer cancel()
	return l.Going().Wait(soon) == nil
}

// goodbye is how much later than a refusal on another stream it may come: one
// packet is lost, or two.
const goodbye = 500 * time.Millisecond

// Attached reports whether the client has a session at this moment.
func (c *Client) Attached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link != nil
}

// Over fires when the client will not attach again: closed, superseded, or
// its only session ended. Err says which.
func (c *Client) Over() *rt.Event { return c.over }

// Err is why the client will not attach again, or nil.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Close leaves the gateway and waits for all that the client started; handlers
// get until ctx ends. It returns how many handlers it had to abandon. The
// transport stays open: it is the caller's.
func (c *Client) Close(ctx context.Context) (abandoned int) {
	c.mu.Lock()
	l, started := c.link, c.started
	c.started, c.closed = true, true
	c.mu.Unlock()
	c.cancel(fault.New("client", fault.Cancelled, "the client is closed"))
	if l != nil {
		l.Close(fault.Draining, 0)
	}
	if started {
		c.idle.Wait(ctx)
	} else {
		c.finish(nil)
		c.idle.Fire()
	}
	c.group.Close()
	c.group.Wait(ctx)
	return c.server.Close(ctx)
}
