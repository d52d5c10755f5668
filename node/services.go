package node

import (
	"context"
	"errors"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// Handler answers calls; see rpc.Handler.
type Handler = rpc.Handler

// Request is a call as its handler sees it.
type Request = rpc.Request

// AdvertiseOptions change how a service is advertised.
type AdvertiseOptions struct {
	TTL time.Duration // how long an advertisement counts; Limits.TTL or that of the name in Limits.TTLs
	// Once leaves it to the caller to advertise again before the TTL ends.
	// Otherwise the node renews until Withdraw.
	Once bool
}

// Service is something that this node provides.
type Service struct {
	n    *Node
	name string
	h    Handler

	asked time.Duration // for the TTL; 0 leaves it to the configuration
	once  bool
	gone  bool // withdrawn; guarded by the node's lock

	version uint64 // of two services of one name the younger one has the higher version
}

// Name is the name under which it is called.
func (s *Service) Name() string { return s.name }

// Advertise provides a service under name, from this process. Advertising the
// same name again replaces the handler. Errors: Invalid for a malformed name,
// Overload when a limit is reached, Draining, Superseded when somebody else has
// advertised the name meanwhile.
func (n *Node) Advertise(name string, h Handler, opt AdvertiseOptions) (*Service, error) {
	if err := wire.ValidName(name); err != nil {
		return nil, fault.New("node.Advertise", fault.Invalid, "%v", err)
	}
	s := &Service{n: n, name: name, h: h, asked: opt.TTL, once: opt.Once}
	n.mu.Lock()
	draining := n.draining
	n.versions++
	s.version = n.versions
	n.mu.Unlock()
	if draining {
		return nil, errDraining()
	}
	if err := s.Renew(); err != nil {
		return nil, err
	}
	if s.once {
		return s, nil
	}
	if err := n.services.Put(name, s, n.registry.TTL(name, s.asked)/3); err != nil {
		s.Withdraw()
		return nil, &fault.Error{Op: "node.Advertise", Kind: fault.Overload, Err: err}
	}
	return s, nil
}

// Renew advertises the service again, for another TTL. After Withdraw it does
// nothing. The error is Superseded while another one has taken over its name.
func (s *Service) Renew() error {
	if err := s.renew(); err != nil || !s.withdrawn() {
		return err
	}
	s.remove() // Withdraw came in between
	return nil
}

// withdrawn reports whether the service is over: by itself, or with all those
// of a node that drains.
func (s *Service) withdrawn() bool {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.gone || s.n.draining
}

func (s *Service) renew() error {
	n := s.n
	if s.withdrawn() {
		return nil
	}
	ttl := n.registry.TTL(s.name, s.asked)
	err := n.registry.Put(registry.Entry[rpc.Handler]{
		Name: s.name, Provider: n.deps.ID, Owner: n.self(), Version: s.version, TTL: ttl, Local: s.h, IsLocal: true,
	})
	if err != nil {
		return fault.Wrap("node.Advertise", err)
	}
	n.caller.Learn(s.name)
	return n.discovery.Advertise(s.name, ttl)
}

// Withdraw ends the service here, and tells the peers. Calls that run go on.
func (s *Service) Withdraw() {
	n := s.n
	n.mu.Lock()
	s.gone = true
	n.mu.Unlock()
	s.remove()
}

// remove takes the service out of the tables. Another one that has taken over
// its name has a later version, and stays.
func (s *Service) remove() {
	n := s.n
	n.services.Delete(s.name, s)
	if n.registry.Remove(s.name, n.deps.ID, n.self(), 0, s.version) {
		n.withdrawIfLast(s.name)
	}
}

// charge takes the lease of one entry in the registry from its owner. What
// this process advertises itself no remote side can cause.
func (n *Node) charge(o registry.Owner) (ledger.Lease, error) {
	if o == n.self() {
		return ledger.Lease{}, nil
	}
	return n.ledger.Acquire(n.ledger.Scope(n.cfg.Realm, o.ID), "service", ledger.Claim{Class: ledger.Entry, Count: 1, Bytes: entryBytes})
}

// entryBytes is what an entry costs at most: a record with the longest name
// and its places in three tables.
const entryBytes = 1 << 10

// self owns the services of this process.
func (n *Node) self() registry.Owner { return registry.Owner{ID: n.deps.ID} }

// withdrawIfLast tells the peers that name is not provided here any more,
// unless somebody else here provides it.
func (n *Node) withdrawIfLast(name string) {
	if n.longest(name) > 0 {
		return
	}
	n.discovery.Withdraw(name)
	if left := n.longest(name); left > 0 {
		n.discovery.Advertise(name, left) // somebody has begun to meanwhile
	}
}

// renewLoop advertises local services again when a third of their TTL has
// passed.
func (n *Node) renewLoop() {
	n.services.Run(n.ctx, func(s *Service) {
		switch err := s.Renew(); {
		case fault.KindOf(err) == fault.Superseded:
			n.services.Delete(s.name, s)
		case err != nil:
			n.log.Warn("service not renewed", "service", s.name, "err", err)
		}
	})
}

// CallOptions change how a call is made.
type CallOptions struct {
	// Idempotent allows another provider to be tried after one may have
	// executed the call.
	Idempotent bool
}

// Call asks a provider of name and waits for the answer, until ctx ends or
// the default timeout has passed. See rpc.Caller.
func (n *Node) Call(ctx context.Context, name string, body []byte, opt CallOptions) ([]byte, error) {
	if err := wire.ValidName(name); err != nil {
		return nil, fault.New("node.Call", fault.Invalid, "%v", err)
	}
	if most := n.cfg.Link.MaxBody; len(body) > most { // as a peer would say; a service of this node is no exception
		return nil, fault.New("node.Call", fault.TooLarge, "the body has %d bytes, the limit is %d", len(body), most)
	}
	return n.caller.Call(ctx, rpc.Request{Name: name, Body: body, Caller: n.deps.ID, Idempotent: opt.Idempotent})
}

// route finds the handler of a call that arrived. A client's call goes to
// whoever provides the name; a peer's call is for this node or its clients.
func (n *Node) route(in *link.Inbound) (rpc.Handler, error) {
	if in.Link.Hello().Role == wire.RoleClient && !in.Link.Dialled() {
		return n.forward, nil
	}
	var room [8]*registry.Entry[rpc.Handler]
	for _, e := range n.registry.Lookup(in.Name, in.Begun(), room[:0]) {
		if e.IsLocal {
			return e.Local, nil
		}
	}
	n.mark("called after it was gone")
	if n.isDraining() { // trying another provider is free then
		return nil, errDraining()
	}
	return nil, fault.New("serve", fault.NotFound, "%s is not provided here", in.Name)
}

// forward passes the call of a client on, in its name.
func (n *Node) forward(ctx context.Context, req *rpc.Request) ([]byte, error) {
	body, err := n.caller.Call(ctx, passedOn(req))
	return body, rpc.Passed(err)
}

// passedOn is a call as it goes on from here: with one hop more, up to where
// the limit certainly is.
func passedOn(req *rpc.Request) rpc.Request {
	onward := *req
	onward.Forwarded, onward.Hops = true, min(req.Hops, 254)+1
	return onward
}

// toClient returns the handler of a service that an attached client provides.
func toClient(s *session) rpc.Handler {
	return func(ctx context.Context, req *rpc.Request) ([]byte, error) {
		onward := passedOn(req)
		body, err := s.Conn.Call(ctx, &onward)
		return body, rpc.Passed(err)
	}
}

// clientControl is the control stream of a client.
type clientControl struct {
	n *Node
	s *session
}

// Frame implements link.Control: a client advertises and withdraws. A refusal
// is an answer, not the end of the link.
func (c *clientControl) Frame(l *link.Link, kind byte, payload []byte) error {
	switch kind {
	case wire.KindAdvertise:
		a, err := wire.ParseAdvertise(payload)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			return err
		}
		if err == nil {
			err = c.advertise(a.Name, a.Version, a.TTL)
		}
		ack := wire.AdvertiseAck{Name: a.Name, Version: a.Version, Kind: ackKind(err), RetryAfter: fault.RetryAfter(err)}
		return l.Tell(func(b []byte) []byte { return wire.AppendAdvertiseAck(b, &ack) })
	case wire.KindWithdraw:
		w, err := wire.ParseWithdraw(payload)
		if err != nil {
			return err
		}
		if c.n.registry.Remove(w.Name, c.s.ID, c.owner(), c.s.Conn.Incarnation(), w.Version) {
			c.n.withdrawIfLast(w.Name)
		}
	default:
		if !wire.Skippable(kind) {
			return fault.New("node", fault.Protocol, "frame %d from a client", kind)
		}
	}
	return nil
}

