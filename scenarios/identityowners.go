package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
)

const propInverse = "each index is the inverse of the other"

// changeOwners lets services change hands in every way that there is. Some are
// provided under the same names by several clients and the gateway itself, with
// times to live that end in between; some are known by hearsay, from the node
// behind, until their provider connects and speaks for itself.
func (x *identity) changeOwners() {
	s := x.s
	x.agree(propInverse)
	names := numbered("shared", 3)
	var jobs []*scenario.Job
	for i := range 3 {
		id := fmt.Sprintf("owner-%d", i)
		jobs = append(jobs, s.Go(id, func() { x.owns(id, names) }))
	}
	jobs = append(jobs, x.gw.place.Go("own", func() {
		r := x.gw.place.Runtime()
		for i := range 40 {
			svc := x.gw.provide(names[i%len(names)], node.AdvertiseOptions{TTL: time.Second, Once: true})
			rt.Sleep(context.Background(), r, time.Duration(r.Rand("own").Int64N(int64(300*time.Millisecond))))
			if i%3 == 0 && svc != nil {
				svc.Withdraw()
			}
		}
	}))
	x.hearsay()
	for _, j := range jobs {
		j.Wait()
	}
	s.Sleep(3 * time.Second)
	for _, name := range names {
		wantFound(s, x.gw, name, false, "nothing is called that has no owner")
	}
	st := x.gw.node.Status()
	s.Check(st.Server.Running == 0 && st.Caller.InFlight == 0, "nothing is called that has no owner", "%d handlers, %d calls", st.Server.Running, st.Caller.InFlight)
}

// owns lets one client after the other provide names under one id, and leaves
// some of them to their ends.
func (x *identity) owns(id string, names []string) {
	s := x.s
	rnd := s.Rand(id)
	var c *attached
	for range s.Int("rounds") {
		c = x.client(id, client.Config{NoReconnect: true})
		if c.attach() == nil {
			for i := range 6 {
				c.provide(names[rnd.IntN(len(names))], echo, time.Duration(1+rnd.IntN(2))*time.Second, i%2 == 0)
				x.gw.call(names[rnd.IntN(len(names))], nil, 200*time.Millisecond, true)
				s.Sleep(time.Duration(rnd.Int64N(int64(600 * time.Millisecond))))
			}
		}
		if rnd.IntN(2) == 0 {
			c.close() // else the next one supersedes it
		}
	}
	c.close()
}

// hearsay lets the gateway ask the node behind for what providers offer whom
// it does not know, and then lets those connect to it.
func (x *identity) hearsay() {
	s := x.s
	s.SetLink(x.behind.place, x.gw.place, x.link)
	for round := range s.Int("rounds") {
		name := fmt.Sprintf("far-%d", round)
		s.SetLink(x.behind.place, s.Place(name), x.link)
		s.SetLink(x.gw.place, s.Place(name), x.link)
		far := startPeer(s, name, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "behind")}})
		for _, service := range numbered(name, 3) {
			far.provide(service, node.AdvertiseOptions{TTL: 3 * time.Second})
		}
		far.provide("far.all", node.AdvertiseOptions{TTL: 2 * time.Second})
		s.Sleep(10 * hop)
		for _, service := range append(numbered(name, 3), "far.all") {
			wantFound(s, x.gw, service, true, "what is known by hearsay is called")
		}
		before := x.asked
		for _, e := range x.gw.node.Services() {
			if e.Provider == far.id {
				x.asked++
			}
		}
		s.Check(x.asked > before, "what is known by hearsay is called", "nothing of %s is known", name)
		s.Sleep(time.Duration(s.Rand("hearsay").Int64N(int64(3 * time.Second))))
		far.stop()
	}
}

const propLateEnd = "the late end of an older one takes nothing from the newer"

// lateEnds lets the ends of older sessions and runs come when the newer ones
// are there, by links that are slower than they.
func (x *identity) lateEnds() {
	s := x.s
	rnd := s.Rand("late ends")
	for round := range s.Int("rounds") {
		id := fmt.Sprintf("successor-%d", round)
		old := x.client(id, client.Config{NoReconnect: true})
		s.Check(old.attach() == nil && old.provide(id, echo, 0, false) == nil, "a client attaches and advertises", "it does not")
		// Its goodbye takes longer than the newer session needs to come.
		s.SetLink(x.gw.place, old.place, scenario.Link{Latency: time.Duration(50+rnd.IntN(100)) * hop})
		old.close()
		again := x.client(id, client.Config{NoReconnect: true})
		s.Check(again.attach() == nil, "a newer session attaches", "it does not")
		s.Check(again.provide(id, echo, 0, false) == nil, propLateEnd, "it cannot advertise")
		x.restartsFast(time.Duration(50+rnd.IntN(1800)) * time.Millisecond)
		for range 20 {
			// What is asked for would be found again: it must not be lost at all.
			for _, name := range []string{id, "of.behind"} {
				known := slices.ContainsFunc(x.gw.node.Services(), func(e node.ServiceInfo) bool { return e.Name == name })
				s.Check(known, propLateEnd, "%s is not known any more", name)
			}
			wantFound(s, x.gw, id, true, propLateEnd)
			wantFound(s, x.gw, "of.behind", true, propLateEnd)
			s.Sleep(200 * time.Millisecond)
		}
		again.close()
	}
}

// restartsFast closes the node behind, whose goodbye takes so much longer than
// it waits for an answer, and starts it again.
func (x *identity) restartsFast(late time.Duration) {
	s := x.s
	if x.behind.node.Status().Services == 0 {
		x.behind.provide("of.behind", node.AdvertiseOptions{})
		s.Sleep(100 * time.Millisecond)
	}
	const patience = 2 * time.Second // of a node that leaves, for an answer
	s.SetLink(x.gw.place, x.behind.place, scenario.Link{Latency: patience + late})
	x.behind.drain()
	s.SetLink(x.gw.place, x.behind.place, x.link)
	x.behind.start()
	x.behind.provide("of.behind", node.AdvertiseOptions{})
	s.Eventually(5*time.Second, "a node that has restarted is back", func() bool {
		return len(connections(x.behind, x.gw)) == 1
	})
	s.Sleep(20 * hop)
}
