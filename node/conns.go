package node

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// admit answers the transport before a handshake costs anything. Half of the
// places are for whoever comes, the other half for those who have proved
// their address.
func (n *Node) admit(_ transport.Addr, verified bool) transport.Verdict {
	switch h := n.deps.Transport.Stats().Accepting; {
	case h >= n.cfg.Handshakes:
		return transport.Refuse
	case !verified && (h >= n.cfg.Handshakes/2 || n.level() >= pressure.High):
		return transport.Verify
	}
	return transport.Accept
}

// accept gives every connection a task, up to the limit of handshakes.
func (n *Node) accept(lis transport.Listener) {
	for {
		conn, err := lis.Accept(n.ctx)
		if err != nil {
			if !n.isDraining() { // else the end of the listener is meant
				n.log.Error("accept failed: the node takes no more connections", "err", err)
			}
			return
		}
		if n.isDraining() {
			n.refuse(conn, errDraining())
			continue
		}
		// Those who may be peers have places of their own: strangers who say
		// nothing cannot keep them out.
		places := n.handshakes
		if n.policy().may[conn.Peer()] {
			places = n.memberHandshakes
		}
		if short := n.pressed(conn.Peer()); short != nil {
			n.refuse(conn, short)
		} else if !places.TryAcquire() {
			n.refuse(conn, &fault.Error{Op: "node", Kind: fault.Overload, Detail: "too many handshakes", RetryAfter: n.cfg.Pool.RetryAfter})
		} else if !n.group.Go("node/conn", func() { n.serveConn(conn, places) }) {
			places.Release()
			n.refuse(conn, errDraining())
		}
	}
}

// refuse closes a connection that has no task, with the reason in the close.
func (n *Node) refuse(conn transport.Conn, err *fault.Error) {
	n.door.ended(err)
	n.log.Debug("connection refused", "peer", ident.Short(conn.Peer()), "reason", err.Detail)
	conn.CloseWithError(wire.CloseCode(err.Kind), wire.EncodeRefusal(err.Kind, err.RetryAfter, err.Detail))
}

func (n *Node) linkDeps() link.Deps {
	return link.Deps{Runtime: n.r, Ledger: n.ledger, Log: n.log, Server: n.server, Buffers: &n.buffers, Totals: &n.calls, Mark: n.deps.Mark}
}

// linkConfig is the link's configuration as of now: where we listen is known
// only after Serve.
func (n *Node) linkConfig() link.Config {
	c := n.cfg.Link
	if a := n.dialAddr(); a.IsValid() {
		c.Listen = []string{a.String()}
	}
	return c
}

// serveConn is the life of an accepted connection: hello, admission, service.
// The handshake's place is given back as soon as the peer is in or out.
func (n *Node) serveConn(conn transport.Conn, places *rt.Semaphore) {
	held := true
	in := n.door.begin()
	release := func() {
		if held {
			held = false
			in()
			places.Release()
		}
	}
	defer release()
	ctx, cancel := n.r.WithTimeout(n.ctx, n.cfg.Link.HelloTimeout)
	defer cancel()
	l, err := link.Accept(ctx, n.linkDeps(), n.linkConfig(), conn)
	if err != nil {
		n.door.ended(err)
		n.log.Debug("hello failed", "peer", ident.Short(conn.Peer()), "addr", conn.RemoteAddr().String(), "err", err)
		return
	}
	if l.Hello().Role == wire.RolePeer {
		n.servePeer(ctx, l, release)
	} else {
		n.serveClient(ctx, l, release)
	}
}

