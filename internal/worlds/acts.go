package worlds

import (
	"context"
	"errors"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/scenario"
)

// patient is longer than anything takes that works.
const patient = 15 * time.Second

func (w *story) meet() {
	for _, name := range []string{"a", "b", "c", "k", "l"} {
		w.s.Place(name)
	}
	w.s.SetLinks(scenario.Link{Latency: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: netsim.Percent(2)})
	w.a, w.b, w.c = w.start("a", "b", "c"), w.start("b", "a", "c"), w.start("c", "a", "b")
	w.until("the nodes are connected", w.connected)
	w.say("a, b and c are connected to %d, %d and %d", w.a.node.Status().Pool.Open, w.b.node.Status().Pool.Open, w.c.node.Status().Pool.Open)
	k, err := w.visit("k", "k", realm, w.a)
	w.k = k
	w.say("k attaches to a: %s; %d attached", described(err), w.a.node.Status().Clients.Attached)
}

func (w *story) connected() bool {
	for _, m := range []*member{w.a, w.b, w.c} {
		if m.node == nil || m.node.Status().Pool.Open != 2 {
			return false
		}
	}
	return true
}

// everybody waits until every node knows so many providers of a name.
func (w *story) everybody(name string, count int) {
	w.until("everybody knows the providers of "+name, func() bool {
		for _, m := range []*member{w.a, w.b, w.c} {
			if m.node != nil && m.knows(name) != count {
				return false
			}
		}
		return true
	})
}

func (w *story) sizes() {
	w.b.provide("echo", echo, node.AdvertiseOptions{})
	w.everybody("echo", 1)
	for _, size := range []int{0, 16, 16 << 10, 20 << 10, 300 << 10, 1 << 20, 1<<20 + 1} {
		w.say("echo of %d bytes: a sees %s, b itself %s, k %s", size,
			w.a.call("echo", size, patient, false), w.b.call("echo", size, patient, false), w.k.call("echo", size, patient))
	}
}

func (w *story) faults() {
	w.b.provide("fails", func(context.Context, *node.Request) ([]byte, error) { return nil, errors.New("no") }, node.AdvertiseOptions{})
	w.b.provide("panics", func(context.Context, *node.Request) ([]byte, error) { panic("of a handler") }, node.AdvertiseOptions{})
	w.everybody("fails", 1)
	w.everybody("panics", 1)
	for _, name := range []string{"fails", "panics", "nobody", "no name"} {
		w.say("%s: a sees %s, k %s", name, w.a.call(name, 16, patient, false), w.k.call(name, 16, patient))
	}
}

// givesUp lets callers run out of time and patience while a handler runs.
func (w *story) givesUp() {
	w.b.provide("held", w.held(w.b.place.Runtime()), node.AdvertiseOptions{})
	w.everybody("held", 1)
	w.say("held, for a second: a sees %s, k %s", w.a.call("held", 16, time.Second, false), w.k.call("held", 16, time.Second))
	w.until("the handlers have ended", func() bool { return w.running == 0 })
	w.say("%d handlers were told", w.ended)

	saw, cancel := "", context.CancelFunc(nil)
	j := w.a.place.Go("caller", func() {
		ctx, stop := w.a.place.Runtime().WithCancelCause(context.Background())
		cancel = func() { stop(nil) }
		_, err := w.a.node.Call(ctx, "held", nil, node.CallOptions{})
		saw = described(err)
	})
	w.until("the handler runs", func() bool { return w.running == 1 })
	cancel()
	j.Wait()
	w.until("the handler has ended", func() bool { return w.running == 0 })
	w.say("cancelled while it ran: a sees %s; %d handlers were told", saw, w.ended)
}

// limits runs into that of handlers and of clients, which are two of each.
func (w *story) limits() {
	saw := []string{"", ""}
	var jobs []*scenario.Job
	for i := range saw {
		jobs = append(jobs, w.a.place.Go("caller", func() { saw[i] = w.a.call("held", 16, patient, false) }))
	}
	w.until("two handlers run", func() bool { return w.running == 2 })
	w.say("a third call: c sees %s", w.c.call("held", 16, patient, false))
	w.open = true
	for _, j := range jobs {
		j.Wait()
	}
	w.open = false
	w.say("the two: a sees %s and %s; %d was refused", saw[0], saw[1], w.b.node.Status().Server.Refused)

	l, err := w.visit("l", "l", realm, w.a)
	w.say("a second client: %s", described(err))
	m, err := w.visit("m", "m", realm, w.a)
	w.say("a third: %s; %d attached", described(err), w.a.node.Status().Clients.Attached)
	l.close()
	m.close()
	w.until("the second has left", func() bool { return w.a.node.Status().Clients.Attached == 1 })
}

