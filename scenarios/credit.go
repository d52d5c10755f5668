package scenarios

import (
	"context"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Properties of what is lent.
const (
	propOneEnd  = "a call has exactly one end"
	propOwn     = "an answer is the answer to its call"
	propPermits = "permits are conserved: what is free and what is used make up the cap"
	propCredit  = "stream credit is conserved: as many calls run at a time as before"
	propWakes   = "who waits for a stream wakes by its deadline"
)

func creditSystem() *scenario.System {
	return &scenario.System{
		Name:  "credit",
		Shows: "what is lent for a time (permits, streams, windows), to nodes, a client and a stranger, and must come back",
		Params: []scenario.Param{
			{Name: "rounds", Default: "8", Least: "1", Doc: "how often each act does what it does"},
		},
		Requests: []plan.Verb{
			act("reply-meets-end", "calls whose callers give up, or run out of time, in the moment of the reply"),
			act("stream-meets-end", "calls that wait for a stream, and whose callers give up in the moment in which there is one"),
			act("abandoned", "a stranger leaves streams in the middle, in ways that leave bytes unread"),
			act("rapid-reset", "a stranger opens streams for calls and resets them at once, again and again"),
			act("half-closed", "a stranger answers, and is answered, and does not end its half of the streams"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"reply-meets-end": func() { replyMeetsEnd(s) }, "stream-meets-end": func() { streamMeetsEnd(s) },
				"abandoned": func() { abandoned(s) }, "rapid-reset": func() { rapidReset(s) }, "half-closed": func() { halfClosed(s) },
			})
		},
	}
}

// startTuned is startNode for a node whose transport is configured too.
func startTuned(s *scenario.Stage, name string, cfg node.Config, tcfg transport.Config) *member {
	m := &member{s: s, watched: true, place: s.Place(name), id: idOf(s, name), cfg: cfg, tcfg: tcfg}
	m.cfg.Realm = realm
	m.cfg.Ledger.Strict = true
	m.start()
	s.Defer(m.stop)
	return m
}

// pairOf starts a node that serves, with limits of its own, and one that calls
// it.
func pairOf(s *scenario.Stage, cfg node.Config, tcfg transport.Config) (caller, provider *member) {
	s.SetLink(s.Place("caller"), s.Place("provider"), scenario.Link{Latency: hop})
	cfg.OpenPeers = true
	provider = startTuned(s, "provider", cfg, tcfg)
	caller = startNode(s, "caller", node.Config{Bootstrap: []node.Peer{peerOf(s, "provider")}})
	s.Eventually(time.Minute, "the nodes find each other", func() bool { return converged([]*member{caller, provider}) })
	return caller, provider
}

// working returns a handler that echoes after a while.
func working(p *scenario.Place, work time.Duration) node.Handler {
	return func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, rt.Sleep(ctx, p.Runtime(), work)
	}
}

// permits is how many handlers a provider may run where permits are counted.
const permits = 6

// replyMeetsEnd lets the end of many callers meet the reply to each, on the
// shared stream, on streams of their own, within one node and over a gateway.
func replyMeetsEnd(s *scenario.Stage) {
	cfg := node.Config{}
	cfg.Link.MaxCalls = 2 * permits
	cfg.Server.MaxHandlers = permits
	a, p := pairOf(s, cfg, transport.Config{})
	s.SetLink(a.place, s.Place("client"), scenario.Link{Latency: hop})
	c := newClient(s, "client", "client", client.Config{NoReconnect: true}, a)
	err := c.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	p.provideWith("work", node.AdvertiseOptions{}, working(p.place, hop))
	p.provideWith("hold", node.AdvertiseOptions{}, waiting(p.place))
	s.Sleep(4 * hop)
	takeStock(s, a, p)
	leases := p.node.Status().Leases
	for range s.Int("rounds") {
		var jobs []*scenario.Job
		for i := range permits {
			jobs = append(jobs, endsAsAnswered(s, a, p, c.client, i))
		}
		for _, j := range jobs {
			j.Wait()
		}
		s.Sleep(4*hop + s.Slack())
		st := p.node.Status()
		s.Check(st.Server.Running == 0 && st.Leases == leases && callsHeld(p.node) == 0, propPermits,
			"no call is there, and %d permits, %d leases and %d places of calls are taken", st.Server.Running, st.Leases-leases, callsHeld(p.node))
		takeStock(s, a, p)
	}
}

// endsAsAnswered makes a call of one of several kinds, whose caller ends in the
// moment in which the answer arrives.
func endsAsAnswered(s *scenario.Stage, a, p *member, k *client.Client, i int) *scenario.Job {
	rnd := s.Rand("ends")
	from, arrives := a, 3*hop // there, work and back
	size := 64
	call := func(ctx context.Context, body []byte) ([]byte, error) {
		return from.node.Call(ctx, "work", body, node.CallOptions{})
	}
	place := a.place
	switch i % 4 {
	case 1:
		size = 20 << 10 // on a stream of its own
	case 2:
		from, place, arrives = p, p.place, hop // within one node
	case 3:
		place, arrives = s.Place("client"), 5*hop
		call = func(ctx context.Context, body []byte) ([]byte, error) { return k.Call(ctx, "work", body, false) }
	}
	body := make([]byte, size)
	body[0] = byte(1 + i)
	r := place.Runtime()
	if rnd.IntN(4) == 0 {
		arrives -= time.Duration(rnd.Int64N(int64(hop)))
	}
	cancels := rnd.IntN(2) == 0
	return place.Go("call", func() {
		ctx, stop := endsIn(r, arrives, cancels)
		defer stop()
		answer, err := call(ctx, body)
		s.Check(err != nil || string(answer) == string(body), propOwn, "%d bytes came back of %d", len(answer), len(body))
	})
}

