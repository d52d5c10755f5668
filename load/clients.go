package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// guests are more clients than a gateway takes.
type guests struct {
	r       *run
	gw      *member
	all     []*attached // by their number
	in      []*attached
	refused int
	soonest time.Duration // the retry-afters that they were told
	latest  time.Duration
}

func playClients(r *run) error {
	g := &guests{r: r, all: make([]*attached, r.cfg.Clients)}
	cfg := node.Config{}
	cfg.Clients.Limit = r.cfg.Limit
	cfg.Handshakes = max(64, 4*r.cfg.Lanes)
	var err error
	if g.gw, err = r.startNode("gateway", cfg, transport.Config{}); err != nil {
		return err
	}
	r.lanes(r.cfg.Clients, "clients attach", func(i int) {
		if err := g.try(i); err != nil {
			r.held("a client can be built", err)
		}
	})
	if r.ctx.Err() != nil {
		return errStopped
	}
	g.counts()
	g.whileFull()
	r.figure("clients", float64(r.cfg.Clients))
	r.figure("limit", float64(r.cfg.Limit))
	r.figure("attached", float64(len(g.in)))
	r.figure("refused", float64(g.refused))
	r.figure("open_here", float64(g.gw.conns()))
	r.figure("open_there", float64(g.elsewhere()))
	r.figure("retry_after_from_ms", ms(g.soonest))
	r.figure("retry_after_to_ms", ms(g.latest))
	r.summary("%d clients, limit %d: %d attached, %d refused, each with a retry-after (%v to %v); %d open here, %d there",
		r.cfg.Clients, r.cfg.Limit, len(g.in), g.refused, g.soonest.Round(100*time.Millisecond), g.latest.Round(100*time.Millisecond), g.gw.conns(), g.elsewhere())
	g.leave()
	return nil
}

// try lets one client come, once.
func (g *guests) try(i int) error {
	r := g.r
	a, err := r.newClient(fmt.Sprintf("client-%05d", i), "", g.gw)
	if err != nil {
		return err
	}
	err = a.attach()
	r.mu.Lock()
	g.all[i] = a
	if err == nil {
		g.in = append(g.in, a)
		r.mu.Unlock()
		return nil
	}
	after := fault.RetryAfter(err)
	g.refused++
	if g.soonest == 0 || after < g.soonest {
		g.soonest = after
	}
	g.latest = max(g.latest, after)
	r.mu.Unlock()
	var f *fault.Error
	ok := errors.As(err, &f) && f.Kind == fault.Overload && after > 0
	r.check(ok, "a refusal says overload and when to come back", "%v", err)
	return nil
}

// elsewhere is how many connections the clients hold, by the books of their
// own transports.
func (g *guests) elsewhere() int {
	n := 0
	for _, a := range g.all {
		if a != nil {
			n += a.host.Transport().Stats().Conns
		}
	}
	return n
}

// counts compares what both sides have counted.
func (g *guests) counts() {
	r := g.r
	limit, extra := r.cfg.Limit, r.cfg.Clients-r.cfg.Limit
	r.check(len(g.in) == limit && g.refused == extra, "as many clients are refused as are too many",
		"%d attached and %d were refused of %d at a limit of %d", len(g.in), g.refused, r.cfg.Clients, limit)
	st := g.gw.node.Status().Clients
	r.check(st.Attached == limit && st.Peak == limit, "the limit is reached and not passed", "%d attached, at most %d, the limit is %d", st.Attached, st.Peak, limit)
	r.check(int(st.Refused) == extra, "refusals are counted", "%d are, want %d", st.Refused, extra)
	r.eventually(patience, "those who were refused are closed at both ends", func() string {
		return join(want("open here", g.gw.conns(), limit), want("open there", g.elsewhere(), limit))
	})
	r.held(propAudit, g.gw.node.Audit())
}

// whileFull shows that a full gateway serves those whom it has.
func (g *guests) whileFull() {
	r := g.r
	if len(g.in) == 0 {
		return
	}
	err := g.in[0].provide("guest.echo", echo)
	r.check(err == nil, "an attached client may update itself while the table is full", "%v", err)
	answer, err := g.gw.call("guest.echo", []byte("full"), patience)
	r.check(err == nil && string(answer) == "full", "its service can be called", "%q, %v", answer, err)
}

// leave closes all: nothing is left at the gateway.
func (g *guests) leave() {
	r := g.r
	r.lanes(len(g.all), "clients leave", func(i int) {
		if g.all[i] != nil {
			g.all[i].close()
		}
	})
	r.eventually(patience, "clients that leave are gone", func() string {
		return join(want("attached", g.gw.node.Status().Clients.Attached, 0), want("open here", g.gw.conns(), 0), want("open there", g.elsewhere(), 0))
	})
	g.gw.rest()
}
