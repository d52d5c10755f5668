package link_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
)

// wantKind demands an error of that kind which says whether the call ran.
func wantKind(t *testing.T, err error, kind fault.Kind, executed bool) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.Executed(err) != executed {
		t.Errorf("got %v (%v, executed %v), want %v, executed %v", err, fault.KindOf(err), fault.Executed(err), kind, executed)
	}
}

func TestARefusedCallIsToldWhyAndTheLinkGoesOn(t *testing.T) {
	seeds(t, 3, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		call := func(name string, size int) error {
			_, err := x.call(l, a, name, size, 0, time.Second).result()
			return err
		}
		for _, size := range []int{0, 20 << 10} {
			wantKind(t, call("nobody", size), fault.NotFound, false)
			wantKind(t, call("fail", size), fault.Application, true)
			wantKind(t, call("panic", size), fault.Internal, true)
			if err := call("big", size); err != nil {
				t.Error(err)
			}
		}
		if n := b.server.Counts().Panics; n != 2 {
			t.Errorf("%d panics were counted", n)
		}
		wantKind(t, call("echo", 1<<20+1), fault.TooLarge, false)
		if _, err := l.Call(context.Background(), &link.Request{Name: "echo"}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("without a deadline: %v", err)
		}
	})
}

func TestABodyOverThePeersLimitIsRefusedAsTooLarge(t *testing.T) {
	seeds(t, 3, func(_, b *side) { b.cfg.MaxBody = 64 << 10 }, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		_, err := x.call(l, a, "echo", 100<<10, 0, time.Second).result()
		wantKind(t, err, fault.TooLarge, false)
		_, err = x.call(l, a, "big", 0, 0, time.Second).result()
		wantKind(t, err, fault.TooLarge, true)
		if _, err = x.call(l, a, "echo", 0, 0, time.Second).result(); err != nil {
			t.Error(err)
		}
	})
}

func TestOverTheLimitOfHandlersTheAnswerIsOverloadAtOnce(t *testing.T) {
	seeds(t, 3, func(_, b *side) { b.limit(1) }, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		long := x.call(l, a, "deaf", 0, time.Second, 3*time.Second)
		a.wait(50 * time.Millisecond)
		for _, size := range []int{0, 20 << 10} {
			begun := x.w.Now()
			_, err := x.call(l, a, "echo", size, 0, 3*time.Second).result()
			wantKind(t, err, fault.Overload, false)
			if took := x.w.Now().Sub(begun); took > 10*latency || fault.RetryAfter(err) <= 0 {
				t.Errorf("%v after %v", err, took)
			}
		}
		if _, err := long.result(); err != nil {
			t.Error(err)
		}
		if _, err := x.call(l, a, "echo", 0, 0, time.Second).result(); err != nil {
			t.Errorf("with a free handler again: %v", err)
		}
	})
}

func TestACallerKeepsToThePeersLimitOfCalls(t *testing.T) {
	seeds(t, 3, func(_, b *side) { b.cfg.MaxCalls = 2 }, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		x.call(l, a, "slow", 0, time.Second, 3*time.Second)
		x.call(l, a, "slow", 20<<10, time.Second, 3*time.Second)
		a.wait(time.Millisecond)
		made := l.Counts().Calls
		_, err := x.call(l, a, "echo", 0, 0, time.Second).result()
		wantKind(t, err, fault.Overload, false)
		var f *fault.Error
		if errors.As(err, &f) && f.Remote || l.Counts().Calls != made {
			t.Errorf("it was sent nevertheless: %v", err)
		}
	})
}

// A cancellation and its reply cross on the wire: whichever wins, the call
// ends once, and a reply that nobody waits for is counted.
func TestALateReplyIsCountedAndDropped(t *testing.T) {
	late, replied := uint64(0), 0
	seeds(t, 40, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		x.call(l, a, "echo", 0, 0, time.Second).result()
		for range 20 {
			o := x.call(l, a, "echo", 0, 0, time.Second)
			a.wait(2*latency + time.Duration(a.m.Rand("when").IntN(int(2*jitter))))
			o.cancel(fault.Cancelled)
			if _, err := o.result(); err == nil {
				replied++
			} else {
				wantKind(t, err, fault.Cancelled, true)
			}
		}
		a.wait(time.Second)
		late += l.Counts().Late
		if n := l.Counts().Cancelled; n < l.Counts().Late {
			t.Errorf("%d late replies of %d cancelled calls", l.Counts().Late, n)
		}
	})
	if late == 0 || replied == 0 {
		t.Errorf("the race went one way only: %d late, %d in time", late, replied)
	}
}

func TestGoAwayLetsWhatRunsFinishAndRefusesTheRest(t *testing.T) {
	for _, why := range []fault.Kind{fault.Draining, fault.Overload} {
		seeds(t, 20, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
			mine := x.call(l, a, "slow", 0, 200*time.Millisecond, time.Second)
			large := x.call(l, a, "slow", 20<<10, 200*time.Millisecond, time.Second)
			theirs := x.call(b.live(), b, "slow", 0, 100*time.Millisecond, time.Second)
			a.wait(50 * time.Millisecond)
			b.live().GoAway(why, 0, 5*time.Second)
			_, err := x.call(b.live(), b, "echo", 0, 0, time.Second).result()
			wantKind(t, err, fault.Draining, false)
			// Too late for the other side, who does not know it yet.
			_, err = x.call(l, a, "echo", 0, 0, time.Second).result()
			wantKind(t, err, fault.Draining, false)
			a.wait(20 * time.Millisecond)
			_, err = x.call(l, a, "echo", 0, 0, time.Second).result()
			wantKind(t, err, fault.Draining, false)
			for _, o := range []*op{mine, large, theirs} {
				if _, err := o.result(); err != nil {
					t.Errorf("cut: %v", err)
				}
			}
			a.wait(100 * time.Millisecond)
			if !l.Ended().Fired() || a.gone != 1 {
				t.Errorf("the link has ended: %v; told: %d times", l.Ended().Fired(), a.gone)
			}
		})
	}
}

