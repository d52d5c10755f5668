package scenario_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// probes is a system for tests: every node listens, counts ten times a second,
// and tells as a fact what becomes of what is asked of it.
func probes() *scenario.System {
	node := plan.Field{Name: "node", Kind: plan.Node}
	pair := []plan.Field{{Name: "from", Kind: plan.Node}, {Name: "to", Kind: plan.Node}}
	nodes := []plan.Field{{Name: "nodes", Kind: plan.Nodes, Optional: true, Doc: "those of the core when they are not named"}}
	return &scenario.System{
		Name:   "probes",
		Kinds:  []string{"probe", "other"},
		Params: []scenario.Param{{Name: "n", Default: "1"}, {Name: "d", Default: "1s", Least: "1ms"}},
		Requests: []plan.Verb{
			{Name: "dial", Args: pair}, {Name: "open", Args: pair}, {Name: "send", Args: pair}, {Name: "job", Args: []plan.Field{node}},
			{Name: "count", Args: []plan.Field{node}}, {Name: "clocks", Args: []plan.Field{node}},
			{Name: "note", Args: []plan.Field{{Name: "text", Kind: plan.Text, Draw: "drawn"}}},
		},
		Demands: []plan.Verb{{Name: "connected", Args: nodes}, {Name: "counting", Args: nodes}, {Name: "never"}},
		Open:    openProbes,
	}
}

type probe struct {
	*scenario.Node
	id    transport.PeerID
	begun mono.Time
	tr    transport.Transport
	count int
	conns map[*probe]transport.Conn
}

// lab is a run of the system.
type lab struct {
	s      *scenario.Stage
	begun  mono.Time
	probes []*probe
	by     map[*scenario.Node]*probe
	over   bool
}

func openProbes(s *scenario.Stage) *scenario.Subject {
	x := &lab{s: s, begun: s.Runtime().Now(), by: map[*scenario.Node]*probe{}}
	do := func(f func(r *scenario.Request, a, b *probe)) func(*scenario.Request) {
		return func(r *scenario.Request) { f(r, x.by[r.At("from")], x.by[r.At("to")]) }
	}
	return &scenario.Subject{
		Start: x.start,
		Crashed: func(n *scenario.Node) {
			x.by[n].tr = nil
			x.tell("%s crashed", n.Name())
		},
		Restarted: func(n *scenario.Node) {
			x.tell("%s restarted", n.Name())
			x.up(x.by[n])
		},
		Requests: map[string]func(*scenario.Request){
			"dial": do(x.dial), "open": do(x.open), "send": do(x.send), "job": x.job, "count": x.counted, "clocks": x.clocks,
			"note": func(r *scenario.Request) { x.tell("%s %x", r.Text("text"), r.Rand.Uint32()) },
		},
		Holds: map[string]func(*scenario.Request) error{
			"connected": x.connected, "counting": x.counting, "never": func(*scenario.Request) error { return errors.New("it is never so") },
		},
	}
}

// tell notes a fact with its time.
func (x *lab) tell(format string, args ...any) {
	x.s.Factf("%v %s", x.s.Runtime().Now().Sub(x.begun), fmt.Sprintf(format, args...))
}

func (x *lab) start(nodes []*scenario.Node) {
	for i, n := range nodes {
		p := &probe{Node: n, id: transport.PeerID{byte(i + 1)}, begun: n.Runtime().Now(), conns: map[*probe]transport.Conn{}}
		x.probes, x.by[n] = append(x.probes, p), p
		x.up(p)
	}
	x.s.Defer(func() {
		x.over = true
		for _, p := range x.probes {
			if p.tr != nil {
				p.Do("close", func() { p.tr.Close() })
			}
		}
	})
}

// up starts what runs at a node.
func (x *lab) up(p *probe) {
	p.tr = p.Transport(p.id, transport.Config{HandshakeTimeout: 2 * time.Second, IdleTimeout: 6 * time.Second})
	ln, err := p.tr.Listen(transport.ListenConfig{})
	x.s.Check(err == nil, "a probe listens", "%v", err)
	p.Go("serve", func() {
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			p.Go("hear", func() { x.hear(p, conn) })
		}
	})
	p.Go("count", func() {
		for !x.over && rt.Sleep(context.Background(), p.Runtime(), 100*time.Millisecond) == nil {
			p.count++
		}
	})
}

// hear tells what comes over a connection: one byte in each stream.
func (x *lab) hear(p *probe, conn transport.Conn) {
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			if closed := (*transport.CloseError)(nil); !errors.As(err, &closed) && !x.over {
				x.tell("%s's end: %v", p.Name(), err)
			}
			return
		}
		if n, _ := s.Read(make([]byte, 1)); n == 1 {
			x.tell("%s heard", p.Name())
		}
		s.Close()
	}
}

