package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func ttlSystem() *scenario.System {
	return &scenario.System{
		Name:  "ttl",
		Shows: "a node that provides services for a time, and one that calls them",
		Params: []scenario.Param{
			{Name: "services", Default: "10", Least: "1", Doc: "services that are not renewed, each with a time to live of its own"},
		},
		Requests: []plan.Verb{
			act("advertised-together", "many tasks advertise in the same moment"),
			act("expire-one-by-one", "services without renewal are looked for just before and just after their end"),
			act("called-while-expiring", "a call outlives the advertisement that led to it"),
			act("asked-together", "many callers ask at once for names that nobody provides"),
			act("cleaned-up", "what has expired is removed, and the renewed service stays"),
			act("calendar", "steps of the calendar clock expire nothing"),
			act("owner-leaves", "the services of a client go with its session"),
		},
		Open: openTTL,
	}
}

const hop = 2 * time.Millisecond // the latency of the stories that measure in round trips

func openTTL(s *scenario.Stage) *scenario.Subject {
	stage(s)
	nodes := meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "provider", "caller")
	a, b := nodes[0], nodes[1]
	a.provide("kept", node.AdvertiseOptions{TTL: 10 * time.Second})
	return acts(map[string]func(){
		"advertised-together":   func() { advertisedTogether(s, a, b) },
		"expire-one-by-one":     func() { expireOneByOne(s, a, b) },
		"called-while-expiring": func() { calledWhileExpiring(s, a, b) },
		"asked-together":        func() { askedTogether(s, b) },
		"cleaned-up":            func() { cleanedUp(s, a, b) },
		"calendar":              func() { calendar(s, a, b) },
		"owner-leaves":          func() { ownerLeaves(s, a, b) },
	})
}

// cleanedUp waits for a cleanup: nothing but the renewed service is left.
func cleanedUp(s *scenario.Stage, a, b *member) {
	s.Sleep(70 * time.Second)
	st := a.node.Status()
	s.Check(st.Cleanup.Runs > 0 && st.Registry.Expired > 0, "the cleanup removes what has expired", "%d runs, %d expired", st.Cleanup.Runs, st.Registry.Expired)
	s.Check(st.Registry.Entries == 1, "nothing but the renewed service is left", "%d entries", st.Registry.Entries)
	for _, m := range []*member{a, b} {
		names := m.node.Status().Discovery.Names
		s.Check(names == 0 || m == a && names == 1, "nothing but the renewed service is told to others", "%s: %d names", m.place.Name(), names)
	}
	wantFound(s, b, "kept", true, "a renewed service outlives its first time to live")
}

// calendar steps the calendar clocks of both.
func calendar(s *scenario.Stage, a, b *member) {
	for _, d := range []time.Duration{48 * time.Hour, -96 * time.Hour, 48 * time.Hour} {
		a.place.StepWall(d)
		b.place.StepWall(d)
		wantFound(s, b, "kept", true, "a step of the calendar clock expires nothing")
	}
}

// wantFound demands that a service can be called, or is not found.
func wantFound(s *scenario.Stage, m *member, name string, found bool, property string) {
	_, err := m.call(name, []byte("x"), 2*time.Second, false)
	if found {
		s.Check(err == nil, property, "%s: %v", name, err)
		return
	}
	still := 0
	if err == nil {
		still = 1
	}
	s.Peak("services found after their end", 0, still)
	s.Check(fault.KindOf(err) == fault.NotFound, property, "%s: %v", name, err)
}

// advertisedTogether lets many tasks advertise in the same moment.
func advertisedTogether(s *scenario.Stage, a, b *member) {
	const count = 20
	s.Sleep(4 * hop)
	before := len(b.node.Services())
	for i := range count {
		a.place.Go("advertise", func() {
			a.provide(fmt.Sprintf("together.%d", i), node.AdvertiseOptions{TTL: time.Second, Once: true})
		})
	}
	s.Sleep(4*hop + s.Slack())
	heard := len(b.node.Services()) - before
	s.Check(heard == count, "what is advertised is told to every peer", "%d of %d were", heard, count)
	s.Sleep(time.Second)
}