// endsIn returns a context that is cancelled, or times out, after d.
func endsIn(r rt.Runtime, d time.Duration, cancels bool) (ctx context.Context, stop func()) {
	if !cancels {
		return r.WithTimeout(context.Background(), d)
	}
	ctx, cancel := r.WithTimeout(context.Background(), d+time.Second)
	t := r.AfterFunc(d, cancel)
	return ctx, func() { t.Stop(); cancel() }
}

// takeStock demands that exactly as many calls are taken as there are permits.
func takeStock(s *scenario.Stage, a, p *member) {
	before := p.node.Status().Server
	taken, refused := 0, 0
	var jobs []*scenario.Job
	for range permits + 2 {
		jobs = append(jobs, a.place.Go("call", func() {
			ctx, cancel := a.place.Runtime().WithTimeout(context.Background(), 10*hop)
			defer cancel()
			_, err := a.node.Call(ctx, "hold", nil, node.CallOptions{})
			switch fault.KindOf(err) {
			case fault.Deadline:
				taken++
			case fault.Overload:
				refused++
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	st := p.node.Status().Server
	s.Check(taken == permits && refused == 2 && st.Peak <= permits, propPermits,
		"of %d calls %d were taken and %d refused, with %d permits; %d ran before", permits+2, taken, refused, permits, before.Running)
	s.Sleep(4*hop + s.Slack())
}

// streamMeetsEnd lets the end of callers that wait for a stream meet the
// credit for one.
func streamMeetsEnd(s *scenario.Stage) {
	const streams = 4 // of which the control stream is one, and that of the small calls another
	a, p := pairOf(s, node.Config{}, transport.Config{MaxStreams: streams})
	const work = 3 * hop
	p.provideWith("work", node.AdvertiseOptions{}, working(p.place, work))
	s.Sleep(4 * hop)
	_, err := a.call("work", []byte("x"), time.Second, false)
	s.Check(err == nil, "who can be reached is reached", "%v", err)
	s.Sleep(4 * hop)
	atOnce := largeAtOnce(s, a, p)
	s.Check(atOnce == streams-2, propCredit, "%d large calls run at a time of %d", atOnce, streams-2)
	waited := 0
	for range s.Int("rounds") {
		waited += endsAsCredited(s, a, work)
		s.Sleep(10*hop + s.Slack())
		now := largeAtOnce(s, a, p)
		s.Check(now == atOnce, propCredit, "%d large calls run at a time, %d did before", now, atOnce)
		s.Check(a.place.Streams() <= 2, propCredit, "%d streams are open when no call is there", a.place.Streams())
	}
	s.Sometimes("gave up as there was a stream", waited > 0)
}

// endsAsCredited starts more large calls than there are streams; the callers
// behind the first ones end in the moment in which a stream is free.
func endsAsCredited(s *scenario.Stage, a *member, work time.Duration) (waited int) {
	rnd := s.Rand("ends")
	r := a.place.Runtime()
	var jobs []*scenario.Job
	for i := range 6 {
		// There, work and back; then the end of the stream, and the credit.
		until := 4*hop + work
		if i < 2 || i == 5 {
			until = time.Second
		}
		cancels := rnd.IntN(2) == 0
		jobs = append(jobs, a.place.Go("call", func() {
			begun := s.Runtime().Now()
			ctx, stop := endsIn(r, until, cancels)
			defer stop()
			body := make([]byte, 20<<10)
			body[0] = byte(i)
			answer, err := a.node.Call(ctx, "work", body, node.CallOptions{})
			took := s.Runtime().Now().Sub(begun)
			s.Check(took <= until+s.Slack(), propWakes, "its time was %v, and it took %v", until, took)
			s.Check(err != nil || string(answer) == string(body), propOwn, "%d bytes came back of %d", len(answer), len(body))
			if err != nil && until < time.Second {
				waited++
			}
			s.Check(err == nil || until < time.Second, propWakes, "with time enough: %v", err)
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	return waited
}

// largeAtOnce is how many calls on streams of their own a provider gets to run
// at a time.
func largeAtOnce(s *scenario.Stage, a, p *member) int {
	var jobs []*scenario.Job
	for range 6 {
		jobs = append(jobs, a.place.Go("call", func() {
			ctx, cancel := a.place.Runtime().WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := a.node.Call(ctx, "work", make([]byte, 20<<10), node.CallOptions{})
			s.Check(err == nil, propWakes, "with time enough: %v", err)
		}))
	}
	s.Sleep(2 * hop)
	running := p.node.Status().Server.Running
	for _, j := range jobs {
		j.Wait()
	}
	s.Sleep(10*hop + s.Slack())
	return running
}
