package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// answer is what a provider does with a call.
type answer struct {
	dial  time.Duration // until the connection is there; negative is never
	after time.Duration // until it answers; negative is never
	err   error
	runs  bool // whether it executes the call before it fails
}

// world is a caller among scripted providers.
type world struct {
	w      *sim.World
	m      *sim.Machine
	c      *rpc.Caller
	server *rpc.Server
	known  []rpc.Provider // of every name
	script map[transport.PeerID]answer
	asking map[string]int // questions in flight, by name
	asked  map[string]int
	find   func(ctx context.Context, name string) error
	inUse  int
	tried  []transport.PeerID
	runs   int
}

func newWorld(seed uint64, cfg rpc.CallerConfig, scfg rpc.ServerConfig) *world {
	x := &world{w: sim.New(sim.Config{Seed: seed, LogLevel: slog.LevelError + 1}), script: map[transport.PeerID]answer{}, asking: map[string]int{}, asked: map[string]int{}}
	x.m = x.w.Machine("m")
	x.server = rpc.NewServer(scfg, rpc.ServerDeps{Runtime: x.m, Log: slog.New(slog.DiscardHandler), Route: func(*link.Inbound) (rpc.Handler, error) {
		return nil, fault.NotFound
	}})
	x.c = rpc.NewCaller(cfg, rpc.CallerDeps{
		Runtime: x.m, Server: x.server,
		Resolve:  func(_ string, _ mono.Time, buf []rpc.Provider) []rpc.Provider { return append(buf, x.known...) },
		Discover: x.discover, Connect: x.connect,
	})
	x.w.AfterEach(x.c.Audit)
	return x
}

func (x *world) discover(ctx context.Context, name string) error {
	x.asking[name]++
	x.asked[name]++
	defer func() { x.asking[name]-- }()
	if x.asking[name] > 1 && ctx.Err() == nil {
		x.w.Fail(errors.New("the mesh is asked twice at a time for one name"))
	}
	if x.find == nil {
		return nil
	}
	return x.find(ctx, name)
}

type conn struct {
	x  *world
	id transport.PeerID
}

func (x *world) connect(ctx context.Context, p rpc.Provider) (rpc.Conn, error) {
	x.tried = append(x.tried, p.ID)
	if err := x.wait(ctx, x.script[p.ID].dial); err != nil {
		return nil, fault.Wrap("dial", err)
	}
	x.inUse++
	return conn{x, p.ID}, nil
}

func (x *world) wait(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return x.m.NewParker().Park(ctx)
	}
	return rt.Sleep(ctx, x.m, d)
}

func (c conn) Call(ctx context.Context, req *link.Request) ([]byte, error) {
	x, a := c.x, c.x.script[c.id]
	if a.runs || a.err == nil {
		x.runs++
	}
	if err := x.wait(ctx, a.after); err != nil {
		return nil, &fault.Error{Kind: fault.KindOf(err), Executed: true, Err: err}
	}
	return append(c.id[:1], req.Body...), a.err
}

func (c conn) Done() { c.x.inUse-- }

func id(i int) transport.PeerID { return transport.PeerID{byte(i)} }

func (x *world) provide(i int, a answer) {
	x.known = append(x.known, rpc.Provider{ID: id(i)})
	x.script[id(i)] = a
}

// call makes a call and returns how long it took.
func (x *world) call(timeout time.Duration, req *rpc.Request) (body []byte, took time.Duration, err error) {
	begun := x.m.Now()
	ctx, cancel := x.m.WithTimeout(context.Background(), timeout)
	defer cancel()
	body, err = x.c.Call(ctx, *req)
	return body, x.m.Now().Sub(begun), err
}

