// Package churn is a workload that never comes to rest: clients and peers
// come and go in every way there is, more of them than there is room for, and
// meanwhile provide services for a short time and call each other.
//
// It is for finding what grows. It takes its world as an argument, so the same
// load plays in simulation, for days, and over real connections.
package churn

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// World is where the load lives.
type World interface {
	// Runtime is that of the load itself, which nothing ever strikes.
	Runtime() rt.Runtime
	// Seat makes the machine of that name. It is called before Start returns,
	// once for every name.
	Seat(name string) Seat
}

// Seat is a machine for one party at a time.
type Seat interface {
	Runtime() rt.Runtime
	// Enter opens a transport for a party. The same name has the same id at
	// every seat, and another name has another.
	Enter(name string) (transport.Transport, transport.PeerID, error)
	// Do runs f as a task of the seat and waits for it. It reports false when
	// the seat was struck before f was over.
	Do(name string, f func()) bool
	// Strike ends the party without a word: what it sends from now on reaches
	// nobody. Where its tasks and its transport outlive that, clear is run to
	// end them. Then the seat is free.
	Strike(clear func())
}

// Config is what the load does. Zero fields but Realm and Nodes take the
// default beside them; a count or share below zero is none.
type Config struct {
	Realm string
	Nodes []client.Gateway // that are under load

	Clients int            // seats of clients at each node; 64: choose more than the node takes
	Peers   int            // seats of peers at each node; 8: choose more than its pool has room for
	Stay    time.Duration  // how long a party stays on average; 60 s
	Away    time.Duration  // how long its seat is empty then, on average; 1 s
	Ramp    time.Duration  // within which all seats come for the first time; 10 s, or the handshakes are a story of their own
	Rate    float64        // what all parties together do in a second, mostly calls; 40
	Large   float64        // the share of calls that need a stream of their own; 0.05
	Most    int            // bytes of the largest body; 256 KiB, so that a few of them do not hide the rest
	Timeout time.Duration  // of a call; 2 s
	Work    time.Duration  // the longest that a handler works, if it works at all; 50 ms
	TTL     time.Duration  // the longest time that a service is advertised for; 20 s
	Names   int            // services that clients provide by turns; 24: most have a provider most of the time
	Backoff backoff.Config // of peers that found no place or lost it
	Hoard   int            // services that one client of each node tries to have at a time; none: choose more than one owner may have
}

func (c Config) withDefaults() Config {
	c.Clients = cmp.Or(c.Clients, 64)
	c.Peers = cmp.Or(c.Peers, 8)
	c.Stay = cmp.Or(c.Stay, time.Minute)
	c.Away = cmp.Or(c.Away, time.Second)
	c.Ramp = cmp.Or(c.Ramp, 10*time.Second)
	c.Rate = cmp.Or(c.Rate, 40)
	c.Large = cmp.Or(c.Large, 0.05)
	c.Most = cmp.Or(c.Most, 256<<10)
	c.Timeout = cmp.Or(c.Timeout, 2*time.Second)
	c.Work = cmp.Or(c.Work, 50*time.Millisecond)
	c.TTL = cmp.Or(c.TTL, 20*time.Second)
	c.Names = cmp.Or(c.Names, 24)
	return c
}

// Load is a workload that runs.
type Load struct {
	w     World
	r     rt.Runtime
	cfg   Config
	seats *rt.Group
	all   int // seats
	names []string

	mu       rt.Mutex
	stopping bool
	counts   Counts
}

// Start makes every seat and lets the parties come. It does not wait for
// them. Call Stop once.
func Start(w World, cfg Config) *Load {
	l := &Load{w: w, r: w.Runtime(), cfg: cfg.withDefaults()}
	l.mu = rt.NewMutex(l.r)
	l.seats = rt.NewGroup(l.r)
	for i := range l.cfg.Names {
		l.names = append(l.names, fmt.Sprintf("churn.%d", i))
	}
	var loops []func()
	for at := range l.cfg.Nodes {
		for i := range l.cfg.Clients {
			name := fmt.Sprintf("client-%d-%d", at, i)
			s := &chair{l: l, at: at, name: name, seats: [2]Seat{w.Seat(name), w.Seat(name + "-again")}}
			loops = append(loops, s.clients)
		}
		for i := range l.cfg.Peers {
			name := fmt.Sprintf("peer-%d-%d", at, i)
			s := &chair{l: l, at: at, name: name, seats: [2]Seat{w.Seat(name)}}
			loops = append(loops, s.peers)
		}
		if l.cfg.Hoard > 0 {
			name := fmt.Sprintf("hoarder-%d", at)
			s := &chair{l: l, at: at, name: name, hoard: true, seats: [2]Seat{w.Seat(name), w.Seat(name + "-again")}}
			loops = append(loops, s.clients)
		}
	}
	l.all = len(loops)
	for _, f := range loops {
		l.seats.Go("churn", f)
	}
	return l
}

// Stop lets everybody leave and waits until they have; nobody needs longer
// than what it is doing: a call, or the time after which it was told to come
// again.
func (l *Load) Stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.seats.Close()
	l.seats.Wait(context.Background())
}

func (l *Load) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopping
}

// step is how soon a party notices that the load is over.
const step = 2 * time.Second

// sleep waits for d, or until the load is over; then it returns false.
func (l *Load) sleep(r rt.Runtime, d time.Duration) bool {
	for ; d > 0 && !l.over(); d -= step {
		rt.Sleep(context.Background(), r, min(d, step))
	}
	return !l.over()
}

// about is a time of that length on average, at most six times as long.
func about(r rt.Runtime, mean time.Duration) time.Duration {
	return time.Duration(min(r.Rand("churn").ExpFloat64(), 6) * float64(mean))
}

// chance is true in that share of the times.
func chance(r rt.Runtime, share float64) bool { return r.Rand("churn").Float64() < share }

// pause is how long one party waits between two things that it does.
func (l *Load) pause(r rt.Runtime) time.Duration {
	return about(r, time.Duration(float64(l.all)/l.cfg.Rate*float64(time.Second)))
}
