package rttest

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

var clockCases = []testCase{
	{"Now is never zero and never goes back", func(p *probe) {
		last := p.Now()
		p.check(!last.IsZero(), "the first Now is zero")
		for range 50 {
			p.Yield()
			now := p.Now()
			p.check(!now.Before(last), "Now went from %d to %d", last, now)
			last = now
		}
	}},
	{"Now moves on by what is slept", func(p *probe) {
		before := p.Now()
		p.sleep(2 * time.Millisecond)
		d := p.Now().Sub(before)
		p.check(d >= 2*time.Millisecond, "slept 2 ms, and Now moved by %v", d)
	}},
	{"Now moves on in the order of cause and effect", func(p *probe) {
		var sent mono.Time
		e := rt.NewEvent(p)
		p.spawn(func() { sent = p.Now(); e.Fire() })
		p.await(e, "the other task")
		p.check(!p.Now().Before(sent), "the receiver's Now is before the sender's")
	}},
	{"Wall is a date", func(p *probe) {
		p.check(!p.Wall().IsZero(), "Wall is zero")
	}},
	{"Sleep ends with its context, with the cause", func(p *probe) {
		ctx, cancel := p.WithCancelCause(p.ctx)
		p.spawn(func() { cancel(errCause) })
		p.is(rt.Sleep(ctx, p, time.Hour), errCause, "Sleep")
	}},
	{"Remaining is the time to the deadline", func(p *probe) {
		_, ok := rt.Remaining(p, context.Background())
		p.check(!ok, "context.Background has a deadline")
		ctx, cancel := p.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		left, ok := rt.Remaining(p, ctx)
		p.check(ok && left <= time.Hour && left > time.Hour-patience, "Remaining of an hour: %v, %v", left, ok)
		past, cancel := p.WithTimeout(p.ctx, -time.Second)
		defer cancel()
		left, ok = rt.Remaining(p, past)
		p.check(ok && left <= -time.Second, "Remaining of a second ago: %v, %v", left, ok)
	}},
}

var timerCases = []testCase{
	{"AfterFunc fires once, and not before its time", func(p *probe) {
		start, e := p.Now(), rt.NewEvent(p)
		var at mono.Time
		tm := p.AfterFunc(2*time.Millisecond, func() { at = p.Now(); e.Fire() })
		p.await(e, "the timer")
		p.check(at.Sub(start) >= 2*time.Millisecond, "fired %v after the start", at.Sub(start))
		p.check(!tm.Stop(), "Stop of a fired timer is true")
	}},
	{"AfterFunc with d <= 0 fires, and only when it has returned", func(p *probe) {
		for _, d := range []time.Duration{0, -time.Second, math.MinInt64} {
			e := rt.NewEvent(p)
			mu := rt.NewMutex(p)
			var tm rt.Timer
			mu.Lock()
			tm = p.AfterFunc(d, func() {
				mu.Lock()
				assigned := tm != nil
				mu.Unlock()
				p.check(assigned, "AfterFunc(%d) fired before it returned", d)
				e.Fire()
			})
			mu.Unlock()
			p.await(e, "a timer in the past")
			p.check(!tm.Stop(), "Stop of a fired timer is true")
		}
	}},
	{"its function is a task, which may park and start tasks", func(p *probe) {
		e := rt.NewEvent(p)
		p.AfterFunc(time.Millisecond, func() {
			p.sleep(time.Millisecond)
			p.AfterFunc(0, func() { p.Go("rttest", e.Fire) })
		})
		p.await(e, "the task that a timer's task started")
	}},
	{"Stop prevents it, once", func(p *probe) {
		tm := p.AfterFunc(time.Hour, func() { p.t.Errorf("a stopped timer fired") })
		p.check(tm.Stop(), "Stop of a pending timer is false")
		p.check(!tm.Stop(), "Stop of a stopped timer is true")
	}},
	{"Stop says which came first", stopMeetsFire},
	{"Reset moves a pending timer", func(p *probe) {
		e := rt.NewEvent(p)
		tm := p.AfterFunc(time.Hour, e.Fire)
		p.check(tm.Reset(2*time.Hour), "Reset of a pending timer is false")
		p.check(tm.Reset(time.Millisecond), "second Reset of a pending timer is false")
		p.await(e, "the timer that was reset")
	}},
	{"Reset starts a stopped timer again", func(p *probe) {
		e := rt.NewEvent(p)
		tm := p.AfterFunc(time.Hour, e.Fire)
		tm.Stop()
		p.check(!tm.Reset(time.Millisecond), "Reset of a stopped timer is true")
		p.await(e, "the timer that was reset")
	}},
	{"Reset starts a fired timer again", func(p *probe) {
		q := rt.NewQueue[int](p, 1)
		tm := p.AfterFunc(0, func() { q.TryPut(1) })
		for range 20 {
			_, err := q.Get(p.ctx)
			p.is(err, nil, "waiting for the timer")
			p.check(!tm.Reset(0), "Reset of a fired timer is true")
		}
		_, err := q.Get(p.ctx)
		p.is(err, nil, "waiting for the last time")
	}},
	{"Reset from its own function makes it periodic", func(p *probe) {
		e := rt.NewEvent(p)
		mu := rt.NewMutex(p)
		var tm rt.Timer
		n := 0
		mu.Lock()
		tm = p.AfterFunc(time.Microsecond, func() {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == 10 {
				e.Fire()
				return
			}
			p.check(!tm.Reset(time.Microsecond), "Reset in the timer's function is true")
		})
		mu.Unlock()
		p.await(e, "the tenth time")
	}},
	{"Reset puts it off", resetPutsOff},
	{"each of many timers fires once", manyTimers},
}

