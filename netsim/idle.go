package netsim

import (
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// A connection end dies when it has heard nothing for idleAfter, counted from
// the latest packet that came or, if that was later, from the first packet
// after it that wanted an answer (RFC 9000, 10.1). Keep-alives are such
// packets.
//
// As long as keep-alives get through nothing can happen, so there is no alarm
// and no event: only when a link is cut or an end dies is it computed when
// they came through last. Without keep-alives there is one alarm for each end
// and idle period, which looks again when it fires.

// gets reports whether e hears from its peer without anybody's doing.
func (e *end) gets() bool {
	o := e.other()
	return o.alive() && !o.shut() && (o.keepAlive > 0 || (e.keepAlive > 0 && !e.shut()))
}

// watch looks at whether e still hears from its peer, after something has
// changed, and sets or removes the alarm.
func (e *end) watch() {
	if e.state != open {
		return
	}
	n := e.c.n
	gets := e.gets()
	if gets {
		if !e.hearing {
			e.heard, e.asked = max(e.heard, n.at), 0
		}
		if e.alarm != nil {
			e.alarm.disarm()
			e.alarm = nil
		}
	} else {
		if e.hearing {
			e.catchUp()
		}
		if e.alarm == nil {
			e.alarm = n.newFlight(kIdle, e, nil, 0)
			e.alarm.arm(max(e.deadline(), n.at))
		}
	}
	e.hearing = gets
}

// catchUp sets heard to what the keep-alives until now have made of it.
func (e *end) catchUp() {
	if at := e.lastHeard(); at != e.heard {
		e.heard, e.asked = at, 0
	}
}

// lastHeard is when e heard from its peer last, if keep-alives come through.
func (e *end) lastHeard() mono.Time {
	period := e.keepAlive
	if k := e.other().keepAlive; k > 0 && (period == 0 || k < period) {
		period = k
	}
	quiet := e.c.n.at.Sub(e.heard)
	if period == 0 || quiet < period {
		return e.heard
	}
	return e.heard.Add(quiet / period * period)
}

// deadline is when e dies of what it knows now.
func (e *end) deadline() mono.Time {
	from, asked := e.heard, e.asked
	if e.keepAlive > 0 {
		asked = mono.Earliest(asked, e.heard.Add(e.keepAlive))
	}
	return max(from, asked).Add(e.idleAfter)
}

// idle is the alarm.
func (n *Net) idle(f *flight) {
	e := &f.c.ends[f.side]
	if at := e.deadline(); n.at < at {
		f.arm(at)
		return
	}
	e.alarm = nil
	n.release(f)
	n.expire(e)
}

// expire is the death of an end that has heard nothing for too long.
func (n *Net) expire(e *end) {
	e.c.silent = true
	n.die(e, transport.ErrIdleTimeout)
}