// expireOneByOne advertises services without renewal and looks at each just
// before and just after its end.
func expireOneByOne(s *scenario.Stage, a, b *member) {
	count := s.Int("services")
	ends := make([]mono.Time, count)
	ttl := func(i int) time.Duration { return time.Duration(5+i) * time.Second }
	name := func(i int) string { return fmt.Sprintf("once.%d", i) }
	for i := range count {
		a.provide(name(i), node.AdvertiseOptions{TTL: ttl(i), Once: true})
		ends[i] = s.Runtime().Now().Add(ttl(i))
	}
	s.Sleep(time.Second)
	removed := a.node.Status().Registry.Expired
	for i := range count {
		s.Sleep(ends[i].Sub(s.Runtime().Now()) - 10*hop - s.Slack())
		wantFound(s, b, name(i), true, "a service is found until its time to live ends")
		wantFound(s, a, name(i), true, "a service is found until its time to live ends")
		s.Sleep(ends[i].Sub(s.Runtime().Now()))
		wantFound(s, a, name(i), false, "an expired service is not found, at once")
		s.Sleep(2*hop + s.Slack()) // the other node learned of it so much later
		wantFound(s, b, "kept", true, "a renewed service outlives its first time to live")
		wantFound(s, b, name(i), false, "an expired service is not found, at once")
		if a.node.Status().Registry.Expired == removed {
			s.Mark("not found before it was swept")
		}
	}
}

// calledWhileExpiring lets a call outlive the advertisement that led to it.
func calledWhileExpiring(s *scenario.Stage, a, b *member) {
	a.provideWith("slow", node.AdvertiseOptions{TTL: 2 * time.Second, Once: true}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, rt.Sleep(ctx, a.place.Runtime(), 4*time.Second)
	})
	s.Sleep(time.Second)
	var err error
	job := b.place.Go("call", func() {
		ctx, cancel := b.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err = b.node.Call(ctx, "slow", nil, node.CallOptions{})
	})
	s.Sleep(2 * time.Second)
	wantFound(s, b, "slow", false, "an expired service is not found, at once")
	job.Wait()
	s.Check(err == nil, "a call outlives the advertisement that led to it", "%v", err)
	s.Mark("expired while being called")
}

// askedTogether lets many callers ask for two names at once that nobody
// provides.
func askedTogether(s *scenario.Stage, m *member) {
	before := m.node.Status().Discovery.Questions
	begun := s.Runtime().Now()
	var jobs []*scenario.Job
	for i := range 16 {
		jobs = append(jobs, m.place.Go("call", func() {
			ctx, cancel := m.place.Runtime().WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_, err := m.node.Call(ctx, fmt.Sprintf("nobody.%d", i%2), nil, node.CallOptions{})
			took := s.Runtime().Now().Sub(begun)
			s.Check(fault.KindOf(err) == fault.NotFound && took <= 4*hop+s.Slack(), "everybody hears at once that nobody provides a name", "after %v: %v", took, err)
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	asked := m.node.Status().Discovery.Questions - before
	s.Check(asked == 2, "a name is asked for once, however many callers wait", "%d questions for 2 names", asked)
}

// ownerLeaves shows that the services of a client go with its session.
func ownerLeaves(s *scenario.Stage, a, b *member) {
	for _, crash := range []bool{false, true} {
		name := fmt.Sprintf("client.%v", crash)
		s.SetLink(a.place, s.Place(name), scenario.Link{Latency: hop})
		c := newClient(s, name, name, client.Config{NoReconnect: true}, a)
		err := c.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
		err = c.provide(name, echo, 0, false)
		s.Check(err == nil, "a client advertises", "%v", err)
		s.Sleep(4*hop + s.Slack())
		wantFound(s, b, name, true, "a client's service is called through its gateway")
		notice := 4*hop + s.Slack()
		if crash {
			c.crash()
			notice = idle + time.Second
		} else {
			c.close()
		}
		s.Sleep(notice)
		wantFound(s, a, name, false, "a client that leaves takes its services along")
		wantFound(s, b, name, false, "a client that leaves takes its services along")
		listed := slices.ContainsFunc(b.node.Services(), func(e node.ServiceInfo) bool { return e.Name == name })
		s.Check(!listed, "a client that leaves takes its services along", "%s is still listed elsewhere", name)
	}
}

// idle is after how long of silence a connection is given up at the latest:
// the idle timeout of transport.Config, which begins anew with the keep-alive
// that is sent into the silence (RFC 9000, section 10.1).
const idle = 30*time.Second + 10*time.Second
