package load

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// deaths is a node whose callers die, and a provider that notes when the
// contexts of its handlers end.
type deaths struct {
	r      *run
	gw     *member
	prov   *member
	began  *rt.Queue[mono.Time]
	ended  *rt.Queue[mono.Time]
	base   [2]int // streams at both nodes while no call is in flight
	leases [2]int
}

// death is how one way of dying went.
type death struct {
	free time.Duration // until the last caller had its place back; 0 when it has no more
	told time.Duration // until the last handler's context had ended
}

const (
	propFree = "a caller that dies frees its call at once"
	propTold = "the handler's context ends in time"
	propNone = "nothing is held after a call"
)

func playCallers(r *run) error {
	d := &deaths{r: r}
	if err := d.begin(); err != nil {
		return err
	}
	n := r.cfg.Callers
	// On the shared stream a caller that gives up sends a frame; one with a
	// stream of its own resets it.
	cancelled, err := d.cancelled("calls are cancelled", 64)
	if err != nil {
		return err
	}
	reset, err := d.cancelled("streams are reset", large)
	if err != nil {
		return err
	}
	dead, err := d.killed()
	if err != nil {
		return err
	}
	r.figure("callers", float64(n))
	r.figure("cancelled_free_ms", ms(cancelled.free))
	r.figure("cancelled_told_ms", ms(cancelled.told))
	r.figure("reset_free_ms", ms(reset.free))
	r.figure("reset_told_ms", ms(reset.told))
	r.figure("killed_told_ms", ms(dead.told))
	r.figure("idle_timeout_ms", ms(r.cfg.Idle))
	r.summary("%d calls each: cancelled, free in %v, handlers told in %v; stream reset, %v and %v; process killed, told in %v (idle timeout %v)",
		n, short(cancelled.free), short(cancelled.told), short(reset.free), short(reset.told), short(dead.told), r.cfg.Idle)
	d.gw.rest()
	d.prov.rest()
	return nil
}

func short(d time.Duration) time.Duration { return d.Round(max(time.Microsecond, d/1000)) }

// begin starts the provider and the node in front of it.
func (d *deaths) begin() (err error) {
	r := d.r
	d.began = rt.NewQueue[mono.Time](r.rt, 4*maxCalls)
	d.ended = rt.NewQueue[mono.Time](r.rt, 4*maxCalls)
	if d.prov, err = r.startNode("provider", node.Config{OpenPeers: true}, transport.Config{}); err != nil {
		return err
	}
	on := d.prov.host.Runtime()
	if err := d.prov.provide("watch", node.AdvertiseOptions{}, func(ctx context.Context, _ *node.Request) ([]byte, error) {
		d.began.TryPut(r.rt.Now())
		err := on.NewParker().Park(ctx)
		d.ended.TryPut(r.rt.Now())
		return nil, err
	}); err != nil {
		return err
	}
	if err := d.prov.provide("echo", node.AdvertiseOptions{}, echo); err != nil {
		return err
	}
	cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{d.prov.peer()}}
	if d.gw, err = r.startNode("gateway", cfg, transport.Config{IdleTimeout: r.cfg.Idle}, d.prov.host); err != nil {
		return err
	}
	if !r.eventually(patience, "the nodes find each other", func() string {
		return want("services that the gateway knows", len(d.gw.node.Services()), 2)
	}) {
		return errStopped
	}
	if _, err := d.gw.call("echo", []byte("x"), patience); err != nil {
		return err
	}
	r.wait(patience, func() string { return want("handlers", d.prov.node.Status().Server.Running, 0) })
	d.base, d.leases = d.streams(), d.held()
	return nil
}

func (d *deaths) streams() [2]int { return [2]int{d.gw.streams(), d.prov.streams()} }

func (d *deaths) held() [2]int {
	return [2]int{d.gw.node.Status().Leases, d.prov.node.Status().Leases}
}

// times takes that many instants out of a queue, waiting for them, and returns
// how long after from the latest was.
func (d *deaths) times(q *rt.Queue[mono.Time], n int, from mono.Time, within time.Duration) (time.Duration, error) {
	ctx, cancel := d.r.rt.WithTimeout(d.r.ctx, within)
	defer cancel()
	last := from
	for i := range n {
		at, err := q.Get(ctx)
		if err != nil {
			return d.r.rt.Now().Sub(from), fmt.Errorf("%d of %d: %w", i, n, err)
		}
		last = max(last, at)
	}
	return last.Sub(from), nil
}

// also adds an error to a sentence, if there is one.
func also(err error) string {
	if err == nil {
		return ""
	}
	return "; " + err.Error()
}