// seeds runs a story in many worlds.
func seeds(t *testing.T, n int, cfg rpc.CallerConfig, scfg rpc.ServerConfig, story func(t *testing.T, x *world)) {
	t.Helper()
	for seed := range uint64(n) {
		x := newWorld(seed, cfg, scfg)
		x.m.Go("story", func() { story(t, x) })
		if err := x.finish(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		x.w.Close()
		if t.Failed() {
			return
		}
	}
}

func (x *world) finish() error {
	if err := x.w.Run(); err != nil {
		return err
	}
	x.m.Go("close", func() {
		x.c.Close()
		if n := x.server.Close(context.Background()); n != 0 {
			x.w.Fail(fmt.Errorf("%d abandoned", n))
		}
	})
	if err := x.w.Run(); err != nil {
		return err
	}
	if l := x.w.Leaks(); len(l) > 0 {
		return fmt.Errorf("left: %v", l)
	}
	if n := x.c.Counts().InFlight + x.server.Counts().Running + x.inUse; n != 0 {
		return fmt.Errorf("%+v, %+v, %d connections in use", x.c.Counts(), x.server.Counts(), x.inUse)
	}
	return nil
}

func remote(kind fault.Kind, executed bool) error {
	return &fault.Error{Op: "call", Kind: kind, Remote: true, Executed: executed}
}

func TestACallGoesToTheNextProviderIfItMay(t *testing.T) {
	for _, c := range []struct {
		name       string
		first      answer
		idempotent bool
		tries      int
	}{
		{"overload", answer{err: remote(fault.Overload, false)}, false, 2},
		{"unreachable", answer{err: remote(fault.Unreachable, false)}, false, 2},
		{"gone", answer{err: remote(fault.NotFound, false)}, false, 2},
		{"draining", answer{err: remote(fault.Draining, false)}, false, 2},
		{"cut while it ran", answer{err: remote(fault.Unreachable, true), runs: true}, false, 1},
		{"cut while it ran, and may run twice", answer{err: remote(fault.Unreachable, true), runs: true}, true, 2},
		{"drained while it ran", answer{err: remote(fault.Draining, true), runs: true}, false, 1},
		{"its own error", answer{err: remote(fault.Application, true), runs: true}, true, 1},
		{"a panic", answer{err: remote(fault.Internal, true), runs: true}, true, 1},
		{"not allowed", answer{err: remote(fault.Unauthorized, false)}, true, 1},
		{"never dialled", answer{dial: -1}, false, 2},
		{"never answers, and may run twice", answer{after: -1}, true, 2},
		{"never answers", answer{after: -1}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			met := 0
			seeds(t, 10, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
				x.provide(1, c.first)
				x.provide(2, answer{})
				_, took, err := x.call(10*time.Second, &rpc.Request{Name: "a", Idempotent: c.idempotent})
				if x.tried[0] == id(2) {
					return // the good one by chance
				}
				met++
				if len(x.tried) != c.tries || (err == nil) != (c.tries == 2) || took > 10*time.Second {
					t.Errorf("tried %d providers in %v: %v", len(x.tried), took, err)
				}
				if c.tries == 2 && took > 5*time.Second {
					t.Errorf("the first of two has cost %v of ten seconds", took)
				}
				if !c.idempotent && x.runs > 1 {
					t.Error("it ran twice")
				}
			})
			if met == 0 {
				t.Error("the bad provider was never the first")
			}
		})
	}
}

func TestAllAttemptsShareOneDeadline(t *testing.T) {
	seeds(t, 10, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		for i := range 6 {
			x.provide(i+1, answer{dial: -1})
		}
		_, took, err := x.call(8*time.Second, &rpc.Request{Name: "a"})
		if fault.KindOf(err) != fault.Deadline && fault.KindOf(err) != fault.Unreachable || took > 8*time.Second || len(x.tried) != 4 {
			t.Errorf("%d attempts in %v: %v", len(x.tried), took, err)
		}
		slices.SortFunc(x.tried, func(a, b transport.PeerID) int { return int(a[0]) - int(b[0]) })
		if len(slices.Compact(x.tried)) != 4 {
			t.Error("one provider was tried twice")
		}
		begun := x.m.Now()
		if _, err := x.c.Call(context.Background(), rpc.Request{Name: "a"}); err == nil || x.m.Now().Sub(begun) > 5*time.Second {
			t.Errorf("without a deadline: %v after %v", err, x.m.Now().Sub(begun))
		}
	})
}

