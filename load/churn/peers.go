package churn

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
)

// peers lets one peer after the other sit: nodes that dial the one under load
// and want a place in its pool.
func (s *chair) peers() {
	l := s.l
	for n := 0; ; n++ {
		ok := n > 0 || s.begin()
		if !ok || n > 0 && !l.sleep(l.r, about(l.r, l.cfg.Away)) {
			return
		}
		v := &visitor{chair: s, seat: s.seats[0]}
		done := v.seat.Do("peer", func() { v.visit(fmt.Sprintf("%s-%d", s.name, n)) })
		switch {
		case !done:
			l.count(func(c *Counts) { c.Struck++ })
		case v.how == vanishes:
			v.seat.Strike(v.clear)
			l.count(func(c *Counts) { c.Vanished++ })
		}
	}
}

// visitor is one peer.
type visitor struct {
	chair *chair
	seat  Seat
	n     *node.Node
	tasks *rt.Group
	calls *rt.Group
	how   leave
}

// visit comes, stays and leaves, unless it vanishes.
func (v *visitor) visit(name string) {
	l, r := v.chair.l, v.seat.Runtime()
	tr, id, err := v.seat.Enter(name)
	if err != nil {
		l.wrong("%s cannot enter: %v", name, err)
		return
	}
	g := v.chair.gateway()
	cfg := node.Config{
		Realm: l.cfg.Realm, OpenPeers: true, Bootstrap: []node.Peer{{ID: g.ID, Addr: g.Addr}}, DrainTimeout: 5 * time.Second,
	}
	cfg.Pool.Backoff = l.cfg.Backoff
	v.n, err = node.New(cfg, node.Deps{Runtime: r, Transport: tr, ID: id})
	if err != nil {
		l.wrong("%s cannot be built: %v", name, err)
		tr.Close()
		return
	}
	v.tasks, v.calls = rt.NewGroup(r), rt.NewGroup(r)
	v.tasks.Go("churn/peer", func() { v.n.Serve(context.Background()) })
	joined := v.stay()
	l.count(func(c *Counts) {
		if joined {
			c.Joined++
		} else {
			c.Alone++
		}
	})
	if v.how = way(r.Rand("churn")); v.how == vanishes {
		return
	}
	v.how = leaves
	v.clear()
	l.count(func(c *Counts) { c.Left++ })
}

// stay does one thing after the other, and reports whether it ever had a
// connection.
func (v *visitor) stay() (joined bool) {
	l, r := v.chair.l, v.seat.Runtime()
	until := r.Now().Add(about(r, l.cfg.Stay))
	for !until.Reached(r.Now()) && l.sleep(r, min(l.pause(r), max(0, until.Sub(r.Now())))) {
		joined = joined || v.n.Status().Pool.Admitted > 0
		if chance(r, 0.1) && v.n.Ready() {
			name := l.names[r.Rand("churn").IntN(len(l.names))]
			if _, err := v.n.Advertise(name, l.handler(r), node.AdvertiseOptions{TTL: durationUpTo(r, l.cfg.TTL), Once: true}); err == nil {
				l.count(func(c *Counts) { c.Advertised, c.Expired = c.Advertised+1, c.Expired+1 })
			}
		} else if v.calls.Count() < maxInFlight {
			v.calls.Go("churn/call", func() { l.call(r, v.call) })
		}
	}
	return joined
}

func (v *visitor) call(ctx context.Context, name string, body []byte, idempotent bool) ([]byte, error) {
	return v.n.Call(ctx, name, body, node.CallOptions{Idempotent: idempotent})
}

// clear closes the node and waits for what it has started.
func (v *visitor) clear() {
	if v.n == nil {
		return
	}
	v.n.Close()
	if left := v.n.Leftovers(); left != (node.Leftovers{}) {
		v.chair.l.wrong("a peer left something behind: %+v", left)
	}
	v.tasks.Close()
	v.tasks.Wait(context.Background())
	v.calls.Close()
	v.calls.Wait(context.Background())
}
