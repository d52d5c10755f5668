package netsim

import (
	"fmt"
	"path"
	"runtime"
	"strconv"
	"time"

	"github.com/maculamesh/macula/mono"
)

// Leak is something that is open at a host.
type Leak struct {
	Host *Host
	Kind string // "conn", "stream", "handshake" or "listener"
	Name string // what it is, and with whom
	Site string // the file and line that opened or accepted it; empty if nobody did yet
}

// String describes the leak in one line.
func (l Leak) String() string {
	s := l.Host.name + ": " + l.Kind + " " + l.Name
	if l.Site != "" {
		s += " from " + l.Site
	}
	return s
}

// Leaks returns whatever is open, host by host in the order of their making.
// After everything was closed, and a few latencies have passed, it is empty.
func (n *Net) Leaks() []Leak {
	n.lock()
	defer n.unlock()
	var all []Leak
	for _, h := range n.hosts {
		for _, p := range h.ends {
			if l := p.listener; l != nil {
				all = append(all, Leak{h, "listener", p.addr.String(), site(l.site)})
			}
			for e := p.first; e != nil; e = e.next {
				all = append(all, e.leaks()...)
			}
		}
	}
	return all
}

func (e *end) leaks() []Leak {
	kind := "conn"
	if e.state == handshaking {
		kind = "handshake"
	}
	all := []Leak{{e.host, kind, e.String(), site(e.site)}}
	first := len(all)
	for s := e.streams; s != nil; s = s.next {
		all = append(all, Leak{e.host, "stream", s.String(), site(s.site)})
	}
	for i, j := first, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// String names the connection as seen from this end.
func (e *end) String() string {
	arrow := "->"
	if e.side == 1 {
		arrow = "<-"
	}
	return fmt.Sprintf("#%d %s%s", e.c.id, arrow, e.remote)
}

// String names the stream as seen from this end, and what it still waits for.
func (s *streamEnd) String() string {
	who := "opened"
	if s.s.opener != s.side {
		who = "accepted"
		if !s.accepted {
			who = "waiting for AcceptStream"
		}
	}
	in, out := s.in(), s.out()
	state := ""
	if !in.readDone {
		state += ", the end of the reading half was not seen"
	}
	switch {
	case out.sentDone:
	case out.closed || out.resetErr != nil:
		state += ", the end of the writing half is not acknowledged"
	default:
		state += ", the writing half is open"
	}
	return fmt.Sprintf("%d of %s, %s%s", s.s.id, s.conn(), who, state)
}

// Orphans describes each stream that is open at one end while the other end
// has had no state for it for too long: longer than a round trip and the delay
// of an acknowledgement on a healthy link, or than the idle timeout if the
// link was cut meanwhile or the other end is gone without a word. now is an
// instant of the network's runtime; one in the past, zero among them, stands
// for the present.
func (n *Net) Orphans(now mono.Time) []string {
	n.lock()
	defer n.unlock()
	now = max(now, n.at)
	var all []string
	for _, p := range n.order {
		for c := p.conns; c != nil; c = c.next {
			for i := range c.ends {
				all = append(all, c.ends[i].orphans(p, now)...)
			}
		}
	}
	return all
}

func (e *end) orphans(p *pair, now mono.Time) []string {
	if e.state != open {
		return nil
	}
	var all []string
	for s := e.streams; s != nil; s = s.next {
		since, silent := s.s.single, false
		if !e.other().alive() {
			since, silent = e.c.broken, e.c.silent
		} else if s.other().open {
			continue
		}
		patience := e.patience(p, since, silent)
		since = max(since, e.host.nextRead, p.links[0].settled, p.links[1].settled)
		if age := now.Sub(since); age > patience {
			all = append(all, fmt.Sprintf("%s: stream %s: the other end has had no state for it for %v, opened at %s", e.host.name, s, age, site(s.site)))
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// ackDelay is the longest that QUIC delays an acknowledgement (RFC 9000,
// 18.2, max_ack_delay).
const ackDelay = 25 * time.Millisecond

// patience is how long a stream may be open at e alone.
func (e *end) patience(p *pair, since mono.Time, silent bool) (d time.Duration) {
	for i := range p.links {
		l := &p.links[i]
		silent = silent || l.shut() || l.changed > since || e.c.ends[i].astray
		d += l.worst()
	}
	d += ackDelay
	if silent {
		d += e.idleAfter + e.keepAlive
	}
	return d
}

// caller is the place that called the exported method which calls caller.
func caller() uintptr {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	return pc[0]
}

// site renders a place without what depends on the machine.
func site(pc uintptr) string {
	if pc == 0 {
		return ""
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	dir, file := path.Split(f.File)
	return path.Base(dir) + "/" + file + ":" + strconv.Itoa(f.Line)
}