func TestOneQuestionForManyCallersAndNoneWhileNobodyProvides(t *testing.T) {
	seeds(t, 20, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		x.find = func(ctx context.Context, _ string) error { return rt.Sleep(ctx, x.m, 100*time.Millisecond) }
		group := rt.NewGroup(x.m)
		for range 50 {
			group.Go("caller", func() {
				_, took, err := x.call(5*time.Second, &rpc.Request{Name: "a"})
				if fault.KindOf(err) != fault.NotFound || took != 100*time.Millisecond {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		group.Wait(context.Background())
		if n := x.c.Counts(); x.asked["a"] != 1 || n.Lookups != 1 || n.Shared != 49 {
			t.Errorf("asked %d times, %+v", x.asked["a"], n)
		}
		if _, took, err := x.call(time.Second, &rpc.Request{Name: "a"}); fault.KindOf(err) != fault.NotFound || took != 0 || x.asked["a"] != 1 {
			t.Errorf("right after: %v in %v, asked %d times", err, took, x.asked["a"])
		}
		x.call(time.Second, &rpc.Request{Name: "b"})
		if x.asked["b"] != 1 {
			t.Error("another name was not asked for")
		}
		rt.Sleep(context.Background(), x.m, time.Second)
		x.call(time.Second, &rpc.Request{Name: "a"})
		if x.asked["a"] != 2 {
			t.Errorf("a second later: asked %d times", x.asked["a"])
		}
		x.c.Learn("a")
		x.call(time.Second, &rpc.Request{Name: "a"})
		if x.asked["a"] != 3 {
			t.Errorf("after it was heard of: asked %d times", x.asked["a"])
		}
		if n := x.c.Sweep(10); n != 0 { // b, whose second is over, went when a came again
			t.Errorf("%d swept, not 0", n)
		}
		rt.Sleep(context.Background(), x.m, 2*time.Second)
		if n := x.c.Sweep(10); n != 1 {
			t.Errorf("%d swept in the end", n)
		}
	})
}

func TestAQuestionEndsWithItsLastCaller(t *testing.T) {
	seeds(t, 20, rpc.CallerConfig{Discovery: time.Minute}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		var ended mono.Time
		x.find = func(ctx context.Context, _ string) error {
			err := x.m.NewParker().Park(ctx)
			ended = x.m.Now()
			return err
		}
		begun := x.m.Now()
		group := rt.NewGroup(x.m)
		for i := range 3 {
			group.Go("caller", func() {
				_, took, err := x.call(time.Duration(i+1)*time.Second, &rpc.Request{Name: "a"})
				if fault.KindOf(err) != fault.Deadline || took != time.Duration(i+1)*time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		group.Wait(context.Background())
		rt.Sleep(context.Background(), x.m, time.Millisecond)
		if d := ended.Sub(begun); d != 3*time.Second || x.asked["a"] != 1 {
			t.Errorf("the question ended after %v, asked %d times", d, x.asked["a"])
		}
	})
}

func TestWhatAQuestionFindsIsCalled(t *testing.T) {
	seeds(t, 10, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		x.find = func(context.Context, string) error { x.provide(7, answer{}); return nil }
		if body, _, err := x.call(time.Second, &rpc.Request{Name: "a", Body: []byte("x")}); err != nil || string(body) != "\x07x" {
			t.Errorf("%q, %v", body, err)
		}
	})
}

func TestACallThatHasPassedTooManyNodesIsRefused(t *testing.T) {
	seeds(t, 1, rpc.CallerConfig{MaxHops: 2}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		x.provide(1, answer{})
		for hops := range uint8(5) {
			_, _, err := x.call(time.Second, &rpc.Request{Name: "a", Hops: hops})
			if (err != nil) != (hops > 2) || err != nil && fault.KindOf(err) != fault.HopLimit {
				t.Errorf("after %d hops: %v", hops, err)
			}
		}
	})
}

func TestALocalHandlerComesFirstAndKeepsToTheLimits(t *testing.T) {
	seeds(t, 10, rpc.CallerConfig{}, rpc.ServerConfig{MaxHandlers: 1}, func(t *testing.T, x *world) {
		h := func(ctx context.Context, req *rpc.Request) ([]byte, error) {
			switch string(req.Body) {
			case "panic":
				panic("as it was told to")
			case "fail":
				return nil, errors.New("as it was told to")
			case "deaf":
				rt.Sleep(context.Background(), x.m, time.Second)
				if ctx.Err() == nil {
					t.Error("the context of the handler goes on after its caller")
				}
			}
			return req.Body, nil
		}
		x.provide(1, answer{})
		x.known = append(x.known, rpc.Provider{ID: id(9), Local: h})
		ask := func(body string, timeout time.Duration) error {
			_, _, err := x.call(timeout, &rpc.Request{Name: "a", Body: []byte(body)})
			return err
		}
		want := func(err error, kind fault.Kind) {
			t.Helper()
			if fault.KindOf(err) != kind || !fault.Executed(err) {
				t.Errorf("got %v, want %v, executed", err, kind)
			}
		}
		if err := ask("x", time.Second); err != nil || len(x.tried) != 0 {
			t.Errorf("%v, dialled %d", err, len(x.tried))
		}
		want(ask("panic", time.Second), fault.Internal)
		want(ask("fail", time.Second), fault.Application)
		want(ask("deaf", 100*time.Millisecond), fault.Deadline)
		// Its permit is held until it returns, so this one goes elsewhere.
		if err := ask("x", time.Second); err != nil || len(x.tried) != 1 {
			t.Errorf("with every handler busy: %v, dialled %d", err, len(x.tried))
		}
		rt.Sleep(context.Background(), x.m, time.Second)
		if err := ask("x", time.Second); err != nil || len(x.tried) != 1 {
			t.Errorf("with a free handler: %v, dialled %d", err, len(x.tried))
		}
		if c := x.server.Counts(); c.Panics != 1 || c.Refused != 1 || c.Peak != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// The caller may use its bytes again when the call is over; a handler that is
// still running has its own.
func TestALocalHandlerHasACopyOfTheBody(t *testing.T) {
	seeds(t, 5, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		read := ""
		x.known = append(x.known, rpc.Provider{ID: id(9), Local: func(_ context.Context, req *rpc.Request) ([]byte, error) {
			rt.Sleep(context.Background(), x.m, time.Second)
			read = string(req.Body)
			copy(req.Body, "THEIRS")
			return nil, nil
		}})
		body := []byte("first.")
		if _, _, err := x.call(100*time.Millisecond, &rpc.Request{Name: "a", Body: body}); fault.KindOf(err) != fault.Deadline {
			t.Errorf("it was not abandoned: %v", err)
		}
		copy(body, "second")
		rt.Sleep(context.Background(), x.m, 2*time.Second)
		if read != "first." || string(body) != "second" {
			t.Errorf("the handler read %q, the caller has %q", read, body)
		}
	})
}

// A handler that has only passed the call on says whether it was executed; of
// any other handler that is known: it has run.
func TestALocalHandlerThatPassesACallOnSaysWhetherItWasExecuted(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		tries    int
		executed bool
	}{
		{"passed on, and not taken", rpc.Passed(remote(fault.Overload, false)), 1, false},
		{"passed on, and gone", rpc.Passed(remote(fault.Unreachable, false)), 1, false},
		{"passed on, and cut while it ran", rpc.Passed(remote(fault.Unreachable, true)), 0, true},
		{"its own", remote(fault.Overload, false), 0, true},
		{"its own, without a kind", errors.New("as it was told to"), 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, other := range []bool{true, false} {
				seeds(t, 5, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
					x.known = append(x.known, rpc.Provider{ID: id(9), Local: func(context.Context, *rpc.Request) ([]byte, error) { return nil, c.err }})
					if other {
						x.provide(1, answer{})
					}
					_, _, err := x.call(time.Second, &rpc.Request{Name: "a"})
					if other && (len(x.tried) != c.tries || (err == nil) != (c.tries == 1)) {
						t.Errorf("tried %d others: %v", len(x.tried), err)
					}
					if err != nil && fault.Executed(err) != c.executed {
						t.Errorf("executed is %v: %v", fault.Executed(err), err)
					}
					if !other && err == nil {
						t.Error("an answer, and nobody else provides it")
					}
				})
			}
		})
	}
	if rpc.Passed(nil) != nil {
		t.Error("a success became an error")
	}
}

func TestAHandlerThatIgnoresItsContextIsAbandoned(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	m := w.Machine("m")
	s := rpc.NewServer(rpc.ServerConfig{}, rpc.ServerDeps{Runtime: m, Log: slog.New(slog.DiscardHandler)})
	m.Go("story", func() {
		ctx, cancel := m.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Local(ctx, func(context.Context, *rpc.Request) ([]byte, error) {
			rt.Sleep(context.Background(), m, time.Minute)
			return nil, nil
		}, &rpc.Request{})
		again, stop := m.WithTimeout(context.Background(), time.Second)
		defer stop()
		if n := s.Close(again); n != 1 || w.Elapsed() != 2*time.Second {
			t.Errorf("%d abandoned after %v", n, w.Elapsed())
		}
		if _, err := s.Local(context.Background(), nil, &rpc.Request{}); fault.KindOf(err) != fault.Draining {
			t.Errorf("after Close: %v", err)
		}
		if n := s.Counts().Running; n != 1 {
			t.Errorf("%d permits are out", n)
		}
	})
	if err := w.Run(); err != nil {
		t.Error(err)
	}
}

// Over all providers and callers: a call ends by its deadline, a call that is
// not idempotent runs at most once, and its success is true.
func TestACallEndsInTimeAndRunsOnceWhateverTheProvidersDo(t *testing.T) {
	wait := []time.Duration{0, 0, time.Millisecond, time.Second, -1}
	rapid.Check(t, func(t *rapid.T) {
		x := newWorld(rapid.Uint64().Draw(t, "seed"), rpc.CallerConfig{Lookups: rapid.IntRange(1, 3).Draw(t, "lookups")}, rpc.ServerConfig{})
		defer x.w.Close()
		provider := rapid.Custom(func(t *rapid.T) answer {
			a := answer{dial: rapid.SampledFrom(wait).Draw(t, "dial"), after: rapid.SampledFrom(wait).Draw(t, "after")}
			if rapid.Bool().Draw(t, "fails") {
				a.runs = rapid.Bool().Draw(t, "runs")
				a.err = remote(rapid.SampledFrom([]fault.Kind{fault.Overload, fault.Draining, fault.Unreachable, fault.NotFound, fault.Application, fault.Internal, fault.CallerGone}).Draw(t, "kind"), a.runs)
			}
			return a
		})
		for i, a := range rapid.SliceOfN(provider, 0, 5).Draw(t, "providers") {
			x.provide(i+1, a)
		}
		late := rapid.SliceOfN(provider, 0, 2).Draw(t, "found later")
		ask := rapid.SampledFrom(wait).Draw(t, "question")
		x.find = func(ctx context.Context, _ string) error {
			err := x.wait(ctx, ask)
			for i, a := range late {
				x.provide(10+i, a)
			}
			late = nil
			return err
		}
		timeout := time.Duration(rapid.IntRange(0, 3000).Draw(t, "timeout")) * time.Millisecond
		idempotent := rapid.Bool().Draw(t, "idempotent")
		begun := x.m.Now()
		var back mono.Time
		x.m.Go("caller", func() {
			_, _, err := x.call(timeout, &rpc.Request{Name: "a", Idempotent: idempotent})
			back = x.m.Now()
			var f *fault.Error
			switch {
			case err == nil && x.runs == 0:
				x.w.Fail(errors.New("an answer, and nobody ran"))
			case err != nil && !errors.As(err, &f):
				x.w.Fail(fmt.Errorf("an error without a kind: %v", err))
			case !idempotent && x.runs > 1:
				x.w.Fail(fmt.Errorf("it ran %d times", x.runs))
			case !idempotent && x.runs == 1 && err != nil && !fault.Executed(err):
				x.w.Fail(fmt.Errorf("it ran, and the error says that it did not: %v", err))
			}
		})
		if err := x.finish(); err != nil {
			t.Fatal(err)
		}
		if took := back.Sub(begun); took > timeout {
			t.Fatalf("it took %v of %v", took, timeout)
		}
	})
}
