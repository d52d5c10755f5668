package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func quotaSystem() *scenario.System {
	return &scenario.System{
		Name:  "quota",
		Shows: "a hub that has dialled a few peers, and a crowd that dials it, more than its quota of inbound connections",
		Params: []scenario.Param{
			{Name: "dialled", Default: "4", Least: "1", Doc: "peers that the hub dials"},
			{Name: "quota", Default: "3", Least: "2", Doc: "connections of the hub that peers may have dialled"},
			{Name: "crowd", Default: "16", Least: "1", Doc: "peers that dial the hub, more than the quota"},
		},
		Requests: []plan.Verb{
			act("crowd", "the crowd comes, and comes again when it is evicted: it gets the places of the quota and no other"),
			act("use-quota", "every one of the crowd holds a call at the hub: as many as the quota has places get through, and the hub reaches whom it has dialled"),
			act("lower-quota", "the quota is lowered while its places are in use, and raised again"),
		},
		Valid: func(number func(string) int) error {
			if number("crowd") <= number("quota") {
				return fmt.Errorf("a crowd of %d does not overrun a quota of %d", number("crowd"), number("quota"))
			}
			return nil
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			q := &quotaHub{s: s, quota: s.Int("quota"), most: s.Int("quota")}
			q.begin()
			return acts(map[string]func(){"crowd": q.come, "use-quota": q.useAll, "lower-quota": q.lower})
		},
	}
}

const (
	propInbound   = "inbound connections are within their quota, at both ends"
	propDialled   = "what the hub has dialled is not pushed out"
	propQuotaUsed = "the places of the quota are used"
	propDialsOn   = "what the hub dials does not wait for the crowd"
)

// quotaWait is how long a newcomer waits for a place.
const quotaWait = 20 * time.Second

// quotaHub is a hub with a quota of inbound connections.
type quotaHub struct {
	s       *scenario.Stage
	quota   int
	most    int // inbound connections that there may be
	hub     *member
	let     *rt.Event // ends the calls that are held
	lost    bool      // a connection that the hub had dialled was broken
	dialled []*member
	crowd   []*member
}

// begin starts the hub and those whom it dials. The pool has room for the crowd
// too: only the quota keeps it out.
func (q *quotaHub) begin() {
	s := q.s
	cfg := node.Config{OpenPeers: true, DrainTimeout: reloadDrain}
	cfg.Pool.Cap, cfg.Pool.MaxInbound = s.Int("dialled")+s.Int("crowd"), q.quota
	cfg.Link.HelloTimeout = quotaWait
	// Else what may be open besides would hide what is over the quota.
	cfg.Handshakes, cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing = 2, 1, 2, 2
	s.Place("hub")
	for i := range s.Int("dialled") {
		name := fmt.Sprintf("dialled-%d", i)
		s.Place(name)
		cfg.Bootstrap = append(cfg.Bootstrap, peerOf(s, name))
	}
	for i := range s.Int("crowd") {
		s.Place(fmt.Sprintf("crowd-%02d", i))
	}
	s.SetLinks(scenario.Link{Latency: hop})
	for i := range s.Int("dialled") {
		m := startPeer(s, fmt.Sprintf("dialled-%d", i), node.Config{OpenPeers: true})
		m.provide("at."+m.place.Name(), node.AdvertiseOptions{})
		q.dialled = append(q.dialled, m)
	}
	q.hub = startNode(s, "hub", cfg)
	q.let = rt.NewEvent(q.hub.place.Runtime())
	q.hub.provideWith("hub.hold", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, q.let.Wait(ctx)
	})
	s.Eventually(time.Minute, "the hub has dialled its peers", func() bool { return q.hub.peers() == len(q.dialled) })
	n := q.hub.node
	s.Always(propInbound, func() error { return q.within(n) })
	s.Always(propDialled, func() error {
		st := n.Status()
		if left := st.Pool.Open - st.Pool.Inbound; q.hub.node == n && !st.Draining && !q.lost && left != len(q.dialled) {
			return fmt.Errorf("%d of %d are left, and %d inbound", left, len(q.dialled), st.Pool.Inbound)
		}
		return nil
	})
}

// whole reports whether the hub has a connection to everybody whom it dials.
func (q *quotaHub) whole() bool {
	st := q.hub.node.Status().Pool
	return st.Open-st.Inbound == len(q.dialled)
}

// within counts what is not to the peers that the hub has dialled, by the books
// of the network at both ends. What has not been let in yet, waits to be, or is
// being closed comes on top of the quota.
func (q *quotaHub) within(n *node.Node) error {
	if q.hub.node != n {
		return nil
	}
	here, there := q.hub.place.Conns(), q.hub.place.ConnsTo()
	for _, m := range q.dialled {
		here -= m.place.Conns()
		there -= m.place.Conns()
	}
	cfg, st := q.hub.cfg, n.Status().Pool
	most := q.most + cfg.Pool.Waiting + cfg.Pool.Closing + 2*cfg.Handshakes + st.Shedding
	if here > most || there > most || st.Inbound > q.most {
		return fmt.Errorf("%d at the hub, %d at the others, at most %d; %d of %d in the pool", here, there, most, st.Inbound, q.most)
	}
	return nil
}

