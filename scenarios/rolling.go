package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func rollingSystem() *scenario.System {
	return &scenario.System{
		Name:  "rolling",
		Shows: "a mesh whose nodes are drained and restarted one after the other while everybody calls",
		Params: []scenario.Param{
			{Name: "nodes", Default: "4", Least: "3", Doc: "nodes of the mesh; clients know the first two of them"},
			{Name: "clients", Default: "4", Least: "1", Doc: "clients, attached to one of the two at first; the first two know both, the others one"},
			{Name: "pause", Default: "60ms", Least: "1ms", Doc: "between two calls of each node and of each client"},
		},
		Requests: []plan.Verb{
			act("restart-all", "each node in turn is drained, stays so for a while, is closed and comes back; or it is just closed"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"restart-all": func() { restartAll(s) }})
		},
	}
}

const (
	propNoneLost  = "no call is lost while nodes are drained and restarted one after the other"
	propRunsOnce  = "a call that is not idempotent runs once at most"
	propDrained   = "a drained node has no clients, no services and no calls left, and says so"
	propLeftAlone = "nobody calls a drained node any more"
	propMovesOn   = "a client whose gateway goes away is attached again at once, to where it was sent"
	propQuick     = "closing a drained node is quick"
)

// wave is a mesh under load whose nodes are restarted.
type wave struct {
	s       *scenario.Stage
	nodes   []*member
	clients []*attached
	over    bool
	made    int
	runs    map[string]int // of each call by its body; for lookup only
	jobs    []*scenario.Job
}

func restartAll(s *scenario.Stage) {
	w := &wave{s: s, runs: map[string]int{}}
	var names []string
	for i := range s.Int("nodes") {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	for i := range s.Int("clients") {
		s.Place(fmt.Sprintf("client-%d", i))
	}
	w.nodes = meshOf(s, scenario.Link{Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 10_000}, node.Config{DrainTimeout: drainTime}, names...)
	for _, m := range w.nodes {
		w.serve(m)
		w.load(m.place, func(ctx context.Context, name string, body []byte, again bool) (bool, []byte, error) {
			n := m.node
			if n == nil || n.NotReady() != "" {
				return false, nil, nil // what runs on a node that stops makes no new calls
			}
			answer, err := n.Call(ctx, name, body, node.CallOptions{Idempotent: again})
			return true, answer, err
		})
	}
	s.Sleep(time.Second)
	w.attachClients()
	for _, m := range w.nodes {
		s.Sleep(time.Duration(s.Rand("rolling").Int64N(int64(time.Second))))
		w.restart(m)
	}
	w.over = true
	for _, j := range w.jobs {
		j.Wait()
	}
	for _, c := range w.clients {
		c.close()
	}
	s.Factf("%d calls, none lost", w.made)
}

// serve lets a node provide what everybody calls: "work", "part", which has one
// provider less, and "chain", which calls "work" before it answers.
func (w *wave) serve(m *member) {
	h := func(ctx context.Context, req *node.Request) ([]byte, error) {
		r := m.place.Runtime()
		w.runs[string(req.Body)]++
		return req.Body, rt.Sleep(ctx, r, time.Duration(r.Rand("work").Int64N(int64(300*time.Millisecond))))
	}
	n := m.node
	m.provideWith("work", node.AdvertiseOptions{}, h)
	m.provideWith("chain", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		body, err := h(ctx, req)
		if err == nil {
			_, err = n.Call(ctx, "work", []byte("for a chain"), node.CallOptions{Idempotent: true})
		}
		return body, err
	})
	if m != w.nodes[0] {
		m.provideWith("part", node.AdvertiseOptions{}, h)
	}
}