// What the deadline of a GOAWAY cuts may have run: nobody may try it again
// elsewhere on the ground of the reason.
func TestACallThatADrainCutsMayHaveBeenExecuted(t *testing.T) {
	seeds(t, 10, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		small := x.call(l, a, "slow", 0, time.Minute, time.Minute)
		large := x.call(l, a, "slow", 20<<10, time.Minute, time.Minute)
		a.wait(50 * time.Millisecond)
		begun := x.w.Now()
		b.live().GoAway(fault.Draining, 0, time.Second)
		for _, o := range []*op{small, large} {
			_, err := o.result()
			wantKind(t, err, fault.Draining, true)
		}
		if took := x.w.Now().Sub(begun); took > time.Second+5*latency {
			t.Errorf("the drain took %v", took)
		}
	})
}

func TestALinkBeingEvictedTakesNoCalls(t *testing.T) {
	seeds(t, 3, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		b.usage.evicted = true
		for _, size := range []int{0, 20 << 10} {
			_, err := x.call(l, a, "echo", size, 0, time.Second).result()
			wantKind(t, err, fault.Draining, false)
		}
	})
}

func TestEveryCallFailsWhenTheConnectionDies(t *testing.T) {
	seeds(t, 20, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		var ops []*op
		for i := range 6 {
			ops = append(ops, x.call(l, a, []string{"slow", "deaf"}[i%2], i/2*20<<10, time.Second, 10*time.Second))
		}
		a.wait(50 * time.Millisecond)
		running := b.server.Counts().Running
		at := x.w.Now()
		x.net.Kill(a.host, b.host)
		for _, o := range ops {
			_, err := o.result()
			wantKind(t, err, fault.Unreachable, true)
		}
		if running != 6 || x.w.Now().Sub(at) > 10*time.Millisecond || !l.Ended().Fired() {
			t.Errorf("%d handlers ran; it took %v, ended %v", running, x.w.Now().Sub(at), l.Ended().Fired())
		}
		if n := b.server.Counts().Running; n != 3 {
			t.Errorf("%d handlers hold a permit, of which 3 do not look at their context", n)
		}
	})
}

func TestTheContextOfAHandlerEndsWithItsCaller(t *testing.T) {
	ends := map[string]func(x *world, a *side, l *link.Link, o *op){
		"cancelled":       func(_ *world, _ *side, _ *link.Link, o *op) { o.cancel(fault.Cancelled) },
		"deadline":        func(_ *world, a *side, _ *link.Link, _ *op) { a.wait(200 * time.Millisecond) },
		"connection dead": func(x *world, a *side, _ *link.Link, _ *op) { x.net.Kill(a.host, x.sides[1].host) },
		"link closed":     func(_ *world, _ *side, l *link.Link, _ *op) { l.Close(fault.Draining, 0) },
	}
	for name, end := range ends {
		for _, size := range []int{0, 20 << 10} {
			seeds(t, 5, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
				o := x.call(l, a, "deaf", size, time.Second, 250*time.Millisecond)
				a.wait(100 * time.Millisecond)
				if o.running != 1 || o.ctx.Err() != nil {
					t.Errorf("%s: %d handlers run before the end", name, o.running)
					return
				}
				end(x, a, l, o)
				a.wait(latency + jitter + time.Millisecond)
				if d, ok := o.ctx.Deadline(); !ok || d.IsZero() {
					t.Errorf("%s: the handler does not know the deadline", name)
				}
				if o.running != 1 || o.ctx.Err() == nil || context.Cause(o.ctx) == nil {
					t.Errorf("%s, %d bytes: %d handlers run, their context: %v", name, size, o.running, o.ctx.Err())
				}
				if o.ctx.Err() == context.DeadlineExceeded && name != "deadline" {
					t.Errorf("%s: the context ended with %v", name, o.ctx.Err())
				}
			})
		}
	}
}

func TestCallersWaitForRoomInTheQueueAndGetIt(t *testing.T) {
	seeds(t, 5, func(a, b *side) { a.cfg.QueueBytes, b.cfg.QueueBytes = 100, 100 }, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		var ops []*op
		for range 50 {
			ops = append(ops, x.call(l, a, "echo", 500, 0, 5*time.Second))
		}
		begun := x.w.Now()
		for _, o := range ops {
			if _, err := o.result(); err != nil {
				t.Error(err)
			}
		}
		if took := x.w.Now().Sub(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAliveAsksThePeer(t *testing.T) {
	seeds(t, 5, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		ask := func() bool {
			ctx, cancel := a.m.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return l.Alive(ctx)
		}
		if !ask() {
			t.Error("no sign of life on a healthy link")
		}
		x.net.Cut(b.host, a.host)
		if ask() {
			t.Error("a sign of life over a cut link")
		}
		x.net.HealAll()
		x.net.Kill(a.host, b.host)
		if ask() {
			t.Error("a sign of life of a dead link")
		}
	})
}
