package link_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
)

var services = []string{"echo", "slow", "slow", "deaf", "fail", "panic", "big", "nobody"}

// step draws one command for a world of two sides of which a dials.
func step(t *rapid.T, x *world) {
	a, b := x.sides[0], x.sides[1]
	s := a
	if rapid.Bool().Draw(t, "side b") {
		s = b
	}
	d := func(name string) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 1, 4, 6, 10, 14, 20, 100, 1000, 5000}).Draw(t, name)) * time.Millisecond
	}
	l := s.live()
	switch cmd := rapid.SampledFrom([]string{"call", "call", "call", "call", "call", "dial", "cancel", "cancel", "kill", "cut", "heal", "goaway", "close", "evict", "alive", "time", "time"}).Draw(t, "command"); cmd {
	case "call":
		if l != nil {
			size := rapid.SampledFrom([]int{0, 0, 0, 1000, 17 << 10, 200 << 10, 1<<20 + 1}).Draw(t, "size")
			x.call(l, s, rapid.SampledFrom(services).Draw(t, "service"), size, d("work"), d("timeout"))
		}
	case "dial":
		if a.live() == nil {
			a.m.Go("dial", func() { a.dial(b) })
		}
	case "cancel":
		if len(x.ops) > 0 {
			x.ops[rapid.IntRange(0, len(x.ops)-1).Draw(t, "call")].cancel(fault.Cancelled)
		}
	case "kill":
		x.net.Kill(a.host, b.host)
	case "cut":
		from, to := a, b
		if rapid.Bool().Draw(t, "way back") {
			from, to = b, a
		}
		x.net.Cut(from.host, to.host)
		x.cut = 1 << 62
	case "heal":
		x.net.HealAll()
		x.healed()
	case "goaway":
		if l != nil {
			l.GoAway(rapid.SampledFrom([]fault.Kind{fault.Draining, fault.Overload, fault.Superseded}).Draw(t, "why"), 0, d("deadline"))
		}
	case "close":
		if l != nil {
			why := rapid.SampledFrom([]fault.Kind{fault.Draining, fault.Overload, fault.Superseded}).Draw(t, "why")
			s.m.Go("close", func() { l.Close(why, 0) })
		}
	case "evict":
		s.usage.evicted = !s.usage.evicted
	case "alive":
		if l != nil {
			wait := d("patience")
			s.m.Go("alive", func() {
				ctx, cancel := s.m.WithTimeout(s.ctx, wait)
				defer cancel()
				begun := s.m.Now()
				alive := l.Alive(ctx)
				// At the end of its patience it counts what else has arrived.
				if took := s.m.Now().Sub(begun); alive && took < wait && took < 2*latency {
					x.w.Fail(errors.New("a sign of life came faster than the network"))
				}
			})
		}
	case "time":
		run(t, x.w.RunFor(d("time")))
	}
	until := x.w.Events() + rapid.IntRange(0, 10).Draw(t, "events")
	x.w.RunUntil(func() bool { return x.w.Events() >= until }, d("at most"))
	run(t, x.w.Failed())
}

// healed notes that the links are whole again: what was lost is sent again
// after a while.
func (x *world) healed() {
	if x.cut == 1<<62 {
		x.cut = x.w.Now().Add(time.Second)
	}
}

func run(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, stackOf(err))
	}
}

// Over all calls, cancellations, handlers, cuts and ends of links, after every
// event: every call ends once and by its deadline, with its own answer; it
// runs at most once, and not at all when its error says so; its handler's
// context ends with its caller; and in the end nothing is left.
func TestCallsKeepTheirPromisesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newWorld(rapid.Uint64().Draw(t, "seed"), "a", "b")
		defer x.w.Close()
		for _, s := range x.sides {
			if rapid.Bool().Draw(t, "limits") {
				s.limit(rapid.IntRange(1, 3).Draw(t, "handlers"))
				s.cfg.MaxCalls = rapid.IntRange(1, 4).Draw(t, "calls")
			}
			if rapid.IntRange(0, 3).Draw(t, "small queue") == 0 {
				s.cfg.QueueBytes = 1000
			}
		}
		a, b := x.sides[0], x.sides[1]
		b.listen()
		a.m.Go("dial", func() { a.dial(b) })
		run(t, x.w.RunFor(100*time.Millisecond))
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			step(t, x)
		}
		x.net.HealAll()
		x.healed()
		if err := x.finish(); err != nil {
			t.Fatal(err, stackOf(err))
		}
	})
}

var _ link.Control = (*side)(nil)
