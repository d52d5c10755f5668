package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// crowd is a node with more peers than its pool has room for.
type crowd struct {
	r     *run
	hub   *member
	inUse int       // peers that hold a call at the hub, the first ones
	let   *rt.Event // ends those calls

	peers   []*member // by their number; nil before they have come
	again   int       // peers that had to try again
	here    int       // most connections at the hub
	there   int       // most connections at the peers
	answers int       // held calls that were answered
}

// comesOnce is the backoff of a peer that does not return by itself, so that
// the counts are exact.
var comesOnce = backoff.Config{Base: time.Hour, Max: time.Hour}

func playPool(r *run) error {
	c := &crowd{r: r, peers: make([]*member, r.cfg.Peers), inUse: max(1, min(8, r.cfg.Cap/4))}
	if err := c.begin(); err != nil {
		return err
	}
	stop := c.look()
	defer stop()
	c.come(0, c.inUse)
	jobs := c.hold()
	c.come(c.inUse, r.cfg.Peers)
	if r.ctx.Err() != nil || !c.full("the pool is full at both ends: what was evicted is closed") {
		c.let.Fire()
		return errStopped
	}
	evicted := c.counts()
	c.comeBack(evicted)
	c.letGo(jobs)
	stop()
	st := c.hub.node.Status().Pool
	r.figure("peers", float64(r.cfg.Peers))
	r.figure("cap", float64(r.cfg.Cap))
	r.figure("open_here", float64(c.hub.conns()))
	r.figure("open_there", float64(c.elsewhere()))
	r.figure("evicted", float64(len(evicted)))
	r.figure("came_back", float64(st.Admitted)-float64(r.cfg.Peers))
	r.figure("most_open_here", float64(c.here))
	r.figure("most_open_there", float64(c.there))
	r.summary("%d peers, cap %d: %d open here, %d open there, %d evicted; %d in use kept",
		r.cfg.Peers, r.cfg.Cap, c.hub.conns(), c.elsewhere(), len(evicted), c.answers)
	c.leave()
	return nil
}

// begin starts the hub.
func (c *crowd) begin() error {
	r := c.r
	cfg := node.Config{OpenPeers: true}
	cfg.Pool.Cap = r.cfg.Cap
	// What may be open besides, in proportion: else the limit of all together
	// would say little when the cap is small.
	few := max(4, r.cfg.Cap/20, 2*r.cfg.Lanes)
	cfg.Handshakes, cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing, cfg.Clients.Limit = few, few, few, few, 1
	var err error
	if c.hub, err = r.startNode("hub", cfg, transport.Config{}); err != nil {
		return err
	}
	c.let = rt.NewEvent(c.hub.host.Runtime())
	if err := c.hub.provide("hub.echo", node.AdvertiseOptions{}, echo); err != nil {
		return err
	}
	return c.hub.provide("hub.hold", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, c.let.Wait(ctx)
	})
}

// look watches the limits of the hub, at both ends, until stop.
func (c *crowd) look() (stop func()) {
	r, hub := c.r, c.hub.node
	ctx, cancel := r.rt.WithCancelCause(r.ctx)
	g := rt.NewGroup(r.rt)
	g.Go("load/look", func() {
		for rt.Sleep(ctx, r.rt, 10*time.Millisecond) == nil {
			here, there, limit := c.hub.conns(), c.elsewhere(), hub.MaxConns()
			c.here, c.there = max(c.here, here), max(c.there, there)
			err := hub.Check()
			if err == nil && max(here, there) > limit {
				err = fmt.Errorf("%d connections here and %d there, the limit is %d", here, there, limit)
			}
			r.held(propLimits, err)
		}
	})
	return func() {
		cancel(nil)
		g.Wait(context.Background())
	}
}

// elsewhere is how many connections the peers hold, by the books of their own
// transports. They have none but those to the hub.
func (c *crowd) elsewhere() int {
	c.r.mu.Lock()
	peers := slices.Clone(c.peers)
	c.r.mu.Unlock()
	n := 0
	for _, p := range peers {
		if p != nil {
			n += p.conns()
		}
	}
	return n
}

// come lets the peers of those numbers connect.
func (c *crowd) come(from, to int) {
	c.r.lanes(to-from, "peers connect", func(i int) { c.join(from + i) })
}

// join lets one peer connect. Who finds too many others at the door may try
// again.
func (c *crowd) join(i int) {
	r := c.r
	const tries = 5
	why := ""
	for try := range tries {
		if try > 0 {
			r.mu.Lock()
			c.again++
			r.mu.Unlock()
			r.sleep(100 * time.Millisecond)
		}
		cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{c.hub.peer()}}
		cfg.Pool.Backoff = comesOnce
		p, err := r.startNode(fmt.Sprintf("peer-%05d", i), cfg, transport.Config{}, c.hub.host)
		if err != nil {
			r.held("every peer is admitted", err)
			return
		}
		r.mu.Lock()
		c.peers[i] = p
		r.mu.Unlock()
		why = r.wait(patience, func() string {
			if st := p.node.Status().Pool; st.Admitted == 0 && st.DialErrors == 0 {
				return "no answer"
			}
			return ""
		})
		if p.node.Status().Pool.Admitted > 0 {
			r.held("every peer is admitted", nil)
			return
		}
		p.close()
		if r.ctx.Err() != nil {
			return
		}
	}
	r.check(false, "every peer is admitted", "peer %d was not, in %d attempts: %s", i, tries, why)
}

