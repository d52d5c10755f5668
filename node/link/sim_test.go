package link_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// latency is that of every link of the network, and jitter comes on top.
const (
	latency = 5 * time.Millisecond
	jitter  = 2 * time.Millisecond
)

const realm = "org.example.mesh"

// world is a few sides on a simulated network.
type world struct {
	w     *sim.World
	net   *netsim.Net
	sides []*side
	ops   []*op
	marks map[string]int
	cut   mono.Time // the last instant at which a link was cut, by the world's clock
}

// side is one machine that dials, accepts and answers.
type side struct {
	x      *world
	m      *sim.Machine
	host   *netsim.Host
	tr     transport.Transport
	id     transport.PeerID
	cfg    link.Config
	ledger *ledger.Ledger
	server *rpc.Server
	links  []*link.Link // that run or ran
	gone   int          // how often a peer asked us to go away
	frame  func(kind byte, payload []byte) error
	routed func(in *link.Inbound) // as a call finds its handler, by the task that reads it
	usage  *usage
	group  *rt.Group
	ctx    context.Context
	stop   context.CancelCauseFunc
}

// usage counts what the links of a side say of their use.
type usage struct {
	n       int
	evicted bool
}

func (u *usage) Use() bool {
	if u.evicted {
		return false
	}
	u.n++
	return true
}

func (u *usage) Done() { u.n-- }

// op is one call with everything that is known of it.
type op struct {
	id       uint64
	from     *side
	deadline mono.Time // by the world's clock
	cancel   context.CancelCauseFunc
	back     bool
	backAt   mono.Time
	body     []byte
	err      error
	runs     int // handlers that began
	running  int
	ctx      context.Context // of the handler
}

func newWorld(seed uint64, names ...string) *world {
	x := &world{w: sim.New(sim.Config{Seed: seed, LogLevel: slog.LevelError + 1}), marks: map[string]int{}}
	x.net = netsim.New(netsim.Config{Runtime: x.w.Machine("net"), Link: netsim.Link{Latency: latency, Jitter: jitter}})
	for _, name := range names {
		x.sides = append(x.sides, x.newSide(name, seed))
	}
	x.w.AfterEach(x.net.Check)
	x.w.Every(100, x.net.Audit)
	x.w.AfterEach(x.check)
	return x
}

func (x *world) newSide(name string, seed uint64) *side {
	s := &side{x: x, m: x.w.Machine(name), host: x.net.Host(name), id: ident.Simulated(seed, name), ledger: ledger.New(ledger.Config{}), usage: &usage{}}
	s.tr = s.host.Transport(s.m, s.id, transport.Config{})
	s.cfg = link.Config{Self: s.id, Realm: realm, Incarnation: 1}.WithDefaults()
	s.limit(0)
	s.group = rt.NewGroup(s.m)
	s.ctx, s.stop = s.m.WithCancelCause(context.Background())
	return s
}

// limit gives the side a server for so many handlers.
func (s *side) limit(handlers int) {
	s.server = rpc.NewServer(rpc.ServerConfig{MaxHandlers: handlers}, rpc.ServerDeps{Runtime: s.m, Log: slog.New(slog.DiscardHandler), Route: s.route})
}

func (s *side) deps() link.Deps {
	return link.Deps{Runtime: s.m, Ledger: s.ledger, Log: slog.New(slog.DiscardHandler), Server: s.server, Mark: func(name string) { s.x.marks[name]++ }}
}

// Frame implements link.Control.
func (s *side) Frame(_ *link.Link, kind byte, payload []byte) error {
	if s.frame != nil {
		return s.frame(kind, payload)
	}
	return fault.New("test", fault.Protocol, "frame %d", kind)
}

// GoneAway implements link.Control.
func (s *side) GoneAway(*link.Link, fault.Kind) { s.gone++ }

// listen accepts and serves links until the side is closed.
func (s *side) listen() {
	lis, err := s.tr.Listen(transport.ListenConfig{})
	if err != nil {
		panic(err)
	}
	s.group.Go("accept", func() {
		for {
			conn, err := lis.Accept(s.ctx)
			if err != nil {
				return
			}
			s.group.Go("link", func() {
				l, err := link.Accept(s.ctx, s.deps(), s.cfg, conn)
				if err != nil {
					return
				}
				if l.Welcome() == nil {
					s.serve(l)
				} else {
					l.Refuse(fault.Draining)
				}
			})
		}
	})
}

