package churn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// guest is one client, from coming to leaving.
type guest struct {
	chair *chair
	seat  Seat

	tr       transport.Transport
	c        *client.Client
	calls    *rt.Group
	provides []*client.Service
	attached bool
	how      leave
}

// visit comes, stays and begins to leave. Tasks of the seat run it.
func (g *guest) visit(name string) {
	l, r := g.chair.l, g.seat.Runtime()
	g.calls = rt.NewGroup(r)
	tr, id, err := g.seat.Enter(name)
	if err != nil {
		l.wrong("%s cannot enter: %v", name, err)
		return
	}
	g.tr = tr
	g.c, err = client.New(client.Config{
		Realm: l.cfg.Realm, Gateways: []client.Gateway{g.chair.gateway()}, NoReconnect: true, Services: 1 << 16,
	}, client.Deps{Runtime: r, Transport: tr, ID: id})
	if err != nil {
		l.wrong("%s cannot be built: %v", name, err)
		tr.Close()
		return
	}
	until := r.Now().Add(about(r, l.cfg.Stay))
	if g.chair.hoard {
		until = r.Now().Add(20 * l.cfg.Stay)
	}
	if g.attach(until) {
		g.stay(until)
	}
	g.depart()
}

// attach tries until it is let in, or its time is over.
func (g *guest) attach(until mono.Time) bool {
	l, r := g.chair.l, g.seat.Runtime()
	for {
		ctx, cancel := r.WithTimeout(context.Background(), 10*time.Second)
		err := g.c.Attach(ctx)
		cancel()
		if err == nil {
			g.attached = true
			l.count(func(c *Counts) { c.Attached++ })
			return true
		}
		wait := fault.RetryAfter(err)
		var f *fault.Error
		if errors.As(err, &f) && f.Remote && f.Kind == fault.Overload {
			l.count(func(c *Counts) { c.Refused++ })
			if wait <= 0 {
				l.wrong("a client is refused and not told when to come again: %v", err)
			}
		} else {
			l.count(func(c *Counts) { c.Failed++ })
		}
		// Whoever was told to come again comes again; the seat is not given up
		// for another one while somebody waits at it.
		if !l.sleep(r, max(wait, time.Second)) || wait <= 0 && until.Reached(r.Now()) {
			return false
		}
	}
}

// stay does one thing after the other.
func (g *guest) stay(until mono.Time) {
	l, r := g.chair.l, g.seat.Runtime()
	if g.chair.hoard {
		g.gather(until)
		return
	}
	g.advertise(shared)
	for !until.Reached(r.Now()) {
		if !l.sleep(r, min(l.pause(r), max(0, until.Sub(r.Now())))) || !g.c.Attached() {
			return
		}
		switch draw := r.Rand("churn").Float64(); {
		case draw < 0.15:
			g.advertise(l.names[r.Rand("churn").IntN(len(l.names))])
		case draw < 0.22:
			g.withdraw()
		case g.calls.Count() < maxInFlight:
			g.calls.Go("churn/call", func() { l.call(r, g.c.Call) })
		}
	}
}

// maxProvided bounds the services of one client.
const maxProvided = 6

// advertise provides a service for a short time: renewed until it is
// withdrawn, or left to expire.
func (g *guest) advertise(name string) {
	l, r := g.chair.l, g.seat.Runtime()
	if len(g.provides) >= maxProvided {
		g.withdraw()
	}
	for _, s := range g.provides {
		if s.Name() == name {
			return
		}
	}
	once := chance(r, 0.5)
	if g.offer(name, durationUpTo(r, l.cfg.TTL), once) && once {
		l.count(func(c *Counts) { c.Expired++ })
	}
}

// offer advertises and counts what comes of it.
func (g *guest) offer(name string, ttl time.Duration, once bool) bool {
	l, r := g.chair.l, g.seat.Runtime()
	ctx, cancel := r.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := g.c.Advertise(ctx, name, l.handler(r), ttl, once)
	l.count(func(c *Counts) {
		switch {
		case err == nil:
			c.Advertised++
		case fault.KindOf(err) == fault.Overload:
			c.Full++
		}
	})
	if err != nil {
		return false
	}
	g.provides = append(g.provides, s)
	return true
}

// withdraw ends the oldest service.
func (g *guest) withdraw() {
	if len(g.provides) == 0 {
		return
	}
	g.provides[0].Withdraw()
	g.provides = g.provides[1:]
	g.chair.l.count(func(c *Counts) { c.Withdrawn++ })
}

// gather provides as many services as it can, and always tries one more.
func (g *guest) gather(until mono.Time) {
	l, r := g.chair.l, g.seat.Runtime()
	for n := 0; !until.Reached(r.Now()) && g.c.Attached(); n++ {
		more := g.offer(fmt.Sprintf("%s.%d", g.chair.name, n), 3*l.cfg.TTL, false)
		if len(g.provides) >= l.cfg.Hoard || !more && len(g.provides) > 0 {
			if !l.sleep(r, about(r, l.cfg.Stay/10)) {
				return
			}
			g.withdraw()
		}
		if l.over() {
			return
		}
	}
}

// depart leaves in the way that is drawn. Who vanishes or is replaced is ended by
// the chair.
func (g *guest) depart() {
	l, r := g.chair.l, g.seat.Runtime()
	g.how = leaves
	if g.attached {
		g.how = way(r.Rand("churn"))
	}
	if l.over() && g.how == replaced {
		g.how = leaves
	}
	switch g.how {
	case vanishes, replaced:
		return
	case drops:
		g.tr.Close()
		l.count(func(c *Counts) { c.Dropped++ })
	case leaves:
		if g.attached {
			l.count(func(c *Counts) { c.Left++ })
		}
	}
	g.clear()
}

// replacedBy waits until the session has heard of the newer one, which happens
// at once unless it was over already.
func (g *guest) replacedBy() bool {
	ctx, cancel := g.seat.Runtime().WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if g.c.Over().Wait(ctx) != nil {
		return false
	}
	if fault.KindOf(g.c.Err()) == fault.Superseded {
		g.chair.l.count(func(c *Counts) { c.Superseded++ })
	}
	return true
}

// clear ends what is left of the client.
func (g *guest) clear() {
	if g.c == nil {
		return
	}
	ctx, cancel := g.seat.Runtime().WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n := g.c.Close(ctx); n > 0 {
		g.chair.l.wrong("%d handlers of a client do not end", n)
	}
	g.tr.Close()
	g.calls.Close()
	if g.calls.Wait(ctx) != nil {
		g.chair.l.wrong("%d calls of a client that was closed do not end", g.calls.Count())
	}
}

// durationUpTo is drawn evenly, and never zero.
func durationUpTo(r rt.Runtime, most time.Duration) time.Duration {
	return 1 + time.Duration(r.Rand("churn").Int64N(int64(most)))
}