func (w *story) strangers() {
	n, err := w.visit("n", "n", "org.example.other", w.a)
	w.say("a client of another realm: %s", described(err))
	n.close()
	o, err := w.visit("o", "o", realm, &member{place: w.b.place, id: w.a.id})
	w.say("a client that takes b for a: %s", described(err))
	o.close()
	p, err := w.visit("p", "p", realm, &member{place: w.s.Place("nothing"), id: w.a.id})
	w.say("a client of an address where nobody is: %s", described(err))
	p.close()
}

func (w *story) expiry() {
	w.a.provide("brief", echo, node.AdvertiseOptions{TTL: 4 * time.Second, Once: true})
	w.everybody("brief", 1)
	w.say("brief: b sees %s", w.b.call("brief", 16, patient, false))
	w.s.Sleep(4100 * time.Millisecond)
	w.say("brief, when its time is over: b sees %s, a itself %s", w.b.call("brief", 16, patient, false), w.a.call("brief", 16, patient, false))
}

// takeover lets a second session of one id come.
func (w *story) takeover() {
	first, err := w.visit("q", "q", realm, w.a)
	w.say("q attaches: %s", described(err))
	second, err := w.visit("r", "q", realm, w.a)
	w.say("q attaches elsewhere: %s", described(err))
	w.until("the first session is over", first.client.Over().Fired)
	w.say("the first session ends: %s; %d attached", described(first.client.Err()), w.a.node.Status().Clients.Attached)
	first.close()
	second.close()
}

func (w *story) leaves() {
	var err error
	w.k.place.Do("advertise", func() {
		ctx, cancel := w.k.place.Runtime().WithTimeout(context.Background(), patient)
		defer cancel()
		_, err = w.k.client.Advertise(ctx, "of.k", echo, 0, false)
	})
	w.say("k advertises: %s", described(err))
	w.everybody("of.k", 1)
	w.say("of.k: b sees %s and %s", w.b.call("of.k", 16, patient, false), w.b.call("of.k", 300<<10, patient, false))
	w.k.close()
	w.everybody("of.k", 0)
	w.until("a has no client", func() bool { return w.a.node.Status().Clients.Attached == 0 })
	w.say("of.k, when k has left: b sees %s", w.b.call("of.k", 16, patient, false))
}

// crash ends b in the middle of a call, and brings it back.
func (w *story) crash() {
	for _, m := range []*member{w.b, w.c} {
		m.provide("pair", echo, node.AdvertiseOptions{})
	}
	w.everybody("pair", 2)
	saw := ""
	j := w.a.place.Go("caller", func() { saw = w.a.call("held", 16, patient, false) })
	w.until("the handler runs", func() bool { return w.running == 1 })
	w.b.node = nil
	w.b.place.Forget()
	w.b.place.Crash()
	for range 4 {
		w.say("pair, when b has crashed: a sees %s", w.a.call("pair", 16, patient, true))
	}
	j.Wait()
	w.say("held, when b has crashed: a sees %s", saw)
	w.until("its connections are gone", func() bool {
		return w.a.node.Status().Pool.Open == 1 && w.c.node.Status().Pool.Open == 1
	})
	w.b.place.Restart()
	w.b.boot("a", "c")
	w.until("b is back", w.connected)
	w.say("a, b and c are connected to %d, %d and %d", w.a.node.Status().Pool.Open, w.b.node.Status().Pool.Open, w.c.node.Status().Pool.Open)
}

// drain closes c while it serves a call.
func (w *story) drain() {
	w.c.provide("last", w.held(w.c.place.Runtime()), node.AdvertiseOptions{})
	w.everybody("last", 1)
	saw := ""
	j := w.a.place.Go("caller", func() { saw = w.a.call("last", 16, patient, false) })
	w.until("the handler runs", func() bool { return w.running == 1 })
	c := w.c.node
	closing := w.c.place.Go("close", w.c.close)
	w.until("c is leaving", func() bool { return c.Status().Draining })
	w.say("a call to who is leaving: b sees %s", w.b.call("last", 16, patient, false))
	w.open = true
	j.Wait()
	closing.Wait()
	w.say("a call that was taken before: a sees %s", saw)
	w.everybody("last", 0)
	w.say("pair, when c has left: a sees %s", w.a.call("pair", 16, patient, true))
	w.until("the connections with c are gone", func() bool {
		return w.a.node.Status().Pool.Open == 1 && w.b.node.Status().Pool.Open == 1
	})
}

// books says what a and b have counted.
func (w *story) books() {
	st := w.a.node.Status()
	w.say("a has made calls: %d answered, %d failed, of these %d late, %d cancelled, %d not found; %d in flight, %d handlers run",
		st.Caller.OK, st.Caller.Failed, st.Caller.Deadline, st.Caller.Cancelled, st.Caller.NotFound, st.Caller.InFlight, st.Server.Running)
	w.say("a has %d connections and %d clients, b %d and %d", st.Pool.Open, st.Clients.Attached, w.b.node.Status().Pool.Open, w.b.node.Status().Clients.Attached)
}
