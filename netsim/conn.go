package netsim

import (
	"context"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// conn is a connection with both of its ends. What one end knows changes only
// by its own calls and by packets that arrive.
type conn struct {
	n          *Net
	id         uint64
	target     transport.Addr
	pair       *pair // nil if the address is nobody's
	prev, next *conn // in the pair
	ends       [2]end
	broken     mono.Time // when the first end ended
	silent     bool      // and whether it did without a word
	doomed     bool      // neither end hears of the other any more
	touched    bool
}

type endState uint8

const (
	unknown endState = iota // the first flight has not come
	handshaking
	open
	ended
)

// end is one end of a connection; it implements transport.Conn. The dialling
// end has side 0.
type end struct {
	c      *conn
	side   uint8
	state  endState
	ep     *endpoint
	host   *Host
	out    *dir // the link to the other end
	astray bool // it sends to where the other end was once
	peer   transport.PeerID
	remote transport.Addr
	site   uintptr

	prev, next *end // in the endpoint
	cause      error
	ctx        context.Context // made when somebody asks for it
	cancel     context.CancelCauseFunc
	dialler    *waiter // of a Dial that waits
	alarm      *flight // for the handshake, then for idleness
	stalled    *flight // waits for the link to heal, latest first

	idleAfter time.Duration
	keepAlive time.Duration // zero is off
	heard     mono.Time     // the latest packet from the peer
	asked     mono.Time     // the first packet since then that wants an answer
	hearing   bool          // keep-alives come through: no alarm is needed

	streams   *streamEnd // the first of those not finished, latest first
	nstreams  int
	opened    int64 // streams opened here
	openLimit int64
	unseen    streamList // opened here, the peer has not heard of them
	seen      int64      // streams opened by the peer that this end knows
	backlog   streamList // of those, the ones that wait for AcceptStream
	accepted  int64
	finished  int64 // of those, finished: the peer may open as many again
	opening   line
	accepting line
	mail      *mail // nil until there are datagrams

	sent        int64 // stream bytes, against sendLimit
	sendLimit   int64
	blocked     *streamEnd // the first that waits for sendLimit
	blockedLast *streamEnd
	arrived     int64 // stream bytes
	consumed    int64 // of those, by a Read or given up
	granted     int64 // the limit that the peer was told
}

// newConn makes a connection whose dialling end begins its handshake.
func (n *Net) newConn(p *endpoint, addr transport.Addr, want transport.PeerID) *conn {
	n.connSeq++
	c := &conn{n: n, id: n.connSeq, target: addr}
	e := &c.ends[0]
	*e = end{c: c, ep: p, host: p.host, state: handshaking, peer: want, remote: addr}
	c.ends[1] = end{c: c, side: 1}
	e.granted = int64(p.cfg.ConnWindow)
	n.conns++
	if h := n.byIP[addr.Addr()]; h != nil {
		c.pair = n.pair(p.host, h)
		c.pair.add(c)
		e.out = n.dir(p.host, h)
	}
	p.add(e)
	return c
}

// prepare fills in the listening end.
func (e *end) prepare(p *endpoint, from *end) {
	e.ep, e.host, e.out = p, p.host, p.n.dir(p.host, from.host)
	e.peer, e.remote = from.ep.id, from.ep.seen()
	e.granted = int64(p.cfg.ConnWindow)
}

func (p *pair) add(c *conn) {
	c.prev = p.last
	if p.last == nil {
		p.conns = c
	} else {
		p.last.next = c
	}
	p.last = c
}

func (p *pair) remove(c *conn) {
	if c.prev == nil {
		p.conns = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		p.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

func (e *end) alive() bool { return e.state == handshaking || e.state == open }

// deaf reports whether nothing that arrives at e matters any more.
func (e *end) deaf() bool { return !e.alive() || e.c.doomed }

// cut reports whether what e sends is lost.
func (e *end) cut() bool { return e.out.cut || e.astray }

// shut reports whether nothing of e arrives now.
func (e *end) shut() bool { return e.out.shut() || e.astray }

func (e *end) other() *end { return &e.c.ends[1-e.side] }

// Context implements transport.Conn.
func (e *end) Context() context.Context {
	n := e.c.n
	n.lock()
	defer n.unlock()
	if e.ctx == nil {
		e.ctx, e.cancel = e.ep.r.WithCancelCause(context.Background())
		if e.state == ended {
			n.due = append(n.due, ending{e.cancel, e.cause})
		}
	}
	return e.ctx
}

// Peer implements transport.Conn.
func (e *end) Peer() transport.PeerID { return e.peer }

// RemoteAddr implements transport.Conn.
func (e *end) RemoteAddr() transport.Addr {
	n := e.c.n
	n.lock()
	defer n.unlock()
	if e.state == open && e.hearing && e.follows(e.lastHeard().Add(-e.other().out.Latency)) {
		e.remote = e.other().ep.seen() // by a keep-alive, which is no event
	}
	return e.remote
}

// CloseWithError implements transport.Conn.
func (e *end) CloseWithError(code transport.Code, reason string) error {
	n := e.c.n
	n.lock()
	defer n.unlock()
	n.close(e, code, reason)
	return nil
}

// close ends e and tells the other end.
func (n *Net) close(e *end, code transport.Code, reason string) {
	switch e.state {
	case handshaking:
		if e.side == 1 {
			n.refuse(e, transport.ErrRefused)
			return
		}
		n.die(e, transport.ErrClosed)
	case open:
		if len(reason) > transport.MaxReason {
			reason = reason[:transport.MaxReason]
		}
		n.unsend(e)
		n.die(e, &transport.CloseError{Code: code, Reason: reason})
		n.post(e, kClose, nil, int64(code), &transport.CloseError{Code: code, Reason: reason, Remote: true})
	}
}

// unsend takes back the stream data that was written in this instant: the
// close goes out before it.
func (n *Net) unsend(e *end) {
	for s := e.streams; s != nil; s = s.next {
		s.out().lane.unsend(n.at)
	}
}

// die ends e at once, without telling the other end.
func (n *Net) die(e *end, cause error) {
	if !e.alive() {
		return
	}
	c, o := e.c, e.other()
	n.touch(c)
	e.ep.remove(e)
	e.state, e.cause = ended, cause
	if e.alarm != nil {
		e.alarm.disarm()
		e.alarm = nil
	}
	n.discard(e)
	for e.streams != nil {
		e.streams.abandon()
	}
	e.backlog = streamList{}
	e.blocked, e.blockedLast = nil, nil
	e.opening.fail(cause)
	e.accepting.fail(cause)
	if e.mail != nil {
		e.mail.takers.fail(cause)
	}
	if w := e.dialler; w != nil {
		e.dialler = nil
		w.err = cause
		w.wake()
	}
	if e.cancel != nil {
		n.due = append(n.due, ending{e.cancel, cause})
	}
	if c.broken == 0 {
		c.broken = n.at
	}
	if o.alive() {
		o.watch()
		return
	}
	n.discard(o)
	n.conns--
	if c.pair != nil {
		c.pair.remove(c)
	}
}
