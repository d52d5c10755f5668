package rpc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

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

// defaultTimeout is that of a call without a deadline of its own.
const defaultTimeout = 200 * time.Millisecond

// played is a caller, with a server of its own, and a server at the other end
// of a link, as rapid plays with them.
type played struct {
	w         *sim.World
	net       *netsim.Net
	caller    *rpc.Caller
	near, far *place
	ops       []*op
	back      uint64 // calls that have ended
	ok        uint64
	kinds     [fault.Kinds]uint64
}

// place is a machine with a server that may provide the service.
type place struct {
	x      *played
	m      *sim.Machine
	id     transport.PeerID
	tr     transport.Transport
	link   *link.Link
	server *rpc.Server
	group  *rt.Group

	provides bool
	limit    int
	most     int // that may run: what ran when the limit was lowered below that
	inside   int // handlers
	begun    uint64
	panicked uint64
	refused  uint64 // of those that came over the link
	taken    []*op  // over the link, and not begun
	closed   bool
}

// op is a call with what is known of it.
type op struct {
	id         uint64
	idempotent bool
	deadline   mono.Time
	cancel     context.CancelCauseFunc
	started    bool
	back       bool
	runs       int
	near       bool // it is in a handler of its own node
	takenAt    mono.Time
}

func newPlayed(seed uint64) *played {
	x := &played{w: sim.New(sim.Config{Seed: seed, LogLevel: slog.LevelError + 1})}
	x.net = netsim.New(netsim.Config{Runtime: x.w.Machine("net"), Link: netsim.Link{Latency: time.Millisecond}})
	x.near, x.far = x.place("near", seed), x.place("far", seed)
	x.caller = rpc.NewCaller(rpc.CallerConfig{Timeout: defaultTimeout}, rpc.CallerDeps{
		Runtime: x.near.m, Server: x.near.server, Resolve: x.resolve,
		Discover: func(context.Context, string) error { return nil },
		Connect:  func(context.Context, rpc.Provider) (rpc.Conn, error) { return always{x.near.link}, nil },
	})
	x.far.m.Go("accept", x.far.accept)
	x.near.m.Go("dial", func() { x.near.dial(x.far) })
	x.w.AfterEach(x.check)
	return x
}

// always is a connection that stays when a call is done with it.
type always struct{ *link.Link }

func (always) Done() {}

func (x *played) place(name string, seed uint64) *place {
	p := &place{x: x, m: x.w.Machine(name), id: ident.Simulated(seed, name), provides: true, limit: 3}
	p.tr = x.net.Host(name).Transport(p.m, p.id, transport.Config{})
	p.group = rt.NewGroup(p.m)
	p.server = rpc.NewServer(rpc.ServerConfig{MaxHandlers: p.limit}, rpc.ServerDeps{
		Runtime: p.m, Log: slog.New(slog.DiscardHandler),
		Route: func(*link.Inbound) (rpc.Handler, error) {
			if !p.provides {
				return nil, fault.New("serve", fault.NotFound, "withdrawn")
			}
			return p.handle, nil
		},
	})
	return p
}

func (p *place) config() (link.Deps, link.Config) {
	return link.Deps{Runtime: p.m, Ledger: ledger.New(ledger.Config{}), Log: slog.New(slog.DiscardHandler), Server: p},
		link.Config{Self: p.id, Realm: "org.example.mesh", Incarnation: 1}.WithDefaults()
}

func (p *place) accept() {
	lis, err := p.tr.Listen(transport.ListenConfig{})
	if err != nil {
		panic(err)
	}
	conn, err := lis.Accept(context.Background())
	if err != nil {
		panic(err)
	}
	deps, cfg := p.config()
	l, err := link.Accept(context.Background(), deps, cfg, conn)
	if err == nil {
		err = l.Welcome()
	}
	p.run(l, err)
}

func (p *place) dial(to *place) {
	deps, cfg := p.config()
	l, err := link.Dial(context.Background(), deps, cfg, p.tr, p.x.net.Host("far").Addr(), to.id, wire.RolePeer)
	p.run(l, err)
}

func (p *place) run(l *link.Link, err error) {
	if err != nil {
		panic(err)
	}
	p.link = l
	p.group.Go("link", func() { l.Run(p, nil) })
}

// Frame implements link.Control.
func (p *place) Frame(*link.Link, byte, []byte) error { return nil }

// GoneAway implements link.Control.
func (p *place) GoneAway(*link.Link, fault.Kind) {}

// Serve implements link.Server: it notes what the server says of the call.
func (p *place) Serve(in *link.Inbound) error {
	err := p.server.Serve(in)
	o := p.x.ops[binary.BigEndian.Uint64(in.Body)]
	switch {
	case err == nil:
		o.takenAt = p.x.w.Now()
		p.taken = append(p.taken, o)
	case fault.KindOf(err) == fault.Overload:
		p.refused++
	}
	return err
}

