package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func providersSystem() *scenario.System {
	return &scenario.System{
		Name:  "providers",
		Shows: "a caller, and a few nodes that provide the same service",
		Params: []scenario.Param{
			{Name: "providers", Default: "3", Least: "3", Doc: "nodes that provide it"},
			{Name: "rate", Default: "20", Least: "1", Doc: "calls a second"},
		},
		Requests: []plan.Verb{
			act("half-open", "one provider's answers are lost for a while, and its connection stays"),
			act("slow-spell", "all providers are slower for a while than callers wait"),
			act("own-limit", "the caller's own limit refuses calls to one provider for a while"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			g := openProviders(s)
			return acts(map[string]func(){"half-open": g.halfOpen, "slow-spell": g.slowSpell, "own-limit": g.ownLimit})
		},
	}
}

// Properties of a group of providers.
const (
	propByDeadline = "every call ends once, by its deadline"
	propSilent     = "a provider that does not answer is left alone after a few calls"
	propAsked      = "a provider that answers again is asked again"
	propBudget     = "failing over adds no more than its budget to what callers ask"
	propGoodput    = "when a slow spell is over, calls are answered again"
	propAgain      = "calls fail over again when the spell is over"
	propBlame      = "what the caller refuses itself is not counted against a provider"
)

// group is a caller and its providers.
type group struct {
	s      *scenario.Stage
	caller *member
	nodes  []*member
	work   time.Duration // of every provider
	asked  map[*member][]mono.Time
	calls  []*groupCall
}

// groupCall is one call of the caller.
type groupCall struct {
	begun, ended mono.Time
	deadline     time.Duration
	ends         int
	err          error
}

// groupName is what they provide.
const groupName = "group"

// maxCalls is how many calls a provider lets one peer have in flight.
const maxCalls = 64

func openProviders(s *scenario.Stage) *group {
	g := &group{s: s, asked: map[*member][]mono.Time{}}
	names := []string{"caller"}
	for i := range s.Int("providers") {
		names = append(names, fmt.Sprintf("provider-%d", i))
	}
	cfg := node.Config{}
	cfg.Link.MaxCalls = maxCalls
	nodes := meshOf(s, scenario.Link{Latency: hop}, cfg, names...)
	g.caller, g.nodes = nodes[0], nodes[1:]
	for _, m := range g.nodes {
		m.provideWith(groupName, node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
			r := m.place.Runtime()
			g.asked[m] = append(g.asked[m], g.now()) // by the clock of the story
			return req.Body, rt.Sleep(ctx, r, g.work)
		})
	}
	s.Eventually(5*time.Second, "every provider is known", func() bool {
		return len(slices.DeleteFunc(g.caller.node.Services(), func(i node.ServiceInfo) bool { return i.Name != groupName })) == len(g.nodes)
	})
	return g
}

// traffic makes calls at an even rate for a while, and waits for their ends.
func (g *group) traffic(of time.Duration, timeout time.Duration) []*groupCall {
	r := g.caller.place.Runtime()
	var made []*groupCall
	var jobs []*scenario.Job
	for range int(of/time.Second) * g.s.Int("rate") {
		c := &groupCall{begun: r.Now(), deadline: timeout}
		made = append(made, c)
		jobs = append(jobs, g.caller.place.Go("call", func() {
			ctx, cancel := r.WithTimeout(context.Background(), timeout)
			defer cancel()
			_, c.err = g.caller.node.Call(ctx, groupName, []byte("x"), node.CallOptions{Idempotent: true})
			c.ended, c.ends = r.Now(), c.ends+1
		}))
		g.s.Sleep(time.Second / time.Duration(g.s.Int("rate")))
	}
	for _, j := range jobs {
		j.Wait()
	}
	for i, c := range made {
		late := c.ended.Sub(c.begun) - c.deadline
		g.s.Check(c.ends == 1 && late <= g.s.Slack(), propByDeadline, "call %d has %d ends, %v after its deadline: %v", i, c.ends, late, c.err)
	}
	g.calls = append(g.calls, made...)
	return made
}

// answered is how many of the calls were.
func answered(calls []*groupCall) (n int) {
	for _, c := range calls {
		if c.err == nil {
			n++
		}
	}
	return n
}

// askedSince is how often a provider was asked from then on.
func (g *group) askedSince(m *member, since mono.Time) int {
	return len(slices.DeleteFunc(slices.Clone(g.asked[m]), func(at mono.Time) bool { return at.Before(since) }))
}

func (g *group) now() mono.Time { return g.s.Runtime().Now() }

