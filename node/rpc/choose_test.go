package rpc_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt"
)

const second = time.Second

// ask makes count calls, one after the other, of a name that may be asked
// twice.
func (x *world) ask(count int, timeout time.Duration) (failed int) {
	for range count {
		if _, _, err := x.call(timeout, &rpc.Request{Name: "a", Idempotent: true}); err != nil {
			failed++
		}
	}
	return failed
}

// tries is how many attempts went to a provider since the last look.
func (x *world) tries(i int) (n int) {
	for _, p := range x.tried {
		if p == id(i) {
			n++
		}
	}
	x.tried = nil
	return n
}

func TestAProviderThatSaysNothingIsLeftOutForAWhile(t *testing.T) {
	seeds(t, 20, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		x.provide(1, answer{after: -1})
		x.provide(2, answer{after: time.Millisecond})
		if failed := x.ask(40, 2*second); failed > 0 {
			t.Errorf("%d of 40 calls failed with one of two providers there", failed)
		}
		if n := x.tries(1); n != 3 {
			t.Errorf("%d calls went to the provider that says nothing, want 3", n)
		}
		if c := x.c.Counts(); c.Ejections != 1 || c.LetDown != 1 {
			t.Errorf("%+v", c)
		}
		rt.Sleep(context.Background(), x.m, 10*second)
		x.script[id(1)] = answer{}
		x.ask(40, 2*second)
		if n := x.tries(1); n < 5 || x.c.Counts().LetDown != 0 {
			t.Errorf("%d of 40 calls went to the provider after its time, and it answers again: %+v", n, x.c.Counts())
		}
	})
}

func TestAProviderThatStaysSilentIsLeftOutForLonger(t *testing.T) {
	seeds(t, 5, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		x.provide(1, answer{after: -1})
		x.provide(2, answer{after: 100 * time.Millisecond})
		x.ask(300, 2*second)
		x.tried = nil
		begun := x.m.Now()
		x.ask(9000, 2*second) // a quarter of an hour
		n, took := x.tries(1), x.m.Now().Sub(begun)
		if most := 10; took < 15*time.Minute || n > most {
			t.Errorf("%d calls went to it in %v, want %d at most", n, took, most)
		}
	})
}

func TestWhatSaysNothingOfAProviderDoesNotCount(t *testing.T) {
	for name, a := range map[string]answer{
		"it refuses":                 {err: remote(fault.Overload, false)},
		"it fails":                   {err: remote(fault.Application, true), runs: true},
		"it says that it is late":    {after: 300 * time.Millisecond, err: remote(fault.Deadline, true)},
		"a limit of ours":            {err: fault.New("pool.Get", fault.Overload, "full")},
		"the connection breaks":      {err: fault.New("link.Call", fault.Unreachable, "lost")},
		"it cannot be dialled":       {dial: -1},
		"the call had too little":    {after: 600 * time.Millisecond},
		"it answers now and then":    {},
		"it refuses now and then":    {},
		"it was asked all at a time": {after: -1},
	} {
		t.Run(name, func(t *testing.T) {
			seeds(t, 5, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
				x.provide(1, a)
				x.provide(2, a)
				timeout, calls := 2*second, 20
				switch name {
				case "the call had too little":
					timeout = 900 * time.Millisecond // less than half a second for each
				case "it answers now and then":
					for range calls {
						x.script[id(1)], x.script[id(2)] = answer{after: -1}, answer{after: -1}
						x.ask(1, 2*second)
						x.script[id(1)], x.script[id(2)] = answer{}, answer{}
						x.ask(10, 2*second)
					}
				case "it refuses now and then":
					for i := range 10 * calls {
						x.script[id(1)] = answer{after: -1}
						if i%3 == 2 {
							x.script[id(1)] = answer{err: remote(fault.Overload, false)}
						}
						x.known = x.known[:1]
						x.ask(1, 2*second)
					}
					calls = 0
				case "it was asked all at a time":
					for range 40 {
						x.m.Go("call", func() { x.ask(1, second) })
					}
					rt.Sleep(context.Background(), x.m, 2*second)
					calls = 0
				}
				x.ask(calls, timeout)
				if n := x.c.Counts().Ejections; n != 0 {
					t.Errorf("%d ejections", n)
				}
			})
		})
	}
}

