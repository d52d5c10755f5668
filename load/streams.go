package load

import (
	"fmt"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// The ways in which a client leaves, in turn.
const (
	closes = iota
	superseded
	killed
	ways
)

// leaver is a client with calls in flight both ways.
type leaver struct {
	name   string
	way    int
	client *attached // closes, superseded
	proc   Process   // killed
	jobs   []job
}

// departure is a gateway whose clients leave, with a provider behind it.
type departure struct {
	r        *run
	gw, prov *member
	leavers  []*leaver
	again    []*attached // the newer sessions
	base     [2]int      // streams at the gateway and at the provider before the clients came
	busy     [2]int      // and while their calls are in flight
}

// large is a body that takes a stream of its own.
const large = 40 << 10

func playStreams(r *run) error {
	d := &departure{r: r}
	if err := d.begin(); err != nil {
		return err
	}
	for i := range r.cfg.Leaving {
		l, err := d.come(i)
		if err != nil {
			return err
		}
		d.leavers = append(d.leavers, l)
		r.progress("clients attach and call", i+1, r.cfg.Leaving)
	}
	if !r.eventually(patience, "every client has calls in flight both ways", func() string {
		// The gateway passes on one call of each client, and one to it.
		if n := d.gw.node.Status().Clients.Attached; n < r.cfg.Leaving {
			return fmt.Sprintf("%d of %d are attached still: if this machine stood still for the idle timeout, a longer one helps", n, r.cfg.Leaving)
		}
		return join(want("handlers at the gateway", d.gw.node.Status().Server.Running, 2*r.cfg.Leaving),
			want("handlers at the provider", d.prov.node.Status().Server.Running, r.cfg.Leaving),
			want("calls from the gateway", d.gw.node.Status().Caller.InFlight, 2*r.cfg.Leaving))
	}) {
		return errStopped
	}
	d.busy = d.streams()
	r.check(d.busy[0] > d.base[0], "the clients have streams", "%d at the gateway, %d before they came", d.busy[0], d.base[0])
	var count [ways]int
	for i, l := range d.leavers {
		if err := d.leave(l); err != nil {
			return err
		}
		count[l.way]++
		r.progress("clients leave", i+1, r.cfg.Leaving)
	}
	ok := d.gone()
	r.figure("clients", float64(r.cfg.Leaving))
	r.figure("closed", float64(count[closes]))
	r.figure("superseded", float64(count[superseded]))
	r.figure("killed", float64(count[killed]))
	r.figure("streams_busy", float64(d.busy[0]))
	r.figure("streams_left", float64(d.streams()[0]-d.base[0]))
	r.summary("%d clients left (%d closed, %d superseded, %d killed): %d streams at the gateway in use, %d left of them",
		r.cfg.Leaving, count[closes], count[superseded], count[killed], d.busy[0]-d.base[0], d.streams()[0]-d.base[0])
	if !ok {
		return errStopped
	}
	d.gw.rest()
	d.prov.rest()
	return nil
}

// begin starts the gateway and the provider behind it.
func (d *departure) begin() (err error) {
	r := d.r
	if d.prov, err = r.startNode("provider", node.Config{OpenPeers: true}, transport.Config{}); err != nil {
		return err
	}
	if err := d.prov.provide("wait", node.AdvertiseOptions{}, waits(d.prov.host.Runtime())); err != nil {
		return err
	}
	cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{d.prov.peer()}}
	if d.gw, err = r.startNode("gateway", cfg, transport.Config{IdleTimeout: r.cfg.Idle}, d.prov.host); err != nil {
		return err
	}
	if err := d.prov.provide("echo", node.AdvertiseOptions{}, echo); err != nil {
		return err
	}
	if !r.eventually(patience, "the nodes find each other", func() string {
		return want("services that the gateway knows", len(d.gw.node.Services()), 2)
	}) {
		return errStopped
	}
	// With it the streams of the two nodes are open.
	if _, err := d.gw.call("echo", []byte("x"), patience); err != nil {
		return err
	}
	d.base = d.streams()
	return nil
}

func (d *departure) streams() [2]int { return [2]int{d.gw.streams(), d.prov.streams()} }