// attachClients lets the clients come. They have to wait long for a gateway
// that they look for by themselves.
func (w *wave) attachClients() {
	for i := range w.s.Int("clients") {
		name := fmt.Sprintf("client-%d", i)
		cfg := client.Config{Backoff: backoff.Config{Base: 10 * time.Second}}
		gates := []*member{w.nodes[i%2], w.nodes[1-i%2]}
		if i >= 2 {
			gates = gates[:1] // from then on it lives by what it is told
		}
		c := newClient(w.s, name, name, cfg, gates...)
		err := c.attach()
		w.s.Check(err == nil, "a client attaches", "%v", err)
		w.clients = append(w.clients, c)
		k := c.client
		w.load(c.place, func(ctx context.Context, name string, body []byte, again bool) (bool, []byte, error) {
			answer, err := k.Call(ctx, name, body, again)
			return true, answer, err
		})
	}
}

// load makes calls from a place, several at a time, until the story is over.
func (w *wave) load(p *scenario.Place, call func(ctx context.Context, name string, body []byte, again bool) (made bool, answer []byte, err error)) {
	for range 3 {
		w.jobs = append(w.jobs, p.Go("load", func() {
			r := p.Runtime()
			for !w.over {
				rt.Sleep(context.Background(), r, time.Duration(r.Rand("pause").Int64N(2*int64(w.s.Duration("pause")))))
				w.made++
				body := fmt.Appendf(nil, "call %d", w.made)
				name := []string{"work", "part", "chain"}[r.Rand("name").IntN(3)]
				again := r.Rand("idempotent").IntN(2) == 0
				ctx, cancel := r.WithTimeout(context.Background(), 10*time.Second)
				made, answer, err := call(ctx, name, body, again)
				cancel()
				if !made {
					continue
				}
				w.s.Check(err == nil && string(answer) == string(body), propNoneLost, "%s from %s for %s, idempotent: %v: %q, %v", body, p.Name(), name, again, answer, err)
				w.s.Check(again || w.runs[string(body)] == 1, propRunsOnce, "%s ran %d times", body, w.runs[string(body)])
				delete(w.runs, string(body))
			}
		}))
	}
}

// restart takes one node out of the mesh and brings it back.
func (w *wave) restart(m *member) {
	s, r := w.s, w.s.Rand("rolling")
	had := m.node.Status().Clients.Attached
	if first := r.IntN(3) > 0; first {
		w.drained(m)
		begun := s.Runtime().Now()
		m.drain()
		took := s.Runtime().Now().Sub(begun)
		s.Check(took < time.Second+s.Slack(), propQuick, "it took %v", took)
	} else {
		s.Sometimes("closed with clients", had > 0)
		m.drain()
	}
	s.Eventually(4*time.Second, propMovesOn, func() bool {
		for _, c := range w.clients {
			if !c.client.Attached() {
				return false
			}
		}
		return true
	})
	for _, other := range w.nodes[2:] {
		s.Sometimes("attached where it was sent", other.node != nil && other.node.Status().Clients.Attached > 0)
	}
	s.Sleep(time.Duration(r.Int64N(int64(time.Second))))
	m.start()
	w.serve(m)
	s.Eventually(10*time.Second, "a node that is back is ready", func() bool { return m.node.NotReady() == "" })
	s.Sleep(2 * time.Second) // until others know what it provides
}

// drained drains a node and looks at it for a while.
func (w *wave) drained(m *member) {
	s, n := w.s, m.node
	var d node.Drained
	m.place.Do("drain", func() { d = n.Drain(context.Background()) })
	st := n.Status()
	s.Check(d.Left == 0 && st.Clients.Attached == 0 && st.Server.Running == 0 && st.Services == 0 && n.NotReady() == "draining", propDrained,
		"%+v, not ready: %q; %d clients, %d calls, %d services", d, n.NotReady(), st.Clients.Attached, st.Server.Running, st.Services)
	s.Sometimes("drained with clients and calls", d.Clients > 0 && d.Calls > 0)
	s.Sleep(time.Second) // what was on its way is refused, and goes elsewhere
	served := asked(n)
	s.Sleep(time.Second)
	s.Check(asked(n) == served, propLeftAlone, "%d calls came a second later", asked(n)-served)
}

// asked is how many calls have come over the connections that a node has.
func asked(n *node.Node) (calls uint64) {
	for _, p := range n.Peers() {
		calls += p.Served
	}
	return calls
}
