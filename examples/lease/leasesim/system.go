package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/examples/lease"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	disk "github.com/maculamesh/macula/sim/store"
	"github.com/maculamesh/macula/transport"
)

// What must hold after every event.
const (
	exclusive = "at most one client believes that it has the lease"
	tokens    = "fencing tokens grow"
)

// system is what plans are written for: a server, and clients of it.
func system() *scenario.System {
	return &scenario.System{
		Name:  "lease",
		Shows: "a server grants a lease to one of its clients at a time",
		Kinds: []string{"client", "server"},
		Params: []scenario.Param{
			{Name: "ttl", Default: "5s", Least: "1s", Doc: "how long a lease lasts"},
			{Name: "disk", Default: "0", Doc: "percent of the operations of the disk that take a second or fail"},
			{Name: "bug", Default: "0", Doc: "a mistake to make: 1 counts a lease from the answer, 2 answers before the token is on disk"},
		},
		Valid: func(number func(name string) int) error {
			if number("bug") > 2 || number("disk") > 100 {
				return errors.New("bug is 0, 1 or 2, and disk at most 100")
			}
			return nil
		},
		Requests: []plan.Verb{{
			Name: "leave", Doc: "a client leaves in good order, and comes back",
			Args:  []plan.Field{{Name: "client", Kind: plan.Node, Of: "client"}},
			Pairs: []plan.Field{{Name: "after", Kind: plan.Duration, Default: "5s", Draw: "0s..10s", Doc: "how long it is away"}},
		}},
		Demands: []plan.Verb{{Name: "held", Doc: "a client has the lease"}},
		Example: "node server kind=server\nnode c count=3\nlink latency=10ms\n\nfrom 10s to 60s draw 5 fault\n\ncalm 60s\nwithin 30s held\n",
		Open:    open,
	}
}

// world is one run.
type world struct {
	s       *scenario.Stage
	server  *member
	clients []*member
	by      map[*scenario.Node]*member // for lookup only
	token   uint64                     // the greatest one that a client had
	owner   *member                    // who that was
	over    bool                       // nothing is to be started any more
}

// member is the server or a client.
type member struct {
	*scenario.Node
	disk   *disk.Disk    // of the server; it outlives a crash
	client *lease.Client // while there is one
	stop   context.CancelCauseFunc
	job    *scenario.Job
	away   bool // it has left
}

func open(s *scenario.Stage) *scenario.Subject {
	w := &world{s: s, by: map[*scenario.Node]*member{}}
	s.Always(exclusive, w.exclusive)
	s.Always(tokens, w.grows)
	return &scenario.Subject{
		Start:     w.start,
		Crashed:   func(n *scenario.Node) { w.by[n].client, w.by[n].stop = nil, nil },
		Restarted: func(n *scenario.Node) { w.boot(w.by[n]) },
		Says:      w.says,
		Requests:  map[string]func(*scenario.Request){"leave": w.leave},
		Holds:     map[string]func(*scenario.Request) error{"held": w.held},
	}
}

func (w *world) start(nodes []*scenario.Node) {
	servers := 0
	for _, n := range nodes {
		m := &member{Node: n}
		w.by[n] = m
		if n.Kind == "client" {
			w.clients = append(w.clients, m)
			continue
		}
		servers++
		w.server, m.disk = m, w.newDisk(n)
	}
	if !w.s.Check(servers == 1, "a plan has one node of kind server", "it has %d", servers) {
		return
	}
	for _, n := range nodes {
		w.boot(w.by[n])
	}
	w.s.Defer(func() {
		w.over = true // a client may be away still
		for _, n := range nodes {
			w.by[n].close()
		}
	})
}

// newDisk is the disk of a machine: what is not synced at a crash may be lost
// or torn.
func (w *world) newDisk(n *scenario.Node) *disk.Disk {
	share := w.s.Int("disk") * 10_000
	return disk.New(n.Runtime().(*sim.Machine), disk.Faults{
		Latency: 2 * time.Millisecond, Jitter: 3 * time.Millisecond, Slow: share, SlowBy: time.Second,
		WriteError: share, SyncError: share, Lost: 500_000, Torn: 500_000,
	})
}

// boot starts what runs at a node.
func (w *world) boot(m *member) {
	if m.away || m.Down() || w.over {
		return
	}
	cfg := lease.Config{TTL: w.s.Duration("ttl"), Bug: lease.Bug(w.s.Int("bug"))}
	deps := lease.Deps{Runtime: m.Runtime(), Transport: m.Transport(id(m), transport.Config{}), Log: m.Logger(), Mark: w.s.Mark}
	ctx, stop := m.Runtime().WithCancelCause(context.Background())
	m.stop = stop
	if m == w.server {
		server := lease.NewServer(cfg, deps, m.disk)
		m.job = m.Go("server", func() {
			err := server.Serve(ctx)
			w.s.Check(ctx.Err() != nil, "the server goes on until it is told to end", "%v", err)
			deps.Transport.Close()
		})
		return
	}
	client := lease.NewClient(cfg, deps, id(w.server), w.server.Addr())
	m.client = client
	m.job = m.Go("client", func() {
		client.Run(ctx)
		deps.Transport.Close()
	})
}

// id is who a node is for the others.
func id(m *member) (id transport.PeerID) {
	copy(id[:], m.Name())
	return id
}

// close ends what runs at a node, in good order.
func (m *member) close() {
	if m.stop != nil {
		m.stop(errors.New("told to end"))
		m.job.Wait()
		m.client, m.stop = nil, nil
	}
}

// lease is the token of the lease that a client believes to have.
func (m *member) lease() (token uint64, held bool) {
	if m.client == nil {
		return 0, false
	}
	return m.client.Held()
}

// exclusive is looked at after every event.
func (w *world) exclusive() error {
	var first *member
	for _, m := range w.clients {
		if _, held := m.lease(); !held {
			continue
		}
		if first != nil {
			return fmt.Errorf("both %s and %s do", first.Name(), m.Name())
		}
		first = m
	}
	return nil
}

// grows is looked at after every event.
func (w *world) grows() error {
	for _, m := range w.clients {
		token, held := m.lease()
		if !held {
			continue
		}
		if token < w.token || token == w.token && m != w.owner {
			return fmt.Errorf("%s has token %d, after %s had %d", m.Name(), token, w.owner.Name(), w.token)
		}
		w.token, w.owner = token, m
	}
	return nil
}

// held is what keeps the demand of that name from holding.
func (w *world) held(*scenario.Request) error {
	for _, m := range w.clients {
		if _, held := m.lease(); held && w.s.Core(m.Node) {
			return nil
		}
	}
	return errors.New("no client has the lease")
}

// leave carries out the request of that name.
func (w *world) leave(r *scenario.Request) {
	m := w.by[r.At("client")]
	if m.away || m.stop == nil {
		return
	}
	m.away = true
	m.close()
	w.s.Sleep(r.Duration("after"))
	m.away = false
	w.boot(m)
}

// says is a line about a node for the report of a failure.
func (w *world) says(n *scenario.Node) string {
	m := w.by[n]
	token, held := m.lease()
	switch {
	case m == w.server || m.client == nil:
		return ""
	case held:
		return fmt.Sprintf("has the lease, with token %d", token)
	}
	return "does not have the lease"
}