// GoneAway implements link.Control: the client leaves by itself.
func (c *clientControl) GoneAway(*link.Link, fault.Kind) {}

func (c *clientControl) owner() registry.Owner {
	return registry.Owner{ID: c.s.ID, Session: c.s.Ref}
}

func (c *clientControl) advertise(name string, version uint64, ttl time.Duration) error {
	n := c.n
	if n.isDraining() {
		return errDraining()
	}
	if !c.attached() {
		return errDetached()
	}
	err := n.registry.Put(registry.Entry[rpc.Handler]{
		Name: name, Provider: c.s.ID, Owner: c.owner(), Epoch: c.s.Conn.Incarnation(), Version: version, TTL: ttl,
		Local: toClient(c.s), IsLocal: true,
	})
	if err != nil {
		return err
	}
	n.caller.Learn(name)
	if err := n.discovery.Advertise(name, n.longest(name)); err != nil {
		return err
	}
	switch { // whoever has sent it away meanwhile may have looked for its services too early
	case n.isDraining():
		n.forget(c.s)
		return errDraining()
	case !c.attached():
		n.forget(c.s)
		return errDetached()
	}
	return nil
}

// attached reports whether the session is still the one of its client.
func (c *clientControl) attached() bool {
	cur, ok := c.n.clients.Get(c.s.ID)
	return ok && cur == c.s
}