// serve runs an admitted link to its end.
func (s *side) serve(l *link.Link) error {
	s.links = append(s.links, l)
	return l.Run(s, s.usage)
}

// dial connects to another side and serves the link.
func (s *side) dial(to *side) (*link.Link, error) {
	ctx, cancel := s.m.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	l, err := link.Dial(ctx, s.deps(), s.cfg, s.tr, to.host.Addr(), to.id, wire.RolePeer)
	if err != nil {
		return nil, err
	}
	s.group.Go("link", func() { s.serve(l) })
	return l, nil
}

// live returns the newest link that has not ended, or nil.
func (s *side) live() *link.Link {
	for i := len(s.links) - 1; i >= 0; i-- {
		if l := s.links[i]; !l.Ended().Fired() && l.Context().Err() == nil {
			return l
		}
	}
	return nil
}

// The services, by name. The body begins with the id of the call and a
// duration in milliseconds.
func (s *side) route(in *link.Inbound) (rpc.Handler, error) {
	if s.routed != nil {
		s.routed(in)
	}
	switch in.Name {
	case "echo", "slow", "deaf", "fail", "panic", "big":
		return s.handle, nil
	}
	return nil, fault.New("serve", fault.NotFound, "%s", in.Name)
}

const header = 12

func (s *side) handle(ctx context.Context, req *rpc.Request) ([]byte, error) {
	o := s.x.ops[binary.BigEndian.Uint64(req.Body)]
	wait := time.Duration(binary.BigEndian.Uint32(req.Body[8:])) * time.Millisecond
	o.runs++
	o.running++
	o.ctx = ctx
	defer func() { o.running--; o.ctx = nil }()
	switch req.Name {
	case "slow":
		if err := rt.Sleep(ctx, s.m, wait); err != nil {
			return nil, err
		}
	case "deaf":
		rt.Sleep(context.Background(), s.m, wait)
	case "fail":
		return nil, errors.New("as it was told to")
	case "panic":
		panic("as it was told to")
	case "big":
		return append(req.Body, make([]byte, 100<<10)...), nil
	}
	return req.Body, nil
}

// call makes a call as a task and returns what will be known of it.
func (x *world) call(l *link.Link, from *side, name string, size int, wait, timeout time.Duration) *op {
	o := &op{id: uint64(len(x.ops)), from: from, deadline: x.w.Now().Add(timeout)}
	x.ops = append(x.ops, o)
	body := make([]byte, max(size, header))
	binary.BigEndian.PutUint64(body, o.id)
	binary.BigEndian.PutUint32(body[8:], uint32(wait/time.Millisecond))
	own, cancel := from.m.WithCancelCause(context.Background())
	o.cancel = cancel
	var stop func()
	if o.id%2 == 0 {
		own, stop = from.m.WithTimeout(own, timeout)
	} else { // its deadline is kept by the link
		lazy := rt.NewLazyTimeout(from.m, own, from.m.Now().Add(timeout))
		own, stop = lazy, lazy.End
	}
	from.m.Go("caller", func() {
		defer cancel(nil)
		defer stop()
		o.body, o.err = l.Call(own, &link.Request{Name: name, Body: body})
		if o.back {
			x.w.Fail(errors.New("a call ended twice"))
		}
		o.back, o.backAt = true, x.w.Now()
		if o.err == nil && (len(o.body) < header || binary.BigEndian.Uint64(o.body) != o.id) {
			x.w.Fail(errors.New("the answer is not that of the call"))
		}
		var f *fault.Error
		if o.err != nil && !errors.As(o.err, &f) {
			x.w.Fail(fmt.Errorf("an error without a kind: %v", o.err))
		}
	})
	return o
}