// inbound is how many the hub has admitted that peers have dialled.
func (q *quotaHub) inbound() int { return q.hub.node.Status().Pool.Inbound }

func (q *quotaHub) come() {
	s := q.s
	for i := range s.Int("crowd") {
		cfg := node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}}
		cfg.Link.HelloTimeout = quotaWait
		cfg.Pool.Backoff = backoff.Config{Base: 100 * time.Millisecond, Max: time.Second}
		m := startPeer(s, fmt.Sprintf("crowd-%02d", i), cfg)
		m.provide("at."+m.place.Name(), node.AdvertiseOptions{TTL: 30 * time.Minute})
		q.crowd = append(q.crowd, m)
	}
	want := 1 + len(q.dialled) + len(q.crowd)
	s.Eventually(5*time.Minute, "everybody of the crowd is heard of", func() bool { return q.hub.node.Status().Registry.Entries >= want })
	s.Eventually(time.Minute, propQuotaUsed, func() bool { return q.inbound() == q.quota })
	st := q.hub.node.Status().Pool
	s.Check(st.Evicted >= uint64(len(q.crowd)-q.quota), "the crowd makes room for itself", "%d were evicted", st.Evicted)
}

// hold makes every one of the crowd call the hub until it is let go.
func (q *quotaHub) hold() (jobs []*scenario.Job, refused *int) {
	s := q.s
	refused = new(int)
	for i, m := range q.crowd {
		jobs = append(jobs, m.place.Go("hold", func() {
			ctx, cancel := m.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			for {
				_, err := m.node.Call(ctx, "hub.hold", []byte{byte(i)}, node.CallOptions{})
				if err == nil {
					return
				}
				if ctx.Err() != nil || fault.Executed(err) {
					s.Check(false, "a call that was taken is answered", "%s: %v", m.place.Name(), err)
					return
				}
				*refused++
				rt.Sleep(ctx, m.place.Runtime(), max(fault.RetryAfter(err), time.Second))
			}
		}))
	}
	s.Eventually(4*time.Minute, propQuotaUsed, func() bool { return q.hub.node.Status().Server.Running == q.most })
	return jobs, refused
}

func (q *quotaHub) letGo(jobs []*scenario.Job) {
	q.hub.place.Do("let go", q.let.Fire)
	for _, j := range jobs {
		j.Wait()
	}
	q.let = rt.NewEvent(q.hub.place.Runtime())
}

func (q *quotaHub) useAll() {
	s := q.s
	jobs, refused := q.hold()
	s.Eventually(time.Minute, "who is over the quota is refused", func() bool { return *refused > 0 && q.hub.node.Status().Pool.Refused > 0 })
	before := q.hub.node.Status().Pool
	for _, m := range q.dialled {
		_, err := q.hub.call("at."+m.place.Name(), []byte("x"), time.Second, false)
		s.Check(err == nil, "the hub reaches whom it has dialled", "%s: %v", m.place.Name(), err)
	}
	after := q.hub.node.Status()
	s.Check(after.Pool.Dials == before.Dials && after.Pool.Evicted == before.Evicted, propDialled, "%d dials, %d evictions", after.Pool.Dials-before.Dials, after.Pool.Evicted-before.Evicted)
	s.Check(after.Server.Running == q.quota, "a call in flight is never cut", "%d of %d calls are left", after.Server.Running, q.quota)
	// While the crowd waits at the door the hub has to dial again.
	q.lost = true
	s.Kill(q.hub.place, q.dialled[s.Rand("quota").IntN(len(q.dialled))].place)
	s.Eventually(10*time.Second, "a connection breaks", func() bool { return !q.whole() })
	s.Sometimes("dialled while the crowd waits", q.hub.node.Status().Pool.Waiting > 0)
	s.Eventually(quotaWait/5, propDialsOn, q.whole)
	q.lost = false
	q.letGo(jobs)
	s.Factf("%d peers, quota %d: %d refused", len(q.crowd), q.quota, after.Pool.Refused)
}

func (q *quotaHub) lower() {
	s := q.s
	jobs, _ := q.hold()
	change := func(inbound int) {
		q.hub.place.Do("limits", func() {
			n := q.hub.node
			l := n.Limits()
			l.Inbound = inbound
			q.most = inbound
			err := n.SetLimits(l)
			s.Check(err == nil && q.inbound() <= inbound, propLower, "%v; %d inbound of %d", err, q.inbound(), inbound)
		})
	}
	change(1)
	shed := q.hub.node.Status().Pool
	s.Check(shed.Shedding == q.quota-1 && shed.LimitLowered == uint64(q.quota-1), "no more is shed than is over", "%d of %d", shed.LimitLowered, q.quota-1)
	q.letGo(jobs)
	s.Sleep(reloadDrain)
	change(q.quota)
	s.Eventually(time.Minute, propQuotaUsed, func() bool { return q.inbound() == q.quota })
}