// handle does what byte 8 of the body says, and takes as many milliseconds as
// byte 9.
func (p *place) handle(ctx context.Context, req *rpc.Request) ([]byte, error) {
	o := p.x.ops[binary.BigEndian.Uint64(req.Body)]
	for i, other := range p.taken {
		if other == o {
			p.taken = append(p.taken[:i], p.taken[i+1:]...)
			break
		}
	}
	p.begun++
	p.inside++
	o.runs++
	if p == p.x.near {
		o.near = true
	}
	defer func() { p.inside--; o.near = false }()
	wait := time.Duration(req.Body[9]) * time.Millisecond
	switch req.Body[8] {
	case 'w':
		if err := rt.Sleep(ctx, p.m, wait); err != nil {
			return nil, err
		}
	case 'd':
		rt.Sleep(context.Background(), p.m, wait)
	case 'f':
		return nil, errors.New("as it was told to")
	case 'o':
		return nil, fault.New("handler", fault.Overload, "as it was told to")
	case 'p':
		p.panicked++
		panic("as it was told to")
	}
	return req.Body, nil
}

func (x *played) resolve(_ string, _ mono.Time, buf []rpc.Provider) []rpc.Provider {
	if x.near.provides {
		buf = append(buf, rpc.Provider{ID: x.near.id, Local: x.near.handle})
	}
	if x.far.provides {
		buf = append(buf, rpc.Provider{ID: x.far.id})
	}
	return buf
}

// call is the task of o.
func (x *played) call(o *op, ctx context.Context, body []byte) {
	o.started = true
	got, err := x.caller.Call(ctx, rpc.Request{Name: "a", Body: body, Idempotent: o.idempotent})
	x.back++
	var f *fault.Error
	switch {
	case o.back:
		x.w.Fail(fmt.Errorf("call %d ended twice", o.id))
	case err == nil && (o.runs == 0 || binary.BigEndian.Uint64(got) != o.id):
		x.w.Fail(fmt.Errorf("call %d has an answer that is not its own", o.id))
	case err != nil && !errors.As(err, &f):
		x.w.Fail(fmt.Errorf("an error without a kind: %v", err))
	case err != nil && !o.idempotent && o.runs > 0 && !fault.Executed(err):
		x.w.Fail(fmt.Errorf("call %d was executed, and its error says that it was not: %v", o.id, err))
	}
	o.back = true
	if err == nil {
		x.ok++
	} else {
		x.kinds[fault.KindOf(err)]++
	}
}

// check is what holds after every event.
func (x *played) check() error {
	now := x.w.Now()
	waiting, left := 0, 0
	for _, o := range x.ops {
		switch {
		case o.back && o.near:
			left++
		case o.started && !o.back:
			waiting++
		}
		if o.started && !o.back && o.deadline.Before(now) {
			return fmt.Errorf("call %d is still waiting after its deadline", o.id)
		}
		if o.runs > 1 && !o.idempotent {
			return fmt.Errorf("call %d was executed %d times", o.id, o.runs)
		}
	}
	c := x.caller.Counts()
	if c.InFlight != waiting || c.OK != x.ok || c.OK+c.Failed != x.back || c.Kinds != x.kinds || c.Peak < waiting {
		return fmt.Errorf("the caller counts %+v, the model %d in flight, %d good of %d, by kind %v", c, waiting, x.ok, x.back, x.kinds)
	}
	for _, p := range []*place{x.near, x.far} {
		s := p.server.Counts()
		p.most = min(p.most, s.Running)
		if s.Running > max(p.limit, p.most) || s.Running < p.inside {
			return fmt.Errorf("%s: %d handlers run and %d permits are out, the limit is %d, and %d ran when it was lowered", p.m.Name(), p.inside, s.Running, p.limit, p.most)
		}
		if s.Panics > p.panicked || s.Served < p.begun {
			return fmt.Errorf("%s: it counts %+v, the model %d panics of %d", p.m.Name(), s, p.panicked, p.begun)
		}
		for _, o := range p.taken {
			if o.takenAt.Before(now) {
				return fmt.Errorf("call %d waits for the handler of another", o.id)
			}
		}
	}
	if s := x.near.server.Counts(); s.Abandoned < left || s.Abandoned > s.Running {
		return fmt.Errorf("%d of %d local handlers count as abandoned, %d are", s.Abandoned, s.Running, left)
	}
	if s := x.far.server.Counts(); s.Refused != x.far.refused {
		return fmt.Errorf("%d calls count as refused, %d were", s.Refused, x.far.refused)
	}
	return nil
}

// machine is what rapid may do.
type machine struct{ *played }

func (x machine) draw(t *rapid.T) *place {
	return rapid.SampledFrom([]*place{x.near, x.far}).Draw(t, "place")
}

