package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
)

// comesBack advertises services again just before they expire, in that moment,
// and just after, while they are cleaned up.
func comesBack(s *scenario.Stage) {
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "provider", "caller")
	a, b := nodes[0], nodes[1]
	c := honest(s, "client", a)
	rnd := s.Rand("back")
	for round := range s.Int("rounds") {
		name := fmt.Sprintf("back.%d", round)
		say := func(ttl time.Duration) mono.Time {
			a.provide(name, node.AdvertiseOptions{TTL: ttl, Once: true})
			return s.Runtime().Now().Add(ttl)
		}
		if rnd.IntN(2) == 0 {
			say = func(ttl time.Duration) mono.Time {
				err := c.provide(name, echo, ttl, true)
				s.Check(err == nil, "a client advertises", "%v", err)
				return s.Runtime().Now().Add(ttl - hop) // it came to the gateway so much earlier
			}
		}
		until := func(t mono.Time) { s.Sleep(t.Sub(s.Runtime().Now())) }
		first := say(time.Duration(1+rnd.IntN(2)) * time.Second)
		around := time.Duration(rnd.IntN(5)-3) * hop
		until(first.Add(around))
		var cleaned []*scenario.Job
		for _, m := range nodes {
			at := time.Duration(rnd.IntN(4)) * hop
			cleaned = append(cleaned, m.place.Go("cleanup", func() {
				rt.Sleep(context.Background(), m.place.Runtime(), at)
				m.node.Cleanup()
			}))
		}
		ttl := time.Duration(1500+rnd.IntN(1500)) * time.Millisecond
		last := say(ttl)
		for _, j := range cleaned {
			j.Wait()
		}
		s.Sometimes("was advertised again after its end", around >= 0)
		for _, at := range []mono.Time{first.Add(10 * hop), first.Add(20 * hop), last.Add(-2 * hop)} {
			until(at)
			a.place.Do("cleanup", func() { a.node.Cleanup() })
			wantHas(s, a, name, true, propCounts)
			wantHas(s, b, name, true, propCounts)
		}
		until(last.Add(4*hop + s.Slack())) // the other node heard of it so much later
		wantHas(s, a, name, false, propCounts)
		wantHas(s, b, name, false, propCounts)
	}
}

// suspended lets a node stand still for longer than anything counts that it
// knows of: from a node, from a client of its own, from itself, and from a node
// that dies meanwhile. Then it steps the calendar.
func suspended(s *scenario.Stage) {
	const ttl = 15 * time.Second
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "sleeper", "lives", "dies")
	z, living, dying := nodes[0], nodes[1], nodes[2]
	c := honest(s, "client", z)
	opt := node.AdvertiseOptions{TTL: ttl}
	z.provide("at.sleeper", opt)
	living.provide("at.lives", opt)
	dying.provide("at.dies", opt)
	err := c.provide("at.client", echo, ttl, false)
	s.Check(err == nil, "a client advertises", "%v", err)
	s.Sleep(time.Duration(1+s.Rand("when").IntN(40)) * time.Second)
	all := func() {
		for _, name := range []string{"at.sleeper", "at.lives", "at.client"} {
			wantHas(s, z, name, true, propGrace)
		}
	}
	all()
	away := s.Duration("away")
	z.place.Pause()
	s.Sleep(away / 2)
	dying.crash()
	s.Sleep(away - away/2)
	z.place.Resume()
	z.place.Do("look", all)
	s.Sometimes("stood still for longer than anything counts", away > ttl)
	for range ttl / time.Second {
		z.place.Do("look", func() {
			for _, name := range []string{"at.sleeper", "at.lives"} {
				wantHas(s, z, name, true, propGrace)
			}
		})
		s.Sleep(time.Second)
	}
	s.Sleep(time.Second)
	wantHas(s, z, "at.dies", false, propBelief)
	for _, step := range []time.Duration{-365 * 24 * time.Hour, 2 * 365 * 24 * time.Hour} {
		z.place.StepWall(step)
		z.place.Do("look", func() { wantHas(s, z, "at.lives", true, propGrace) })
	}
	s.Eventually(2*time.Minute, "who was suspended is back", func() bool {
		return z.has("at.client") && z.has("at.lives") && living.has("at.client") && living.has("at.sleeper")
	})
	dying.restart()
	s.Eventually(2*time.Minute, "the nodes find each other", func() bool { return converged(nodes) })
}

// whileApart lets services of a node and of its client come and go, while the
// client does not hear its node, and that not the other one.
func whileApart(s *scenario.Stage) {
	const names = 4
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "provider", "caller")
	a, b := nodes[0], nodes[1]
	c := honest(s, "client", a)
	c.close()
	c = newClient(s, "client", "client", client.Config{}, a)
	err := c.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	rnd := s.Rand("intent")
	ttl := func() time.Duration { return time.Duration(60+rnd.IntN(540)) * time.Second }
	name := func(i int) string { return fmt.Sprintf("intent.%d", i) }
	var meant [2 * names]func() // withdraws what is provided now
	flip := func(i int) {
		switch {
		case meant[i] != nil:
			take := meant[i]
			meant[i] = nil
			c.place.Do("withdraw", take)
		case i < names:
			meant[i] = a.provide(name(i), node.AdvertiseOptions{TTL: ttl()}).Withdraw
		default:
			svc, err := c.advertise(name(i), echo, ttl(), false)
			s.Check(err == nil, "a client advertises", "%v", err)
			meant[i] = svc.Withdraw
		}
	}
	for i := range meant {
		if rnd.IntN(4) > 0 {
			flip(i)
		}
	}
	s.Sleep(time.Second)
	told := knows(s, nodes, meant[:], name)
	s.Check(told == nil, propIntent, "before they are apart: %v", told)
	s.Cut(a.place, b.place)
	s.Cut(b.place, a.place)
	s.Cut(c.place, a.place)
	s.Cut(a.place, c.place)
	away := s.Duration("away")
	for range 6 {
		s.Sleep(time.Duration(rnd.Int64N(int64(away / 8))))
		if i := rnd.IntN(len(meant)); i < names || meant[i] != nil { // a client that is cut off cannot begin
			flip(i)
		}
	}
	s.Sleep(away / 4)
	s.HealAll()
	s.Eventually(2*time.Minute, "the nodes find each other", func() bool { return converged(nodes) && c.client.Attached() })
	s.Eventually(idle+5*time.Second, propIntent, func() bool { return knows(s, nodes, meant[:], name) == nil })
	for range 10 {
		s.Sleep(time.Second)
		told := knows(s, nodes, meant[:], name)
		s.Check(told == nil, propIntent, "%v", told)
	}
}

// knows says which node does not know what is meant.
func knows(s *scenario.Stage, nodes []*member, meant []func(), name func(int) string) error {
	for _, m := range nodes {
		for i := range meant {
			if m.has(name(i)) != (meant[i] != nil) {
				return fmt.Errorf("%s takes %s for provided: %v", m.place.Name(), name(i), meant[i] == nil)
			}
		}
	}
	return nil
}