func errDetached() *fault.Error {
	return fault.New("node.Advertise", fault.Superseded, "this session of the client is over, or a newer one is attached")
}

// longest is how long name will be provided here if nobody renews.
func (n *Node) longest(name string) time.Duration {
	var room [8]*registry.Entry[rpc.Handler]
	var ttl time.Duration
	now := n.registry.Now()
	for _, e := range n.registry.Lookup(name, n.r.Now(), room[:0]) {
		if e.IsLocal {
			ttl = max(ttl, e.Expires.Sub(now))
		}
	}
	return ttl
}

func ackKind(err error) fault.Kind {
	if err == nil {
		return 0
	}
	if k := fault.KindOf(err); k != fault.Other {
		return k
	}
	return fault.Internal
}

// resolve lists the providers of a name for the caller.
func (n *Node) resolve(name string, now mono.Time, buf []rpc.Provider) []rpc.Provider {
	var room [8]*registry.Entry[rpc.Handler]
	for _, e := range n.registry.Lookup(name, now, room[:0]) {
		buf = append(buf, rpc.Provider{ID: e.Provider, Addr: e.Addr, Local: e.Local})
	}
	return buf
}

// known lists the providers of a name for a peer that asks: this node for
// all that it and its clients provide, others by what they said.
func (n *Node) known(name string, buf []wire.Provider) []wire.Provider {
	now := n.registry.Now()
	here := false
	var room [8]*registry.Entry[rpc.Handler]
	for _, e := range n.registry.Lookup(name, n.r.Now(), room[:0]) {
		p := wire.Provider{ID: e.Provider, Addr: e.Addr, TTL: e.Expires.Sub(now), Version: e.Version, Hops: e.Hops}
		if e.IsLocal {
			if here {
				continue
			}
			here = true
			p.ID, p.Addr, p.Hops = n.deps.ID, n.dialAddr(), 0
		}
		buf = append(buf, p)
	}
	return buf
}

// learn keeps what a peer says of a service.
func (n *Node) learn(f discovery.Found) error {
	if !n.allowed(f.Provider) {
		return fault.New("node", fault.Unauthorized, "%s is not in the list of peers", ident.Short(f.Provider))
	}
	err := n.registry.Put(registry.Entry[rpc.Handler]{
		Name: f.Name, Provider: f.Provider, Owner: registry.Owner{ID: f.Teller},
		Epoch: f.Epoch, Version: f.Version, Addr: f.Addr, Hops: f.Hops, TTL: f.TTL,
	})
	if err != nil {
		return err
	}
	if who := n.policy(); !who.allows(f.Provider) { // the list has changed meanwhile, and may have been used too early
		n.dropRemoved(who)
		return fault.New("node", fault.Unauthorized, "%s is not in the list of peers any more", ident.Short(f.Provider))
	}
	n.caller.Learn(f.Name)
	return nil
}

// dropRemoved forgets what nodes provide that may not be peers.
func (n *Node) dropRemoved(who *policy) int {
	return n.registry.DropUnless(func(e *registry.Entry[rpc.Handler]) bool { return who.allows(e.Provider) })
}

func (n *Node) unlearn(name string, provider transport.PeerID, epoch, version uint64) {
	n.registry.Remove(name, provider, registry.Owner{ID: provider}, epoch, version)
}

// peerConn is a pooled connection in use by one call.
type peerConn struct{ slot *peerSlot }

// Call implements rpc.Conn. A call that was not taken because another
// connection to the peer has replaced this one goes on over that: two dials
// that cross cost nobody a call.
func (c peerConn) Call(ctx context.Context, req *link.Request) ([]byte, error) {
	body, err := c.slot.Conn.Call(ctx, req)
	if fault.KindOf(err) != fault.Draining || fault.Executed(err) {
		return body, err
	}
	next, none := c.slot.Another(ctx)
	if none != nil {
		return body, err
	}
	defer next.Done()
	return next.Conn.Call(ctx, req)
}

func (c peerConn) Done() { c.slot.Done() }

// connect returns a connection to a provider, in use.
func (n *Node) connect(ctx context.Context, p rpc.Provider) (rpc.Conn, error) {
	if p.ID == n.deps.ID {
		return nil, errors.New("macula bug: a remote provider with this node's id")
	}
	slot, err := n.pool.Get(ctx, p.ID, p.Addr)
	switch {
	case err == nil:
		return peerConn{slot}, nil
	case fault.KindOf(err) == fault.Unauthorized && !n.allowed(p.ID): // taken from the list since it was chosen: another provider may do
		return nil, &fault.Error{Op: "node", Kind: fault.Unreachable, Err: err}
	}
	return nil, err
}

func (n *Node) mark(name string) {
	if n.deps.Mark != nil {
		n.deps.Mark(name)
	}
}
