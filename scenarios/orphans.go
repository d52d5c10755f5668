package scenarios

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func orphansSystem() *scenario.System {
	return &scenario.System{
		Name:  "orphans",
		Shows: "a client that calls another client, over the two nodes to which they are attached",
		Params: []scenario.Param{
			{Name: "calls", Default: "40", Least: "8", Doc: "calls that are cancelled"},
		},
		Requests: []plan.Verb{
			act("cancelled-on-the-way", "callers give up before their calls have arrived, as they arrive, and while they run"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"cancelled-on-the-way": func() { cancelledOnTheWay(s) }})
		},
	}
}

const (
	propOrphan = "a handler hears that its caller has given up as soon as the word can be there"
	propNoWork = "nothing runs for a caller that is gone"
)

// chain is a caller and a handler with two nodes between them.
type chain struct {
	s            *scenario.Stage
	caller       *attached
	provider     *attached
	nodes        []*member
	begun, ended map[uint64]mono.Time // by the number of the call; for lookup only
	left         map[uint64]mono.Time // when its caller gave up
	ready        map[uint64]mono.Time // when its handler looked at its context for the first time
}

const links = 3 // between the caller and the handler

func cancelledOnTheWay(s *scenario.Stage) {
	c := &chain{s: s, begun: map[uint64]mono.Time{}, ended: map[uint64]mono.Time{}, left: map[uint64]mono.Time{}, ready: map[uint64]mono.Time{}}
	c.nodes = meshOf(s, scenario.Link{Latency: hop}, node.Config{}, "near", "far")
	c.provider = newClient(s, "provider", "provider", client.Config{NoReconnect: true}, c.nodes[1])
	c.caller = newClient(s, "caller", "caller", client.Config{NoReconnect: true}, c.nodes[0])
	s.SetLink(c.nodes[0].place, c.caller.place, scenario.Link{Latency: hop})
	s.SetLink(c.nodes[1].place, c.provider.place, scenario.Link{Latency: hop})
	for _, a := range []*attached{c.provider, c.caller} {
		err := a.attach()
		s.Check(err == nil, "a client attaches", "%v", err)
	}
	err := c.provider.provide("deep", c.handle, 0, false)
	s.Check(err == nil, "a client advertises", "%v", err)
	s.Eventually(5*time.Second, "every node knows every provider", func() bool { return c.nodes[0].lists("deep") })
	s.Sleep(4 * hop)
	var jobs []*scenario.Job
	for i := range uint64(s.Int("calls")) {
		jobs = append(jobs, c.caller.place.Go("call", func() { c.call(i) }))
	}
	for _, j := range jobs {
		j.Wait()
	}
	s.Sleep((links+1)*hop + restless + time.Millisecond + s.Slack())
	c.look()
}

// restless is for how long a handler works before it looks at its context.
const restless = 5 * time.Millisecond

// handle works for a moment, or for none, and then waits for the end of its
// caller.
func (c *chain) handle(ctx context.Context, req *node.Request) ([]byte, error) {
	r := c.provider.place.Runtime()
	id := binary.BigEndian.Uint64(req.Body)
	c.begun[id] = c.s.Runtime().Now()
	rt.Sleep(context.Background(), r, time.Duration(id%3)*restless/2)
	c.ready[id] = c.s.Runtime().Now()
	err := r.NewParker().Park(ctx)
	c.ended[id] = c.s.Runtime().Now()
	return nil, err
}

// call makes a call and gives it up, before it has arrived or later.
func (c *chain) call(id uint64) {
	r := c.caller.place.Runtime()
	rt.Sleep(context.Background(), r, time.Duration(r.Rand("calls").Int64N(int64(100*time.Millisecond))))
	ctx, cancel := r.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	after := time.Duration(r.Rand("calls").Int64N(int64(6 * links * hop)))
	if id%4 == 0 {
		after = links * hop // as it arrives
	}
	defer r.AfterFunc(after, func() {
		c.left[id] = c.s.Runtime().Now()
		cancel()
	}).Stop()
	body := make([]byte, 8+id%2*(40<<10)) // every other one on streams of its own
	binary.BigEndian.PutUint64(body, id)
	_, err := c.caller.client.Call(ctx, "deep", body, false)
	c.s.Check(err != nil, "a call that was given up does not succeed", "%d", id)
}

// look demands of every handler that it ended in time, and that nothing is
// left.
func (c *chain) look() {
	s := c.s
	ran, early := 0, 0
	for id := range uint64(s.Int("calls")) {
		begun, ok := c.begun[id]
		if !ok {
			early++
			continue // the word of its end was faster
		}
		ran++
		s.Sometimes("given up before its handler looked", c.left[id] < c.ready[id])
		ended, over := c.ended[id]
		last := max(c.left[id].Add(links*hop), c.ready[id]).Add(time.Millisecond + s.Slack())
		s.Check(over && ended <= last, propOrphan, "call %d began %v after its caller had left, and its handler %s", id, begun.Sub(c.left[id]), said(over, ended.Sub(c.left[id])))
	}
	s.Sometimes("given up before it had arrived", early > 0)
	running := []int{c.nodes[0].node.Status().Server.Running, c.nodes[1].node.Status().Server.Running}
	held := callsHeld(c.nodes[0].node) + callsHeld(c.nodes[1].node)
	s.Check(running[0]+running[1]+held == 0, propNoWork, "%v handlers run at the nodes, which hold %d calls", running, held)
	s.Factf("%d handlers began, %d calls were given up before", ran, early)
}

func said(over bool, after time.Duration) string {
	if !over {
		return "still runs"
	}
	return fmt.Sprintf("ended %v after that", after)
}