// servePeer admits an accepted peer and serves it.
func (n *Node) servePeer(ctx context.Context, l *link.Link, release func()) {
	if !n.allowed(l.Peer()) {
		n.log.Warn("not allowed as a peer", "peer", ident.String(l.Peer()), "addr", l.RemoteAddr().String())
		err := fault.New("node", fault.Unauthorized, "this id is not in the list of peers")
		n.door.ended(err)
		l.Refuse(err)
		return
	}
	release() // from here on it is one of those who wait for room in the pool
	// Who dies at the door waits no longer, and nobody makes room for it.
	door, leave := n.r.WithCancelCause(ctx)
	stay := n.r.AfterDone(l.Context(), func() { leave(fault.CallerGone) })
	slot, err := n.pool.Admit(door, l)
	stay()
	leave(nil)
	if err != nil {
		if fault.KindOf(err) == fault.Overload {
			n.mark("refused while full")
		}
		n.door.ended(err)
		n.log.Debug("peer refused", "peer", ident.Short(l.Peer()), "err", err)
		l.Refuse(err)
		return
	}
	err = l.Welcome()
	slot.Done()
	if err != nil {
		n.door.ended(err)
		l.Refuse(err)
		slot.Gone()
		return
	}
	n.door.admitted()
	n.runPeer(slot)
}

// dialPeer makes a connection for the pool.
func (n *Node) dialPeer(ctx context.Context, peer transport.PeerID, addr transport.Addr) (*link.Link, error) {
	if !n.allowed(peer) {
		return nil, fault.New("node", fault.Unauthorized, "%s is not in the list of peers", ident.Short(peer))
	}
	return link.Dial(ctx, n.linkDeps(), n.linkConfig(), n.deps.Transport, addr, peer, wire.RolePeer)
}

// runDialled starts the task of a connection that the pool dialled.
func (n *Node) runDialled(slot *peerSlot) {
	if !n.group.Go("node/peer", func() { n.runPeer(slot) }) {
		slot.Conn.Refuse(errDraining())
		slot.Gone()
	}
}

// runPeer serves an admitted peer to its end.
func (n *Node) runPeer(slot *peerSlot) {
	l := slot.Conn
	n.mu.Lock()
	n.joined = true
	n.mu.Unlock()
	n.log.Info("peer up", "peer", ident.Short(l.Peer()), "addr", l.RemoteAddr().String(), "dialled", l.Dialled())
	if n.allowed(l.Peer()) {
		n.discovery.Up(l, slot.Order())
	} else { // the list has changed while it was on its way
		n.mark("let in by a list of before")
		slot.Expel(n.acting().DrainTimeout)
	}
	err := l.Run(&peerControl{n: n, slot: slot}, slot)
	n.discovery.Down(l)
	slot.Gone()
	var reason any = err
	if why := slot.Reason(); why != "" {
		reason = why // not that it was closed here
	}
	_, other := n.pool.Lookup(l.Peer())
	n.log.Info("peer down", "peer", ident.Short(l.Peer()), "reason", reason, "connected", other)
}

// peerControl is the control stream of a peer.
type peerControl struct {
	n    *Node
	slot *peerSlot
}

// Frame implements link.Control.
func (p *peerControl) Frame(l *link.Link, kind byte, payload []byte) error {
	if (kind == wire.KindAdvertise || kind == wire.KindWithdraw) && p.past(l) {
		return nil // it is not about what the peer provides now
	}
	handled, err := p.n.discovery.Frame(l, kind, payload)
	if !handled && !wire.Skippable(kind) {
		return fault.New("node", fault.Protocol, "frame %d on the control stream", kind)
	}
	return err
}

// GoneAway implements link.Control. A peer that shuts down, or does not want us
// any more, takes its services with it; one that has evicted us has not. A goodbye that comes when the peer
// has started anew is not about what it provides now.
func (p *peerControl) GoneAway(l *link.Link, why fault.Kind) {
	p.slot.Leave()
	if p.past(l) {
		return
	}
	if why == fault.Draining || why == fault.Unauthorized {
		p.n.registry.Drop(registry.Owner{ID: l.Peer()})
	}
}

// past reports whether the peer has started anew since the link came up.
func (p *peerControl) past(l *link.Link) bool {
	now, ok := p.n.pool.Lookup(l.Peer())
	return ok && now.Incarnation() != l.Incarnation()
}

