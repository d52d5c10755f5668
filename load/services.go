package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// shelf is a node that provides services for a time, and one that calls them.
type shelf struct {
	r      *run
	a, b   *member
	ends   []mono.Time // the earliest and the latest instant at which each may end at its provider
	late   []mono.Time
	told   []mono.Time // the latest at which it may end at the other node, which heard of it later
	before int         // found before their end
	after  int         // looked for after their end, and not found
	unseen int         // of those, the ones that were held still
}

const (
	propFound   = "a service is found until its time to live ends"
	propExpired = "an expired service is not found, at once"
	propKept    = "a renewed service outlives its first time to live"
)

func playServices(r *run) error {
	s := &shelf{r: r}
	if err := s.begin(); err != nil {
		return err
	}
	for i := range r.cfg.Services {
		if err := s.advertise(i); err != nil {
			return err
		}
		s.find(i)
	}
	s.lookBetween()
	s.expireAll()
	if r.ctx.Err() != nil {
		return errStopped
	}
	s.swept()
	r.figure("services", float64(r.cfg.Services))
	r.figure("ttl_from_ms", ms(s.ttl(0)))
	r.figure("ttl_to_ms", ms(s.ttl(r.cfg.Services-1)))
	r.figure("found_before", float64(s.before))
	r.figure("not_found_after", float64(s.after))
	r.figure("not_found_before_sweep", float64(s.unseen))
	r.summary("%d services, TTL %v to %v: %d found before their end, %d not found after it (%d before they were swept), then swept; the renewed one stays",
		r.cfg.Services, s.ttl(0), s.ttl(r.cfg.Services-1), s.before, s.after, s.unseen)
	s.b.rest()
	s.a.rest()
	return nil
}

// ttl is the time to live of a service: of the first one that of the
// configuration, of the last one twice that.
func (s *shelf) ttl(i int) time.Duration {
	t := s.r.cfg.TTL
	return t + time.Duration(i)*t/time.Duration(max(1, s.r.cfg.Services-1))
}

func (s *shelf) name(i int) string { return fmt.Sprintf("once.%d", i) }

// begin starts both nodes and the service that is renewed.
func (s *shelf) begin() (err error) {
	r := s.r
	cfg := node.Config{OpenPeers: true}
	// Swept only after the last one has ended: that an expired service is not
	// found must not depend on it.
	cfg.CleanupInterval = 3 * r.cfg.TTL
	if s.a, err = r.startNode("provider", cfg, transport.Config{}); err != nil {
		return err
	}
	if err := s.a.provide("kept", node.AdvertiseOptions{TTL: r.cfg.TTL}, echo); err != nil {
		return err
	}
	cfg.Bootstrap = []node.Peer{s.a.peer()}
	if s.b, err = r.startNode("caller", cfg, transport.Config{}, s.a.host); err != nil {
		return err
	}
	if !r.eventually(patience, "the nodes find each other", func() string {
		return join(want("peers", s.a.node.Status().Pool.Open, 1), want("peers", s.b.node.Status().Pool.Open, 1))
	}) {
		return errStopped
	}
	return nil
}

func (s *shelf) advertise(i int) error {
	from := s.r.rt.Now()
	if err := s.a.provide(s.name(i), node.AdvertiseOptions{TTL: s.ttl(i), Once: true}, echo); err != nil {
		return err
	}
	s.ends = append(s.ends, from.Add(s.ttl(i)))
	s.late = append(s.late, s.r.rt.Now().Add(s.ttl(i)))
	return nil
}

// find calls a service at both nodes while it lives. Of a call that did not
// end before the service did nothing is demanded.
func (s *shelf) find(i int) {
	r := s.r
	var left time.Duration
	why := r.wait(patience, func() string {
		name := s.name(i)
		list := s.b.node.Services()
		k := slices.IndexFunc(list, func(e node.ServiceInfo) bool { return e.Name == name })
		if k < 0 {
			return "it is not in the table"
		}
		left = list[k].Left
		return ""
	})
	s.told = append(s.told, r.rt.Now().Add(left))
	later := s.told[i].Sub(s.late[i])
	r.check(why == "" && later <= r.w.AtOnce(1), "what is advertised is told to every peer, with its time to live", "%s: %s, it ends %v later there", s.name(i), why, later)
	found := true
	for _, m := range []*member{s.a, s.b} {
		_, err := m.call(s.name(i), []byte("x"), patience)
		if !s.ends[i].Reached(r.rt.Now()) {
			found = r.check(err == nil, propFound, "%s: %v", s.name(i), err) && found
		} else {
			found = false
		}
	}
	if found {
		s.before++
	}
}

// lookBetween demands that the calls were in time: else they showed nothing.
func (s *shelf) lookBetween() {
	s.r.check(s.before == s.r.cfg.Services, propFound, "%d of %d were found: a longer time to live gives a slow machine more time", s.before, s.r.cfg.Services)
}

// expireAll looks for every service at its end.
func (s *shelf) expireAll() {
	r, n := s.r, s.r.cfg.Services
	g := rt.NewGroup(r.rt)
	done := 0
	for i := range n {
		g.Go("load/expire", func() {
			ok, held := s.expire(i)
			r.mu.Lock()
			done++
			k := done
			if ok {
				s.after++
			}
			if ok && held {
				s.unseen++
			}
			r.mu.Unlock()
			r.progress("services expire", k, n)
		})
	}
	g.Wait(context.Background())
}

// expire waits for the end of a service and looks for it in that instant, at
// its provider and then at the other node. held says whether it had not been
// swept yet.
func (s *shelf) expire(i int) (ok, held bool) {
	r := s.r
	if r.sleep(s.late[i].Sub(r.rt.Now())) != nil {
		return false, false
	}
	_, err := s.a.call(s.name(i), []byte("x"), patience)
	held = s.a.node.Status().Registry.Expired == 0
	ok = r.check(notFound(err), propExpired, "%s at its provider: %v", s.name(i), err)
	if r.sleep(s.told[i].Sub(r.rt.Now())) != nil {
		return false, false
	}
	_, err = s.b.call(s.name(i), []byte("x"), patience)
	ok = r.check(notFound(err), propExpired, "%s at the other node: %v", s.name(i), err) && ok
	_, err = s.b.call("kept", []byte("x"), patience)
	r.check(err == nil, propKept, "%v", err)
	return ok, held
}

// swept waits for the cleanup, which removes what has expired.
func (s *shelf) swept() {
	r := s.r
	r.progress("the cleanup is waited for", 0, 0)
	r.eventually(3*r.cfg.TTL+patience, "the cleanup removes what has expired", func() string {
		a, b := s.a.node.Status(), s.b.node.Status()
		return join(want("services at the provider", a.Registry.Entries, 1), want("services at the other node", b.Registry.Entries, 1),
			want("expired at the provider", int(a.Registry.Expired), r.cfg.Services))
	})
	for _, m := range []*member{s.a, s.b} {
		_, err := m.call("kept", []byte("x"), patience)
		r.check(err == nil, propKept, "%v", err)
		r.held(propAudit, m.node.Audit())
	}
}