func (x machine) Call(t *rapid.T) {
	o := &op{id: uint64(len(x.ops)), idempotent: rapid.Bool().Draw(t, "idempotent")}
	body := append(binary.BigEndian.AppendUint64(nil, o.id),
		rapid.SampledFrom([]byte("rrwwdddfop")).Draw(t, "handler"), byte(rapid.SampledFrom([]int{0, 1, 20, 250}).Draw(t, "ms")))
	timeout := time.Duration(rapid.SampledFrom([]int{0, 1, 3, 30, 1000, -1}).Draw(t, "timeout")) * time.Millisecond
	ctx, cancel := x.near.m.WithCancelCause(context.Background())
	o.cancel = cancel
	x.ops = append(x.ops, o)
	x.near.m.Go("caller", func() {
		defer cancel(nil)
		ctx := ctx
		o.deadline = x.w.Now().Add(defaultTimeout)
		if timeout >= 0 {
			var stop context.CancelFunc
			ctx, stop = x.near.m.WithTimeout(ctx, timeout)
			defer stop()
			o.deadline = x.w.Now().Add(timeout)
		}
		x.call(o, ctx, body)
	})
	x.events(t)
}

func (x machine) Cancel(t *rapid.T) {
	if len(x.ops) == 0 {
		t.Skip("nobody calls")
	}
	x.ops[rapid.IntRange(0, len(x.ops)-1).Draw(t, "call")].cancel(fault.Cancelled)
	x.events(t)
}

func (x machine) Provide(t *rapid.T) {
	p := x.draw(t)
	if p.provides = !p.provides; p.provides {
		x.caller.Learn("a")
	}
}

func (x machine) SetLimit(t *rapid.T) {
	p := x.draw(t)
	p.limit, p.most = rapid.IntRange(1, 5).Draw(t, "limit"), p.server.Counts().Running
	p.server.SetLimit(p.limit)
	x.events(t)
}

func (x machine) Time(t *rapid.T) {
	x.fails(t, x.w.RunFor(time.Duration(rapid.SampledFrom([]int{1, 2, 10, 100, 1500}).Draw(t, "ms"))*time.Millisecond))
}

// events lets some tasks run, at this instant mostly.
func (x machine) events(t *rapid.T) {
	until := x.w.Events() + rapid.IntRange(0, 20).Draw(t, "events")
	x.w.RunUntil(func() bool { return x.w.Events() >= until }, 0)
	x.fails(t, x.w.Failed())
}

func (x machine) fails(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// close ends both places while calls are in flight, and demands that
// everything is given back.
func (x machine) close(t *rapid.T) {
	patience := time.Duration(rapid.SampledFrom([]int{0, 10, 1000}).Draw(t, "patience")) * time.Millisecond
	for _, p := range []*place{x.near, x.far} {
		p.m.Go("close", func() {
			ctx, cancel := p.m.WithTimeout(context.Background(), patience)
			defer cancel()
			if n, s := p.server.Close(ctx), p.server.Counts(); n != s.Running {
				x.w.Fail(fmt.Errorf("%s: %d were abandoned, and %d run", p.m.Name(), n, s.Running))
			}
			served := p.server.Counts().Served
			if _, err := p.server.Local(context.Background(), p.handle, &rpc.Request{}); fault.KindOf(err) != fault.Draining || p.server.Counts().Served != served {
				x.w.Fail(fmt.Errorf("%s: a call after Close: %v", p.m.Name(), err))
			}
		})
	}
	x.fails(t, x.w.RunFor(10*time.Second))
	for _, o := range x.ops {
		if !o.back {
			t.Fatalf("call %d has not ended", o.id)
		}
	}
	for _, p := range []*place{x.near, x.far} {
		s := p.server.Counts()
		if s.Running+s.Abandoned != 0 || s.Served != p.begun || s.Panics != p.panicked {
			t.Fatalf("%s: in the end it counts %+v, the model %d served and %d panics", p.m.Name(), s, p.begun, p.panicked)
		}
	}
	x.near.m.Go("end", func() {
		x.caller.Close()
		for _, p := range []*place{x.near, x.far} {
			p.link.Close(fault.Draining, 0)
			p.tr.Close()
			p.group.Wait(context.Background())
		}
	})
	x.fails(t, x.w.Run())
	if l := x.w.Leaks(); len(l) > 0 {
		t.Fatalf("left: %v", l)
	}
}

// Whatever is called, cancelled, withdrawn and limited: every call ends once,
// by its deadline and with its own answer; one that is not idempotent runs at
// most once, and not when its error says so; no more handlers run than the
// limit lets, or ran when it was lowered; none that was taken waits for
// another; both sides count as the model does; and in the end all permits are
// back.
func TestCallsAndHandlersFollowTheirModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := machine{newPlayed(rapid.Uint64().Draw(t, "seed"))}
		defer x.w.Close()
		x.fails(t, x.w.RunFor(time.Second))
		t.Repeat(map[string]func(*rapid.T){
			"call": x.Call, "call more": x.Call, "cancel": x.Cancel, "provide": x.Provide, "limit": x.SetLimit, "time": x.Time,
		})
		x.close(t)
	})
}