func TestWhenMoreThanHalfAreSilentNobodyIsLeftOut(t *testing.T) {
	seeds(t, 10, rpc.CallerConfig{}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		for i := 1; i <= 3; i++ {
			x.provide(i, answer{after: -1})
		}
		x.ask(30, 3*second)
		if x.c.Counts().Ejections == 0 {
			t.Error("nobody was silent for long enough")
		}
		x.tried = nil
		x.ask(30, 3*second)
		for i := 1; i <= 3; i++ {
			tried := x.tried
			if n := x.tries(i); n < 5 {
				t.Errorf("provider %d was asked %d times in 30 calls", i, n)
			}
			x.tried = tried
		}
	})
}

func TestFailingOverSpendsABudgetOfAFifth(t *testing.T) {
	seeds(t, 10, rpc.CallerConfig{RetryBurst: 10}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
		for i := 1; i <= 4; i++ {
			x.provide(i, answer{err: remote(fault.Overload, false)})
		}
		const calls = 500
		x.ask(calls, second)
		c := x.c.Counts()
		if extra := len(x.tried) - calls; extra > calls/5+10 || extra < calls/5 {
			t.Errorf("%d attempts for %d calls: %d more than the first ones, the budget is a fifth and 10", len(x.tried), calls, extra)
		}
		if c.NoBudget == 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestFailingOverIsFreeWhenNothingWasDone(t *testing.T) {
	for name, a := range map[string]answer{
		"it goes away":         {err: remote(fault.Draining, false)},
		"it cannot be dialled": {dial: -1},
	} {
		t.Run(name, func(t *testing.T) {
			seeds(t, 5, rpc.CallerConfig{RetryBurst: 1}, rpc.ServerConfig{}, func(t *testing.T, x *world) {
				x.provide(1, a)
				x.provide(2, answer{})
				if failed := x.ask(100, 2*second); failed > 0 || x.c.Counts().Failovers < 20 {
					t.Errorf("%d of 100 calls failed; %+v", failed, x.c.Counts())
				}
			})
		})
	}
}

// Whatever providers do, and however often they are asked: attempts stay in
// the budget, and what is remembered in its table.
func TestAttemptsStayInTheBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		share, burst := rapid.IntRange(1, 50).Draw(rt, "share"), rapid.IntRange(1, 20).Draw(rt, "burst")
		x := newWorld(rapid.Uint64().Draw(rt, "seed"), rpc.CallerConfig{RetryShare: share, RetryBurst: burst, Remembered: 2}, rpc.ServerConfig{})
		defer x.w.Close()
		kinds := []answer{{}, {err: remote(fault.Overload, false)}, {after: -1}, {after: second, runs: true}}
		for i := 1; i <= rapid.IntRange(1, 5).Draw(rt, "providers"); i++ {
			x.provide(i, rapid.SampledFrom(kinds).Draw(rt, "does"))
		}
		calls := rapid.IntRange(1, 100).Draw(rt, "calls")
		at := rapid.SliceOfN(rapid.IntRange(0, 5000), calls, calls).Draw(rt, "at")
		for _, ms := range at {
			x.m.Go("call", func() {
				rt := x.m
				if sleep(rt, time.Duration(ms)*time.Millisecond) {
					x.call(2*second, &rpc.Request{Name: "a", Idempotent: true})
				}
			})
		}
		if err := x.finish(); err != nil {
			rt.Fatal(err)
		}
		if n, most := len(x.tried), calls+calls*share/100+burst; n > most {
			rt.Errorf("%d attempts for %d calls, at most %d are in the budget", n, calls, most)
		}
		if n := x.c.Counts().LetDown; n > 2 {
			rt.Errorf("%d are remembered in a table of 2", n)
		}
	})
}

func sleep(r rt.Runtime, d time.Duration) bool { return rt.Sleep(context.Background(), r, d) == nil }