// cancelled lets callers of the node itself give up.
func (d *deaths) cancelled(doing string, size int) (x death, err error) {
	r, n := d.r, d.r.cfg.Callers
	r.progress(doing, 0, n)
	on := d.gw.host.Runtime()
	ctx, cancel := on.WithCancelCause(r.ctx)
	defer cancel(nil)
	back := rt.NewQueue[mono.Time](r.rt, n)
	var jobs []job
	for range n {
		jobs = append(jobs, r.start(d.gw.host, "call", func() {
			ctx, stop := on.WithTimeout(ctx, callTime)
			defer stop()
			_, err := d.gw.node.Call(ctx, "watch", make([]byte, size), node.CallOptions{})
			back.TryPut(r.rt.Now())
			r.check(err != nil, "a caller that dies gets no answer", "it got one")
		}))
	}
	if _, err := d.times(d.began, n, r.rt.Now(), patience); err != nil {
		r.on(d.gw.host, "cancel", func() { cancel(nil) })
		return x, fmt.Errorf("calls do not arrive: %w", err)
	}
	at := r.rt.Now()
	r.on(d.gw.host, "cancel", func() { cancel(nil) })
	r.ended(patience, propFree, jobs)
	x.free, err = d.times(back, n, at, patience)
	st := d.gw.node.Status().Caller
	r.check(err == nil && x.free <= r.w.AtOnce(0) && st.InFlight == 0, propFree, "%s: the last one was free after %v, %d are in flight%s", doing, x.free, st.InFlight, also(err))
	x.told, err = d.times(d.ended, n, at, patience)
	r.check(err == nil && x.told <= r.w.AtOnce(1), propTold, "%s: the last one was told after %v%s", doing, x.told, also(err))
	d.clear()
	r.progress(doing, n, n)
	return x, err
}

// killed lets a client of the node be killed, two hops away from the
// provider, with calls of both kinds in flight. QUIC sends nothing for a
// process that is gone: the node hears of it by its idle timeout.
func (d *deaths) killed() (x death, err error) {
	r, n := d.r, d.r.cfg.Callers
	doing := "a process is killed"
	r.progress(doing, 0, n)
	own := n / 2
	v := Victim{Gateway: d.gw.host.ID(), Addr: d.gw.host.Addr(), Calls: []VictimCalls{
		{Name: "watch", Size: 64, Count: n - own}, {Name: "watch", Size: large, Count: own},
	}}
	p, err := r.w.Start(r.ctx, "victim", v, d.gw.host)
	if err != nil {
		return x, err
	}
	r.later(func() { p.Kill() })
	if _, err := d.times(d.began, n, r.rt.Now(), patience); err != nil {
		return x, fmt.Errorf("calls of a process do not arrive: %w", err)
	}
	st := d.gw.node.Status()
	r.check(st.Clients.Attached == 1 && st.Caller.InFlight == n && st.Server.Running == n, "its calls are in flight at the node between",
		"%d attached, %d calls, %d handlers", st.Clients.Attached, st.Caller.InFlight, st.Server.Running)
	at := r.rt.Now()
	r.held(propAlive, p.Kill())
	// A packet that is sent into the silence begins the idle timeout anew
	// (RFC 9000, section 10.1): that is the keep-alive, after a third of it.
	within := r.cfg.Idle + r.cfg.Idle/3 + r.w.AtOnce(2)
	x.told, err = d.times(d.ended, n, at, within+patience)
	r.check(err == nil && x.told <= within, propTold, "%s: the last one was told after %v, at most %v%s", doing, x.told, within, also(err))
	r.eventually(r.w.AtOnce(1)+time.Second, "a process that was killed is gone", func() string {
		return join(want("attached", d.gw.node.Status().Clients.Attached, 0), want("connections", d.gw.conns(), 1))
	})
	d.clear()
	r.progress(doing, n, n)
	return x, err
}

// clear demands that the nodes are as they were before the calls.
func (d *deaths) clear() {
	r := d.r
	r.eventually(r.w.AtOnce(1)+time.Second, propNone, func() string {
		gw, prov := d.gw.node.Status(), d.prov.node.Status()
		s, l := d.streams(), d.held()
		return join(want("calls", gw.Caller.InFlight, 0), want("handlers at the node between", gw.Server.Running, 0),
			want("handlers at the provider", prov.Server.Running, 0),
			want("calls of its links", held(d.gw.node)+held(d.prov.node), 0),
			want("streams", s[0], d.base[0]), want("streams at the provider", s[1], d.base[1]),
			want("leases", l[0], d.leases[0]), want("leases at the provider", l[1], d.leases[1]))
	})
}