// try connects two nodes and says what came of it.
func (x *lab) try(a, b *probe) (conn transport.Conn, outcome string) {
	if a.Down() {
		return nil, "is down"
	}
	outcome = "lost"
	a.Do("dial", func() {
		begun := x.s.Runtime().Now()
		var err error
		if conn, err = a.tr.Dial(context.Background(), b.Addr(), b.id); err == nil {
			rt.Sleep(context.Background(), a.Runtime(), time.Millisecond) // a late refusal arrives
			err = context.Cause(conn.Context())
		}
		outcome = fmt.Sprintf("in %v", x.s.Runtime().Now().Sub(begun).Truncate(time.Millisecond))
		if err != nil {
			outcome = err.Error()
		}
	})
	return conn, outcome
}

func (x *lab) dial(_ *scenario.Request, a, b *probe) {
	conn, outcome := x.try(a, b)
	x.tell("%s>%s %s", a.Name(), b.Name(), outcome)
	if conn != nil {
		conn.CloseWithError(0, "")
	}
}

// open keeps a connection, and tells how each of its ends ends.
func (x *lab) open(_ *scenario.Request, a, b *probe) {
	conn, outcome := x.try(a, b)
	if conn == nil {
		x.tell("%s>%s %s", a.Name(), b.Name(), outcome)
		return
	}
	a.conns[b] = conn
	a.Runtime().Go("end", func() {
		for rt.Sleep(conn.Context(), a.Runtime(), time.Hour) == nil {
		}
		if !x.over {
			x.tell("%s>%s ended: %v", a.Name(), b.Name(), context.Cause(conn.Context()))
		}
	})
}

func (x *lab) send(_ *scenario.Request, a, b *probe) {
	conn := a.conns[b]
	if conn == nil || a.Down() {
		x.tell("%s>%s is not open", a.Name(), b.Name())
		return
	}
	a.Do("send", func() {
		if s, err := conn.OpenStream(context.Background()); err == nil {
			s.Write([]byte{1})
			s.Close()
		}
	})
}

// job runs something on a node that takes two seconds.
func (x *lab) job(r *scenario.Request) {
	n := r.At("node")
	if n.Down() {
		return
	}
	done := n.Do("job", func() { rt.Sleep(context.Background(), n.Runtime(), 2*time.Second) })
	x.tell("%s job done %v", n.Name(), done)
}

func (x *lab) counted(r *scenario.Request) {
	x.tell("%s counted %d", r.At("node").Name(), x.by[r.At("node")].count)
}

// clocks tells how far the clocks of a node are from those of the story.
func (x *lab) clocks(r *scenario.Request) {
	p, d := x.by[r.At("node")], x.s.Runtime()
	mono := p.Runtime().Now().Sub(p.begun) - d.Now().Sub(x.begun)
	x.tell("%s wall %v mono %v", p.Name(), p.Runtime().Wall().Sub(d.Wall()), mono)
}

// demanded are the nodes that a demand is about.
func (x *lab) demanded(r *scenario.Request) []*probe {
	var out []*probe
	for _, p := range x.probes {
		if r.Names(p.Name()) || !r.Has("nodes") && x.s.Core(p.Node) {
			out = append(out, p)
		}
	}
	return out
}

func (x *lab) connected(r *scenario.Request) error {
	for _, a := range x.demanded(r) {
		for _, b := range x.demanded(r) {
			if a == b {
				continue
			}
			conn, outcome := x.try(a, b)
			if conn == nil || conn.Context().Err() != nil {
				return fmt.Errorf("%s>%s %s", a.Name(), b.Name(), outcome)
			}
			conn.CloseWithError(0, "")
		}
	}
	return nil
}

func (x *lab) counting(r *scenario.Request) error {
	before := map[*probe]int{}
	for _, p := range x.demanded(r) {
		before[p] = p.count
	}
	x.s.Sleep(time.Second)
	for _, p := range x.demanded(r) {
		if p.count < before[p]+9 {
			return fmt.Errorf("%s has counted from %d to %d in a second", p.Name(), before[p], p.count)
		}
	}
	return nil
}

// ofPlan is the scenario of a plan for the probes a, b, c and d.
func ofPlan(t *testing.T, lines string) *scenario.Scenario {
	t.Helper()
	s, err := tryPlan("plan p\nsystem probes\nnode a b c d\n" + lines)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryPlan(text string) (*scenario.Scenario, error) {
	p, err := plan.Parse("p.plan", []byte(text))
	if err != nil {
		return nil, err
	}
	return scenario.FromPlan(p, probes())
}

// facts plays a plan that holds, and returns what it tells, sorted.
func facts(t *testing.T, lines string, seed uint64) []string {
	t.Helper()
	r := mustPlay(t, ofPlan(t, lines), scenario.Options{Seed: seed})
	if !r.Held() {
		t.Fatalf("%v\n%s", r.Failure, strings.Join(r.Failure.Waiting, "\n"))
	}
	slices.SortFunc(r.Facts, func(a, b string) int { return cmp.Or(cmp.Compare(when(a), when(b)), cmp.Compare(a, b)) })
	return r.Facts
}

// when is the time of a fact.
func when(fact string) time.Duration {
	first, _, _ := strings.Cut(fact, " ")
	d, _ := time.ParseDuration(first)
	return d
}