// serveClient admits a client and serves it. When it leaves, everything that
// its session owns leaves with it.
func (n *Node) serveClient(ctx context.Context, l *link.Link, release func()) {
	if n.isDraining() { // its older session may have calls to finish
		n.door.endedClient(errDraining())
		l.Refuse(errDraining())
		return
	}
	s, older, err := n.admitClient(ctx, l)
	if err != nil {
		if fault.KindOf(err) == fault.Overload {
			n.mark("refused while full")
		}
		n.door.endedClient(err)
		n.log.Debug("client refused", "client", ident.Short(l.Peer()), "err", err)
		l.Refuse(err)
		return
	}
	release()
	defer n.detach(s)
	if older != nil {
		n.log.Info("client superseded", "client", ident.Short(l.Peer()))
		n.forget(older)
		n.group.Go("node/supersede", func() { older.Conn.Close(fault.Superseded, 0) })
	}
	if n.isDraining() { // it came too late to be told with the others
		n.door.endedClient(errDraining())
		l.Refuse(errDraining())
		return
	}
	if err := l.Welcome(); err != nil {
		n.door.ended(err)
		l.Refuse(err)
		return
	}
	n.door.admitted()
	n.log.Info("client attached", "client", ident.Short(l.Peer()), "addr", l.RemoteAddr().String())
	err = l.Run(&clientControl{n: n, s: s}, nil)
	n.log.Info("client left", "client", ident.Short(l.Peer()), "reason", err)
}

// admitClient gives a client its session. An id that changes hands too often
// keeps the session that it has for as long as that is alive: two machines
// with one key would else throw each other out for ever.
func (n *Node) admitClient(ctx context.Context, l *link.Link) (s, older *session, err error) {
	for {
		s, older, err = n.clients.Admit(l.Peer(), l, older)
		if fault.KindOf(err) != fault.Superseded {
			return s, older, err
		}
		probe, cancel := n.r.WithTimeout(ctx, n.cfg.Pool.ProbeTimeout)
		alive := older.Conn.Alive(probe)
		cancel()
		if alive {
			n.clients.Disputed()
			n.log.Warn("two machines have the key of a client", "client", ident.String(l.Peer()), "addr", l.RemoteAddr().String(), "other", older.Conn.RemoteAddr().String())
			return nil, nil, err
		}
		if ctx.Err() != nil {
			return nil, nil, fault.Wrap("node", context.Cause(ctx))
		}
	}
}

// detach takes a session and all that it owns out of the tables, before
// anybody is told.
func (n *Node) detach(s *session) {
	n.clients.Remove(s)
	n.forget(s)
}

// forget removes the services of a session.
func (n *Node) forget(s *session) {
	for _, e := range n.registry.Drop(registry.Owner{ID: s.ID, Session: s.Ref}) {
		n.withdrawIfLast(e.Name)
	}
}

// stableAfter is how long a connection to a bootstrap peer must have lived for
// the next attempt to come soon.
const stableAfter = time.Minute

// hold waits for the end of a connection that is wanted all the time. It is
// touched now and then, so that it is not taken for one that nobody needs; it
// is not in use, so that a full pool may still evict it.
func (n *Node) hold(ctx context.Context, slot *peerSlot) {
	ended := slot.Conn.Ended()
	slot.Done()
	for {
		wait, cancel := n.r.WithTimeout(ctx, n.Limits().IdleAfter/(2*hurry))
		err := ended.Wait(wait)
		cancel()
		if err == nil || ctx.Err() != nil || !slot.Use() {
			break
		}
		slot.Done()
	}
	ended.Wait(ctx)
}

// keep holds a connection to a bootstrap peer until ctx ends, with backoff: a
// mesh that was split finds together again.
func (n *Node) keep(ctx context.Context, p Peer) {
	b := backoff.New(n.cfg.Pool.Backoff)
	for ctx.Err() == nil {
		slot, err := n.pool.Get(ctx, p.ID, p.Addr)
		told := fault.RetryAfter(err)
		if err == nil {
			up := n.r.Now()
			n.hold(ctx, slot)
			told = slot.Conn.RetryAfter()
			if n.r.Now().Sub(up) >= stableAfter {
				b.Reset() // else it was evicted or refused at once: come back more and more slowly
			}
		} else if ctx.Err() == nil {
			n.log.Warn("bootstrap not reached", "peer", ident.Short(p.ID), "addr", p.Addr.String(), "err", err)
		}
		rt.Sleep(ctx, n.r, max(b.Next(n.r.Rand("node/keep")), told))
	}
}