// check is what must hold after every event.
func (x *world) check() error {
	now := x.w.Now()
	for _, o := range x.ops {
		switch {
		case !o.back && o.deadline.Before(now):
			return fmt.Errorf("call %d is still waiting after its deadline", o.id)
		case o.runs > 1:
			return fmt.Errorf("call %d was executed %d times", o.id, o.runs)
		case o.back && o.runs > 0 && o.err != nil && !fault.Executed(o.err):
			return fmt.Errorf("call %d was executed, and its error says that it was not: %v", o.id, o.err)
		case o.back && o.running > 0 && o.ctx.Err() == nil && o.backAt.Before(now.Add(-latency-jitter-time.Millisecond)) && x.cut.Before(o.backAt):
			return fmt.Errorf("the context of call %d outlives its caller", o.id)
		}
	}
	for _, s := range x.sides {
		if err := s.ledger.Audit(); err != nil {
			return err
		}
		if s.usage.n < 0 {
			return errors.New("more Done than Use")
		}
		for _, l := range s.links {
			if l.Ended().Fired() {
				continue
			}
			if err := l.Audit(0); err != nil {
				return err
			}
		}
		if c := s.server.Counts(); c.Running < 0 || c.Running > s.server.Limit() {
			return fmt.Errorf("%d handlers run, the limit is %d", c.Running, s.server.Limit())
		}
	}
	return nil
}

// atRest demands that no call has left anything behind.
func (x *world) atRest() error {
	for _, o := range x.ops {
		if !o.back || o.running > 0 {
			return fmt.Errorf("call %d: back is %v, %d handlers run", o.id, o.back, o.running)
		}
	}
	for _, s := range x.sides {
		for _, l := range s.links {
			if ours, theirs := l.Calls(); ours+theirs != 0 {
				return fmt.Errorf("%s: %d calls of ours are left, %d of the peer", s.m.Name(), ours, theirs)
			}
		}
		if c := s.server.Counts(); c.Running != 0 || s.usage.n != 0 {
			return fmt.Errorf("%s: %d permits and %d uses are out", s.m.Name(), c.Running, s.usage.n)
		}
		if l := s.ledger.Leases(); l > 0 && s.live() == nil {
			return fmt.Errorf("%s: %d leases are out without a link", s.m.Name(), l)
		}
	}
	return nil
}

// finish closes everything and demands that nothing is left.
func (x *world) finish() error {
	if err := x.w.RunFor(2 * time.Minute); err != nil {
		return err
	}
	if err := x.atRest(); err != nil {
		return err
	}
	for _, s := range x.sides {
		s.m.Go("close", func() {
			s.stop(fault.Draining)
			for _, l := range s.links {
				l.Close(fault.Draining, 0)
			}
			s.tr.Close()
			s.group.Close()
			s.group.Wait(context.Background())
			if n := s.server.Close(context.Background()); n != 0 {
				x.w.Fail(fmt.Errorf("%d handlers were abandoned", n))
			}
		})
	}
	if err := x.w.Run(); err != nil {
		return err
	}
	if l := x.w.Leaks(); len(l) > 0 {
		return fmt.Errorf("left: %v", l)
	}
	if l := x.net.Leaks(); len(l) > 0 {
		return fmt.Errorf("left: %v", l)
	}
	return x.atRest()
}

// seeds runs a story in many worlds of two connected sides: a has dialled b.
func seeds(t *testing.T, n int, setup func(a, b *side), story func(t *testing.T, x *world, a, b *side, l *link.Link)) {
	t.Helper()
	for seed := range uint64(n) {
		x := newWorld(seed, "a", "b")
		a, b := x.sides[0], x.sides[1]
		if setup != nil {
			setup(a, b)
		}
		b.listen()
		a.m.Go("story", func() {
			l, err := a.dial(b)
			if err != nil {
				t.Errorf("seed %d: dial: %v", seed, err)
				return
			}
			story(t, x, a, b, l)
		})
		if err := x.finish(); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, stackOf(err))
		}
		x.w.Close()
		if t.Failed() {
			t.Logf("seed %d", seed)
			return
		}
	}
}

func stackOf(err error) string {
	var f *sim.Failure
	if errors.As(err, &f) {
		return f.Stack
	}
	return ""
}

// wait sleeps on the side's clock.
func (s *side) wait(d time.Duration) { rt.Sleep(context.Background(), s.m, d) }

// result waits for the end of a call.
func (o *op) result() ([]byte, error) {
	for !o.back {
		o.from.wait(time.Millisecond)
	}
	return o.body, o.err
}