// come lets a client attach, provide a service that the gateway calls, and
// call itself. Every other one does so with bodies that take streams of their
// own.
func (d *departure) come(i int) (*leaver, error) {
	r := d.r
	l := &leaver{name: fmt.Sprintf("client.%d", i), way: i % ways}
	size := 64
	if i/ways%2 == 1 {
		size = large
	}
	if l.way == killed {
		v := Victim{
			Gateway: d.gw.host.ID(), Addr: d.gw.host.Addr(), Provide: l.name,
			Calls: []VictimCalls{{Name: "wait", Size: size, Count: 1}},
		}
		var err error
		if l.proc, err = r.w.Start(r.ctx, l.name, v, d.gw.host); err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		r.later(func() { l.proc.Kill() })
	} else {
		if err := d.attach(l, size); err != nil {
			return nil, err
		}
	}
	l.jobs = append(l.jobs, r.start(d.gw.host, "call", func() {
		ctx, cancel := d.gw.host.Runtime().WithTimeout(r.ctx, callTime)
		defer cancel()
		_, err := d.gw.node.Call(ctx, l.name, make([]byte, size), node.CallOptions{})
		r.check(err != nil, "a call of a client that left does not succeed", "it did")
	}))
	return l, nil
}

// attach is come for a client that is not killed.
func (d *departure) attach(l *leaver, size int) error {
	r := d.r
	a, err := r.newClient(l.name, "", d.gw)
	if err != nil {
		return err
	}
	l.client = a
	err = a.attach()
	if !r.check(err == nil, propAttach, "%s: %v", l.name, err) {
		return errStopped
	}
	if err := a.provide(l.name, waits(a.host.Runtime())); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	l.jobs = append(l.jobs, r.start(a.host, "call", func() {
		ctx, cancel := a.host.Runtime().WithTimeout(r.ctx, callTime)
		defer cancel()
		_, err := a.client.Call(ctx, "wait", make([]byte, size), false)
		r.check(err != nil, "a call of a client that left does not succeed", "it did")
	}))
	return nil
}

// leave lets a client go in its way.
func (d *departure) leave(l *leaver) error {
	r := d.r
	switch l.way {
	case closes:
		l.client.close()
	case superseded:
		again, err := r.newClient(l.name+"-again", l.name, d.gw)
		if err != nil {
			return err
		}
		err = again.attach()
		if !r.check(err == nil, propAttach, "%s again: %v", l.name, err) {
			return errStopped
		}
		d.again = append(d.again, again)
		r.eventually(patience, "an older session ends, at its own end too", func() string {
			st := l.client.host.Transport().Stats()
			if !l.client.client.Over().Fired() {
				return "it is not over"
			}
			return join(want("connections", st.Conns, 0), want("streams", st.Streams, 0))
		})
		err = l.client.client.Err()
		r.check(fault.KindOf(err) == fault.Superseded, "the older session hears why", "%v", err)
		l.client.close()
	case killed:
		r.held(propAlive, l.proc.Kill())
	}
	return nil
}

// gone demands that nothing is left of the clients, and nothing but their
// sessions of the newer ones. It reports whether they are gone.
func (d *departure) gone() bool {
	r := d.r
	r.progress("the idle timeout tells of those who were killed", 0, 0)
	within := r.cfg.Idle + r.cfg.Idle/3 + r.w.AtOnce(2)
	if !r.eventually(within, "clients that left are gone, and their calls with them", func() string {
		gw, prov := d.gw.node.Status(), d.prov.node.Status()
		return join(want("attached", gw.Clients.Attached, len(d.again)), want("handlers at the gateway", gw.Server.Running, 0),
			want("calls from the gateway", gw.Caller.InFlight, 0), want("handlers at the provider", prov.Server.Running, 0),
			want("connections at the gateway", d.gw.conns(), 1+len(d.again)))
	}) {
		return false
	}
	for _, l := range d.leavers {
		r.ended(patience, "a call of a client that left comes to an end", l.jobs)
		_, err := d.gw.call(l.name, []byte("x"), patience)
		r.check(notFound(err), "a client that leaves takes its services along", "%s: %v", l.name, err)
	}
	for _, a := range d.again {
		err := a.provide("again", echo)
		r.check(err == nil, "a newer session is not touched by the end of the older one", "%v", err)
		a.close()
	}
	r.eventually(patience, "no stream of a client that left is held", func() string {
		now := d.streams()
		return join(want("streams at the gateway", now[0], d.base[0]), want("streams at the provider", now[1], d.base[1]),
			want("connections at the gateway", d.gw.conns(), 1))
	})
	r.held(propAudit, d.gw.node.Audit())
	r.held(propAudit, d.prov.node.Audit())
	return true
}