// hold lets the first peers begin calls that are in flight until the end.
func (c *crowd) hold() []job {
	r := c.r
	var jobs []job
	for _, p := range c.peers[:c.inUse] {
		if p == nil {
			continue
		}
		jobs = append(jobs, r.start(p.host, "hold", func() {
			ctx, cancel := p.host.Runtime().WithTimeout(r.ctx, callTime)
			defer cancel()
			_, err := p.node.Call(ctx, "hub.hold", []byte("x"), node.CallOptions{})
			r.held("a call in flight is never cut", err)
			if err == nil {
				r.mu.Lock()
				c.answers++
				r.mu.Unlock()
			}
		}))
	}
	r.eventually(patience, "a call is in flight for each of the first peers", func() string {
		return want("handlers", c.hub.node.Status().Server.Running, c.inUse)
	})
	return jobs
}

// full waits until as many connections are open as the cap says, here and
// there, and no other.
func (c *crowd) full(property string) bool {
	limit := c.r.cfg.Cap
	return c.r.eventually(patience, property, func() string {
		st := c.hub.node.Status().Pool
		return join(want("in the pool", st.Open, limit), want("closing", st.Closing, 0),
			want("open here", c.hub.conns(), limit), want("open there", c.elsewhere(), limit))
	})
}

// counts compares what the hub has counted with who is out, and returns those.
func (c *crowd) counts() (out []*member) {
	r := c.r
	extra := r.cfg.Peers - r.cfg.Cap
	// A peer closes its books a moment after the connection.
	r.eventually(patience, "as many peers are out as are too many", func() string {
		out = c.out()
		return want("out", len(out), extra)
	})
	for _, p := range out {
		i := slices.Index(c.peers, p)
		r.check(i >= c.inUse, "a connection in use is never evicted", "peer %d was, with a call in flight", i)
	}
	st := c.hub.node.Status()
	// A peer that tried again may have been let in and lost.
	exact := int(st.Pool.Evicted) == extra || c.again > 0 && int(st.Pool.Evicted) > extra
	r.check(exact, "as many are evicted as are too many", "%d were, want %d", st.Pool.Evicted, extra)
	r.check(st.Pool.Peak == r.cfg.Cap, "the cap is reached and not passed", "at most %d were admitted at a time, the cap is %d", st.Pool.Peak, r.cfg.Cap)
	r.check(st.Server.Running == c.inUse, "a call in flight is never cut", "%d of %d are left", st.Server.Running, c.inUse)
	r.held(propAudit, c.hub.node.Audit())
	return out
}

// out are the peers without a connection; one that could not be started has
// failed a check.
func (c *crowd) out() (out []*member) {
	for _, p := range c.peers {
		if p != nil && p.node.Status().Pool.Open == 0 {
			out = append(out, p)
		}
	}
	return out
}

// comeBack lets some of those who were evicted call the hub: they are not
// dead, and each makes somebody else leave. Who had to leave before it was told
// of the service knows of nobody to ask.
func (c *crowd) comeBack(out []*member) {
	out = slices.DeleteFunc(slices.Clone(out), func(p *member) bool { return p.node.Status().Registry.Names == 0 })
	for _, p := range out[:min(8, len(out))] {
		answer, err := p.call("hub.echo", []byte("again"), patience)
		c.r.check(err == nil && string(answer) == "again", "a peer that was evicted can call", "%q, %v", answer, err)
	}
	c.full("the pool is full again at both ends")
}

// letGo ends the calls in flight: each is answered.
func (c *crowd) letGo(jobs []job) {
	c.r.on(c.hub.host, "let go", c.let.Fire)
	if !c.r.ended(patience, "every call is answered in the end", jobs) {
		return
	}
	c.r.check(c.answers == c.inUse, "a call in flight is never cut", "%d of %d were answered", c.answers, c.inUse)
}

// leave closes the peers: nothing is left at the hub.
func (c *crowd) leave() {
	r := c.r
	r.lanes(len(c.peers), "peers leave", func(i int) {
		if p := c.peers[i]; p != nil {
			p.close()
		}
	})
	r.eventually(patience, "peers that leave are gone", func() string {
		st := c.hub.node.Status().Pool
		return join(want("in the pool", st.Open, 0), want("closing", st.Closing, 0), want("open here", c.hub.conns(), 0), want("open there", c.elsewhere(), 0))
	})
	c.hub.rest()
}