// stopMeetsFire races Stop against the timer: a Stop that is true means that f
// does not run, one that is false that it does.
func stopMeetsFire(p *probe) {
	var wrong atomic.Int64
	for range 300 {
		e := rt.NewEvent(p)
		var stopped atomic.Bool
		tm := p.AfterFunc(time.Duration(p.Rand("rttest").IntN(20))*time.Microsecond, func() {
			if stopped.Load() {
				wrong.Add(1)
			}
			e.Fire()
		})
		p.jitter()
		if tm.Stop() {
			stopped.Store(true)
			p.check(!e.Fired(), "Stop is true, and the timer has fired")
		} else {
			p.await(e, "a timer whose Stop was false")
		}
	}
	p.sleep(5 * time.Millisecond)
	p.check(wrong.Load() == 0, "%d timers fired after Stop had been true", wrong.Load())
}

// resetPutsOff races Reset against the timer's first time.
func resetPutsOff(p *probe) {
	var fired, want atomic.Int64
	for range 100 {
		tm := p.AfterFunc(time.Duration(p.Rand("rttest").IntN(20))*time.Microsecond, func() { fired.Add(1) })
		p.jitter()
		if !tm.Reset(time.Hour) {
			want.Add(1)
		}
		p.check(tm.Stop(), "Stop of a timer that was put off is false")
	}
	for fired.Load() < want.Load() && p.ctx.Err() == nil {
		p.sleep(time.Millisecond)
	}
	p.sleep(2 * time.Millisecond)
	p.check(fired.Load() == want.Load(), "%d timers fired, but %d were put off too late", fired.Load(), want.Load())
}

func manyTimers(p *probe) {
	const n = 200
	q := rt.NewQueue[int](p, 2*n)
	for i := range n {
		d := time.Duration(p.Rand("rttest").IntN(2000)) * time.Microsecond
		p.AfterFunc(d, func() { p.is(q.TryPut(i), nil, "TryPut") })
	}
	fired := make([]bool, n)
	for range n {
		i, err := q.Get(p.ctx)
		p.is(err, nil, "waiting for a timer")
		p.check(!fired[i], "timer %d fired twice", i)
		fired[i] = true
	}
}