// halfOpen lets the answers of one provider get lost, for less than a connection
// without a sign of life lives.
func (g *group) halfOpen() {
	s, silent := g.s, g.nodes[0]
	g.traffic(2*time.Second, 2*time.Second)
	s.Check(len(g.asked[silent]) > 0, "the provider is one of the group", "it was never asked")
	s.Cut(silent.place, g.caller.place)
	g.traffic(5*time.Second, 2*time.Second) // it says nothing several times
	since := g.now()
	later := g.traffic(5*time.Second, 2*time.Second)
	most := len(later) / 20
	s.Check(g.askedSince(silent, since) <= most, propSilent, "%d of %d calls went to it", g.askedSince(silent, since), len(later))
	s.Check(answered(later) >= len(later)-most, propSilent, "%d of %d calls were answered", answered(later), len(later))
	s.HealAll()
	g.traffic(20*time.Second, 2*time.Second) // it is tried again at some time in it
	since = g.now()
	last := g.traffic(4*time.Second, 2*time.Second)
	fair := len(last) / len(g.nodes)
	s.Check(g.askedSince(silent, since) >= fair/3, propAsked, "%d of %d calls went to it", g.askedSince(silent, since), len(last))
	s.Check(answered(last) == len(last), propAsked, "%d of %d calls were answered", answered(last), len(last))
	s.Factf("%d calls, %d answered; the silent provider was asked %d times", len(g.calls), answered(g.calls), len(g.asked[silent]))
}

// slowSpell makes all providers too slow for a while. Each call may be tried at
// each of them.
func (g *group) slowSpell() {
	s := g.s
	g.traffic(2*time.Second, time.Second)
	g.work = 10 * time.Second
	slow := g.traffic(20*time.Second, 900*time.Millisecond)
	s.Check(answered(slow) == 0, "a slow spell is one", "%d calls were answered", answered(slow))
	g.work = 0
	tried := 0
	for _, m := range g.nodes {
		tried += len(g.asked[m])
	}
	// Twenty in a hundred, and what may come at once.
	most := len(g.calls) + len(g.calls)/5 + 50
	s.Check(tried <= most, propBudget, "%d attempts for %d calls, want %d at most", tried, len(g.calls), most)
	s.Sleep(time.Second)
	after := g.traffic(20*time.Second, time.Second)
	s.Check(answered(after) == len(after), propGoodput, "%d of %d calls were answered", answered(after), len(after))
	// The budget is there again: one provider is silent, and costs no call.
	s.Cut(g.nodes[0].place, g.caller.place)
	next := g.traffic(2*time.Second, time.Second)
	s.Check(answered(next) == len(next), propAgain, "%d of %d calls were answered with one provider silent", answered(next), len(next))
	s.HealAll()
	s.Sleep(2 * time.Second)
	s.Factf("%d calls, %d attempts during and before the spell, %d answered after it", len(g.calls)-len(after), tried, answered(after))
}

// ownLimit lets the caller have as many calls in flight to one provider as that
// one allows: the next one is refused here.
func (g *group) ownLimit() {
	s := g.s
	full := g.nodes[0]
	hold := "hold"
	full.provideWith(hold, node.AdvertiseOptions{}, waiting(full.place))
	s.Sleep(4 * hop)
	ctx, let := g.caller.place.Runtime().WithCancelCause(context.Background())
	var jobs []*scenario.Job
	refused := 0
	for range maxCalls + 10 {
		jobs = append(jobs, g.caller.place.Go("hold", func() {
			timed, cancel := g.caller.place.Runtime().WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := g.caller.node.Call(timed, hold, nil, node.CallOptions{})
			if fault.KindOf(err) == fault.Overload {
				refused++
			}
		}))
	}
	s.Eventually(5*time.Second, "the caller's own limit is reached", func() bool { return refused == 10 })
	during := g.traffic(3*time.Second, time.Second)
	s.Check(answered(during) == len(during), propByDeadline, "%d of %d calls were answered while one provider cannot be asked", answered(during), len(during))
	g.caller.place.Do("let go", func() { let(nil) })
	for _, j := range jobs {
		j.Wait()
	}
	since := g.now()
	after := g.traffic(3*time.Second, time.Second)
	fair := len(after) / len(g.nodes)
	s.Check(g.askedSince(full, since) >= fair/3, propBlame, "%d of %d calls went to the provider when it could be asked again", g.askedSince(full, since), len(after))
	st := g.caller.node.Status().Caller
	s.Check(st.Ejections == 0 && st.LetDown == 0, propBlame, "%d ejections, %d providers are said to have let calls down", st.Ejections, st.LetDown)
}
