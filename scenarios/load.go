package scenarios

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/load"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// loadSystem plays the load tests of maculanode loadtest, from the same code.
func loadSystem() *scenario.System {
	return &scenario.System{
		Name:  "load",
		Shows: "the load tests that maculanode loadtest runs over QUIC, from the same code",
		Params: []scenario.Param{
			{Name: "peers", Default: "1500", Least: "3", Doc: "peers that connect to a node, more than its pool holds"},
			{Name: "cap", Default: "1000", Least: "2", Doc: "connections that the pool may hold"},
			{Name: "clients", Default: "150", Least: "3", Doc: "clients that come to a gateway, more than it takes"},
			{Name: "limit", Default: "100", Least: "2", Doc: "clients that it takes"},
			{Name: "services", Default: "10", Least: "1", Doc: "services that are not renewed"},
			{Name: "ttl", Default: "2s", Least: "1s", Doc: "time to live of the first of them"},
			{Name: "leaving", Default: "10", Least: "1", Doc: "clients that leave with calls in flight"},
			{Name: "callers", Default: "10", Least: "1", Doc: "calls in flight for each way in which a caller dies"},
			{Name: "idle", Default: "3s", Least: "500ms", Doc: "idle timeout of a node whose clients are killed"},
		},
		Requests: loadActs(),
		Valid: func(number func(string) int) error {
			return load.Config{Peers: number("peers"), Cap: number("cap"), Clients: number("clients"), Limit: number("limit")}.Validate()
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			parts := map[string]func(){}
			for _, t := range load.Tests() {
				parts[t.Name] = func() { playLoad(s, t) }
			}
			return acts(parts)
		},
	}
}

func loadActs() []plan.Verb {
	var out []plan.Verb
	for _, t := range load.Tests() {
		out = append(out, act(t.Name, t.Shows))
	}
	return out
}

// playLoad plays one test and says what it came to.
func playLoad(s *scenario.Stage, t load.Test) {
	res := load.Run(context.Background(), &loadWorld{s: s, test: t.Name}, loadConfig(s), t)
	if res.OK() {
		s.Factf("%s: %s", t.Name, res.Summary)
	}
}

func loadConfig(s *scenario.Stage) load.Config {
	return load.Config{
		Peers: s.Int("peers"), Cap: s.Int("cap"), Clients: s.Int("clients"), Limit: s.Int("limit"),
		Services: s.Int("services"), TTL: s.Duration("ttl"), Leaving: s.Int("leaving"),
		Callers: s.Int("callers"), Idle: s.Duration("idle"),
	}
}

// loadWorld is a stage as a load.World.
type loadWorld struct {
	s    *scenario.Stage
	test string
}

// loadHost is a place with its transport.
type loadHost struct {
	place     *scenario.Place
	id        transport.PeerID
	transport transport.Transport
}

// Runtime implements load.World.
func (w *loadWorld) Runtime() rt.Runtime { return w.s.Runtime() }

// Host implements load.World.
func (w *loadWorld) Host(cfg load.HostConfig) (load.Host, error) { return w.host(cfg), nil }

func (w *loadWorld) host(cfg load.HostConfig) *loadHost {
	name := w.test + "-" + cfg.Name
	h := &loadHost{place: w.s.Place(name), id: idOf(w.s, name)}
	if cfg.As != "" {
		h.id = idOf(w.s, w.test+"-"+cfg.As)
	}
	for _, near := range cfg.Near {
		w.s.SetLink(h.place, near.(*loadHost).place, scenario.LAN())
	}
	h.transport = h.place.Transport(h.id, cfg.Transport)
	return h
}

// Start implements load.World: a process is a place that can crash.
func (w *loadWorld) Start(_ context.Context, name string, v load.Victim, near ...load.Host) (load.Process, error) {
	h := w.host(load.HostConfig{Name: name, Near: near})
	up := rt.NewEvent(w.s.Runtime())
	ready := false
	err := errors.New("it crashed")
	p := &loadProcess{place: h.place}
	h.place.Go("victim", func() {
		err = v.Run(context.Background(), h, func() {
			ready = true
			up.Fire()
		})
		p.left = true
		up.Fire()
	})
	up.Wait(context.Background())
	if !ready {
		return nil, err
	}
	return p, nil
}

// loadProcess is the place of a victim.
type loadProcess struct {
	place *scenario.Place
	left  bool // it ended by itself
	dead  bool
}

// Kill implements load.Process.
func (p *loadProcess) Kill() error {
	if p.dead {
		return nil
	}
	p.dead = true
	p.place.Crash()
	if p.left {
		return errors.New("its session had ended")
	}
	return nil
}

// AtOnce implements load.World: there and back over each hop, and the time in
// which a busy machine gets round to it, which live is not nothing.
func (w *loadWorld) AtOnce(hops int) time.Duration {
	l := scenario.LAN()
	return time.Duration(2*hops)*(l.Latency+l.Jitter) + time.Duration(min(hops, 1))*time.Millisecond + w.s.Slack()
}

// Watch implements load.World.
func (w *loadWorld) Watch(h load.Host, n *node.Node) (stop func()) {
	place := h.(*loadHost).place
	place.Always(propLimits, n.Check)
	return place.Forget
}

// Held implements load.World: what does not hold ends the run.
func (w *loadWorld) Held(property string, err error) {
	w.s.Check(err == nil, property, "%v", err)
}

// Progress implements load.World.
func (w *loadWorld) Progress(load.Progress) {}

// ID implements load.Host.
func (h *loadHost) ID() transport.PeerID { return h.id }

// Addr implements load.Host.
func (h *loadHost) Addr() transport.Addr { return h.place.Addr() }

// Runtime implements load.Host.
func (h *loadHost) Runtime() rt.Runtime { return h.place.Runtime() }

// Transport implements load.Host.
func (h *loadHost) Transport() transport.Transport { return h.transport }

// Log implements load.Host.
func (h *loadHost) Log() *slog.Logger { return h.place.Logger() }
