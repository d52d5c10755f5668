package netsim

import (
	"github.com/maculamesh/macula/transport"
)

// The flights of a handshake, as in RFC 9001 without their content:
//
//	initial  ->             is anybody there?
//	         <- retry       prove your address (only on Verify)
//	initial  ->
//	         <- hello       the dialler knows the peer: Dial returns
//	finished ->             the listener knows the dialler: Accept returns
//
// A refusal before hello ends Dial with ErrRefused. After it Dial has
// returned already, and the refusal arrives as the connection's end.

// dial starts the handshake of the dialling end e.
func (n *Net) dial(e *end) {
	e.alarm = n.newFlight(kHandshakeTimeout, e, nil, 0)
	e.alarm.arm(n.at.Add(e.ep.cfg.HandshakeTimeout))
	if e.out != nil {
		n.post(e, kInitial, nil, 0, nil)
	}
}

// initial is the arrival of the first flight. Where nobody listens it gets no
// answer.
func (n *Net) initial(f *flight) {
	c := f.c
	from := &c.ends[0]
	h := from.out.to
	if !from.alive() || c.ends[1].state != unknown {
		return
	}
	if n.rec != nil {
		n.rec.Delivered(f.packet())
	}
	if p := h.endpoint(c.target.Port()); p != nil && p.listener != nil {
		p.listener.ask(knock{c, f.val == 1})
	}
}

// decide carries out a verdict.
func (n *Net) decide(l *listener, k knock, v transport.Verdict) {
	c := k.c
	from, to := &c.ends[0], &c.ends[1]
	if !from.alive() || to.state != unknown {
		return
	}
	to.prepare(l.p, from)
	switch {
	case v == transport.Refuse:
		n.post(to, kRefuse, nil, 0, nil)
	case v == transport.Verify && !k.verified:
		n.post(to, kRetry, nil, 0, nil)
	default:
		to.state = handshaking
		l.p.add(to)
		to.heard = n.at
		to.alarm = n.newFlight(kHandshakeTimeout, to, nil, 0)
		to.alarm.arm(n.at.Add(l.p.cfg.HandshakeTimeout))
		if n.rec != nil && (from.host.stalls || to.host.stalls) {
			n.drop(n.describe(to, nil, kHello, 0, n.at), 1)
		}
		if !from.host.stalls && !to.host.stalls {
			n.post(to, kHello, nil, 0, nil)
		}
	}
}

// shake is the arrival of a later flight of the handshake.
func (n *Net) shake(from, to *end, f *flight) {
	if to.state != handshaking {
		return
	}
	switch f.kind {
	case kRetry:
		n.post(to, kInitial, nil, 1, nil)
	case kRefuse:
		n.die(to, transport.ErrRefused)
	case kHello:
		if from.ep.id != to.peer {
			n.refuseHandshake(to, transport.ErrPeerMismatch)
			return
		}
		n.open(to, from)
		n.post(to, kFinished, nil, 0, nil)
		w := to.dialler
		to.dialler = nil
		w.conn = to
		w.wake()
	case kFinished:
		n.finished(from, to)
	}
}

// finished is the end of the handshake at the listening end: the moment of
// late refusals.
func (n *Net) finished(from, to *end) {
	l := to.ep.listener
	switch {
	case from.host.fails || to.host.fails:
		n.refuse(to, transport.ErrHandshake)
	case l == nil:
		n.refuse(to, transport.ErrRefused)
	default:
		n.open(to, from)
		if !l.deliver(to) {
			n.refuse(to, transport.ErrRefused)
		}
	}
}

// open makes e a connection with what the other end allows it.
func (n *Net) open(e, other *end) {
	e.alarm.disarm()
	e.alarm = nil
	e.ep.handshakes(e, -1)
	e.ep.stats.Conns++
	e.out.to.towards++
	e.host.noteConns()
	e.out.to.noteConns()
	e.state = open
	e.openLimit = int64(other.ep.cfg.MaxStreams)
	e.sendLimit = int64(other.ep.cfg.ConnWindow)
	e.idleAfter = min(e.ep.cfg.IdleTimeout, other.ep.cfg.IdleTimeout)
	if k := e.ep.cfg.KeepAlive; k > 0 {
		e.keepAlive = min(k, e.idleAfter/2)
	}
	e.watch()
	other.watch()
}

// refuse ends e, and tells the other end the same.
func (n *Net) refuse(e *end, why error) {
	n.die(e, why)
	n.post(e, kClose, nil, 0, why)
}

// refuseHandshake ends the dialling end; the listening one only learns that
// the handshake failed.
func (n *Net) refuseHandshake(e *end, why error) {
	n.die(e, why)
	n.post(e, kClose, nil, 0, transport.ErrHandshake)
}

func (n *Net) handshakeTimeout(f *flight) {
	e := &f.c.ends[f.side]
	e.alarm = nil
	e.c.silent = true
	n.die(e, transport.ErrHandshakeTimeout)
}
