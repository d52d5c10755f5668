package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func poolSystem() *scenario.System {
	return &scenario.System{
		Name:  "pool",
		Shows: "a hub, and more peers than its pool has room for",
		Params: []scenario.Param{
			{Name: "cap", Default: "1000", Least: "1", Doc: "connections that the pool may hold"},
			{Name: "peers", Default: "1500", Doc: "peers that connect, more than the cap"},
		},
		Requests: []plan.Verb{
			act("fill", "every peer connects, tells what it provides, and is heard of; the pool fills up to its cap"),
			act("call-each", "the hub calls every peer by name, more than the pool has room for"),
			act("use-all", "every peer holds a call at the hub: nobody in use is cut, newcomers are refused"),
		},
		Valid: func(number func(string) int) error {
			if number("peers") <= number("cap") {
				return fmt.Errorf("%d peers do not overrun a pool of %d", number("peers"), number("cap"))
			}
			return nil
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			c := &crowded{s: s, limit: s.Int("cap"), count: s.Int("peers")}
			s.Defer(c.report)
			return acts(map[string]func(){"fill": c.fill, "call-each": c.callEach, "use-all": c.useAll})
		},
	}
}

// crowded is a hub with more peers than its pool has room for.
type crowded struct {
	s            *scenario.Stage
	limit, count int
	hub          *member
	let          *rt.Event // ends the calls that are held
	peers        []*member
}

func (c *crowded) fill() {
	s, limit, count := c.s, c.limit, c.count
	cfg := node.Config{OpenPeers: true}
	cfg.Pool.Cap = limit
	// What may be open besides, in proportion: else the limit of all together
	// would say little when the cap is small.
	few := max(4, limit/20)
	cfg.Handshakes, cfg.Pool.Dials, cfg.Pool.Waiting, cfg.Pool.Closing, cfg.Clients.Limit = few, few, few, few, 1
	hub := startNode(s, "hub", cfg)
	let := rt.NewEvent(hub.place.Runtime())
	c.hub, c.let = hub, let
	hub.provide("hub.echo", node.AdvertiseOptions{})
	hub.provideWith("hub.hold", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		return req.Body, let.Wait(ctx)
	})
	peers := make([]*member, count)
	c.peers = peers
	for i := range peers {
		name := fmt.Sprintf("peer-%04d", i)
		s.SetLink(hub.place, s.Place(name), scenario.LAN())
		peers[i] = startPeer(s, name, node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerOf(s, "hub")}})
		peers[i].provide(fmt.Sprintf("echo.%04d", i), node.AdvertiseOptions{TTL: 30 * time.Minute})
	}
	// Every peer gets in at some time: what it said stays when it is evicted.
	s.Eventually(5*time.Minute, "every peer is heard of, evicted or not", func() bool {
		return hub.node.Status().Registry.Entries >= count+2
	})
	s.Eventually(time.Minute, "the pool fills up to its cap", func() bool { return hub.peers() == limit })
	before := hub.node.Status().Pool
	s.Check(before.Evicted >= uint64(count-limit), "somebody makes room", "%d were evicted for %d newcomers too many", before.Evicted, count-limit)
	for _, p := range peers {
		s.Check(len(p.node.Services()) >= 3, "who was evicted still knows what it heard", "%s knows %d services", p.place.Name(), len(p.node.Services()))
	}
}

func (c *crowded) report() {
	if c.hub == nil || c.hub.node == nil {
		return
	}
	st := c.hub.node.Status().Pool
	c.s.Factf("%d peers, cap %d: peak %d, %d admitted, %d evicted, %d refused while all were in use", c.count, c.limit, st.Peak, st.Admitted, st.Evicted, st.Refused)
}

// callEach calls every peer by name from the hub, one after the other in each
// of a few tasks: more peers than the pool has room for.
func (c *crowded) callEach() {
	s, hub, count := c.s, c.hub, c.count
	const workers = 8
	var jobs []*scenario.Job
	failed := 0
	var last error
	for k := range workers {
		jobs = append(jobs, hub.place.Go("caller", func() {
			for i := k; i < count; i += workers {
				ctx, cancel := hub.place.Runtime().WithTimeout(context.Background(), 20*time.Second)
				if _, err := hub.node.Call(ctx, fmt.Sprintf("echo.%04d", i), []byte("x"), node.CallOptions{Idempotent: true}); err != nil {
					failed, last = failed+1, err
				}
				cancel()
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	s.Check(failed == 0, "every peer can be called through the pool", "%d of %d calls failed, the last with %v", failed, count, last)
}

// useAll lets every peer hold a call at the hub: as many as there are places
// get through, nobody in use is cut, and everybody else is refused until the
// first ones are done.
func (c *crowded) useAll() {
	s, hub, peers, limit, let := c.s, c.hub, c.peers, c.limit, c.let
	ok, refused, other := 0, 0, 0
	var last error
	jobs := make([]*scenario.Job, len(peers))
	for i, p := range peers {
		jobs[i] = p.place.Go("holder", func() {
			ctx, cancel := p.place.Runtime().WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			for {
				_, err := p.node.Call(ctx, "hub.hold", []byte{byte(i)}, node.CallOptions{})
				switch {
				case err == nil:
					ok++
				case fault.Executed(err):
					other, last = other+1, err // it held a place and was cut
				case ctx.Err() == nil:
					refused++
					rt.Sleep(ctx, p.place.Runtime(), max(fault.RetryAfter(err), time.Second))
					continue
				}
				return
			}
		})
	}
	s.Eventually(4*time.Minute, "every place of the pool is in use", func() bool { return hub.node.Status().Server.Running >= limit })
	s.Eventually(time.Minute, "newcomers are refused while all are in use", func() bool {
		return refused > 0 && hub.node.Status().Pool.Refused > 0
	})
	evicted := hub.node.Status().Pool.Evicted
	s.Sleep(15 * time.Second)
	st := hub.node.Status()
	s.Check(st.Pool.Evicted == evicted, "a connection in use is never cut", "%d were evicted while all were in use", st.Pool.Evicted-evicted)
	s.Check(st.Server.Running == limit, "a call in flight is never cut", "%d of %d calls are left", st.Server.Running, limit)
	hub.place.Do("let go", let.Fire)
	for _, j := range jobs {
		j.Wait()
	}
	s.Check(ok == len(peers)-other, "every call is answered in the end", "%d of %d were", ok, len(peers))
	s.Check(other == 0, "a call that was taken is answered", "%d calls failed after they were taken, the last with %v", other, last)
}
