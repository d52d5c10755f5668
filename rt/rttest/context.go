package rttest

import (
	"context"
	"time"

	"github.com/maculamesh/macula/rt"
)

var contextCases = []testCase{
	{"the first cause stays", func(p *probe) {
		ctx, cancel := p.WithCancelCause(context.Background())
		p.is(ctx.Err(), nil, "Err before")
		p.is(context.Cause(ctx), nil, "Cause before")
		cancel(errCause)
		cancel(errOther)
		p.is(ctx.Err(), context.Canceled, "Err")
		p.is(context.Cause(ctx), errCause, "Cause")
	}},
	{"no cause is Canceled", func(p *probe) {
		ctx, cancel := p.WithCancelCause(context.Background())
		cancel(nil)
		p.is(context.Cause(ctx), context.Canceled, "Cause")
	}},
	{"a parent's cause reaches every descendant", func(p *probe) {
		type key struct{}
		top, cancel := p.WithCancelCause(context.Background())
		a, cancelA := p.WithCancelCause(top)
		defer cancelA(nil)
		b, cancelB := p.WithTimeout(context.WithValue(a, key{}, 7), time.Hour)
		defer cancelB()
		c, cancelC := p.WithCancelCause(b)
		defer cancelC(nil)
		p.check(c.Value(key{}) == 7, "the value does not reach the grandchild")
		cancel(errCause)
		for _, ctx := range []context.Context{a, b, c} {
			p.is(p.NewParker().Park(ctx), errCause, "Park")
			p.is(ctx.Err(), context.Canceled, "Err")
			p.is(context.Cause(ctx), errCause, "Cause")
		}
	}},
	{"a child of an ended parent has ended", func(p *probe) {
		a, cancelA := p.WithCancelCause(p.ended())
		defer cancelA(nil)
		b, cancelB := p.WithTimeout(p.ended(), time.Hour)
		defer cancelB()
		p.is(context.Cause(a), errCause, "Cause of WithCancelCause")
		p.is(context.Cause(b), errCause, "Cause of WithTimeout")
	}},
	{"a child's end reaches neither parent nor sibling", func(p *probe) {
		top, cancel := p.WithCancelCause(context.Background())
		a, cancelA := p.WithCancelCause(top)
		b, cancelB := p.WithCancelCause(top)
		cancelA(errCause)
		p.is(context.Cause(a), errCause, "Cause of the child")
		p.is(context.Cause(b), nil, "Cause of its sibling")
		p.is(context.Cause(top), nil, "Cause of its parent")
		cancelB(nil)
		cancel(nil)
	}},
	{"a timeout ends it with DeadlineExceeded, and not before its time", func(p *probe) {
		start := p.Now()
		ctx, cancel := p.WithTimeout(context.Background(), 2*time.Millisecond)
		defer cancel()
		child, cancelChild := p.WithCancelCause(ctx)
		defer cancelChild(nil)
		p.is(p.NewParker().Park(child), context.DeadlineExceeded, "Park")
		d := p.Now().Sub(start)
		p.check(d >= 2*time.Millisecond, "it ended after %v", d)
		for _, c := range []context.Context{ctx, child} {
			p.is(c.Err(), context.DeadlineExceeded, "Err")
			p.is(context.Cause(c), context.DeadlineExceeded, "Cause")
		}
	}},
	{"a timeout of nothing has ended at once", func(p *probe) {
		for _, d := range []time.Duration{0, -time.Hour} {
			ctx, cancel := p.WithTimeout(context.Background(), d)
			p.is(ctx.Err(), context.DeadlineExceeded, "Err")
			p.is(context.Cause(ctx), context.DeadlineExceeded, "Cause")
			cancel()
			p.is(context.Cause(ctx), context.DeadlineExceeded, "Cause after cancel")
		}
	}},
	{"a cancelled timeout is Canceled, and stays so", func(p *probe) {
		ctx, cancel := p.WithTimeout(context.Background(), 2*time.Millisecond)
		first := context.Canceled
		cancel()
		if ctx.Err() != context.Canceled {
			first = context.DeadlineExceeded // a slow machine: it had elapsed
		}
		p.sleep(5 * time.Millisecond)
		cancel()
		p.is(ctx.Err(), first, "Err")
		p.is(context.Cause(ctx), first, "Cause")
	}},
	{"the earlier deadline counts", func(p *probe) {
		short, cancel := p.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		long, cancelLong := p.WithTimeout(short, time.Hour)
		defer cancelLong()
		a, okA := short.Deadline()
		b, okB := long.Deadline()
		p.check(okA && okB && a.Equal(b), "the child's deadline is %v, the parent's %v", b, a)
		p.is(p.NewParker().Park(long), context.DeadlineExceeded, "Park")

		outer, cancelOuter := p.WithTimeout(context.Background(), time.Hour)
		defer cancelOuter()
		inner, cancelInner := p.WithTimeout(outer, time.Millisecond)
		defer cancelInner()
		p.is(p.NewParker().Park(inner), context.DeadlineExceeded, "Park")
		p.is(context.Cause(outer), nil, "Cause of the parent")
	}},
}

var lazyTimeoutCases = []testCase{
	{"it ends those who wait, and not before its time", func(p *probe) {
		start := p.Now()
		ctx := rt.NewLazyTimeout(p, context.Background(), start.Add(2*time.Millisecond))
		defer ctx.End()
		child, cancel := p.WithCancelCause(ctx)
		defer cancel(nil)
		p.is(p.NewParker().Park(child), context.DeadlineExceeded, "Park")
		d := p.Now().Sub(start)
		p.check(d >= 2*time.Millisecond, "it ended after %v", d)
		for _, c := range []context.Context{ctx, child} {
			p.is(c.Err(), context.DeadlineExceeded, "Err")
			p.is(context.Cause(c), context.DeadlineExceeded, "Cause")
		}
	}},
	{"it ends for who only looks", func(p *probe) {
		ctx := rt.NewLazyTimeout(p, context.Background(), p.Now().Add(time.Hour))
		defer ctx.End()
		p.is(ctx.Err(), nil, "Err")
		left, ok := rt.Remaining(p, ctx)
		p.check(ok && left > 59*time.Minute && left <= time.Hour, "%v remain, %v", left, ok)
		at, ok := ctx.Deadline()
		p.check(ok && at.After(p.Wall().Add(59*time.Minute)), "the deadline is %v, %v", at, ok)
		over := rt.NewLazyTimeout(p, context.Background(), p.Now())
		defer over.End()
		p.is(over.Err(), context.DeadlineExceeded, "Err")
		p.is(context.Cause(over), context.DeadlineExceeded, "Cause")
		p.is(p.NewParker().Park(over), context.DeadlineExceeded, "Park")
	}},
	{"its parent's cause reaches who waits and who looks", func(p *probe) {
		for _, waits := range []bool{true, false} {
			parent, cancel := p.WithCancelCause(context.Background())
			ctx := rt.NewLazyTimeout(p, parent, p.Now().Add(time.Hour))
			p.check(ctx.Parent() == parent, "Parent is another")
			if waits {
				p.spawn(func() { cancel(errCause) })
				p.is(p.NewParker().Park(ctx), errCause, "Park")
			} else {
				cancel(errCause)
			}
			p.is(ctx.Err(), context.Canceled, "Err")
			p.is(context.Cause(ctx), errCause, "Cause")
			ctx.End()
		}
	}},
	{"End ends it, once, before and after somebody has asked for Done", func(p *probe) {
		for _, asked := range []bool{true, false} {
			ctx := rt.NewLazyTimeout(p, context.Background(), p.Now().Add(time.Hour))
			if asked {
				p.check(ctx.Done() != nil, "Done is nil")
			}
			ctx.End()
			ctx.End()
			p.is(ctx.Err(), context.Canceled, "Err")
			p.is(context.Cause(ctx), context.Canceled, "Cause")
			p.is(p.NewParker().Park(ctx), context.Canceled, "Park")
		}
	}},
	{"Err stays what it was", func(p *probe) {
		parent, cancel := p.WithCancelCause(context.Background())
		ended := rt.NewLazyTimeout(p, parent, p.Now().Add(time.Millisecond))
		ended.End()
		before := ended.Err()
		over := rt.NewLazyTimeout(p, parent, p.Now())
		defer over.End()
		p.is(over.Err(), context.DeadlineExceeded, "Err")
		p.sleep(2 * time.Millisecond)
		p.is(ended.Err(), before, "Err of the ended one")
		cancel(errCause)
		p.is(over.Err(), context.DeadlineExceeded, "Err later")
		p.is(context.Cause(over), context.DeadlineExceeded, "Cause later")
	}},
	{"one within another ends with either", func(p *probe) {
		long := rt.NewLazyTimeout(p, context.Background(), p.Now().Add(time.Hour))
		short := rt.NewLazyTimeout(p, long, p.Now().Add(time.Millisecond))
		p.is(p.NewParker().Park(short), context.DeadlineExceeded, "Park")
		p.is(long.Err(), nil, "Err of the parent")
		another := rt.NewLazyTimeout(p, long, p.Now().Add(30*time.Minute))
		p.spawn(long.End)
		p.is(p.NewParker().Park(another), context.Canceled, "Park")
		short.End()
		another.End()
	}},
}

var afterDoneCases = []testCase{
	{"it runs as a task, once the context has ended", func(p *probe) {
		ctx, cancel := p.WithCancelCause(p.ctx)
		ran := rt.NewQueue[error](p, 4)
		stop := p.AfterDone(ctx, func() {
			p.sleep(time.Millisecond)
			ran.TryPut(context.Cause(ctx))
		})
		p.Yield()
		p.check(ran.Len() == 0, "it ran before the end")
		cancel(errCause)
		cause, err := ran.Get(p.ctx)
		p.is(err, nil, "waiting for it")
		p.is(cause, errCause, "the cause it saw")
		p.check(!stop(), "stop is true after it ran")
	}},
	{"a timeout runs it", func(p *probe) {
		ctx, cancel := p.WithTimeout(p.ctx, time.Millisecond)
		defer cancel()
		e := rt.NewEvent(p)
		p.AfterDone(ctx, e.Fire)
		p.await(e, "AfterDone of a timeout")
	}},
	{"an ended context runs it at once", func(p *probe) {
		e := rt.NewEvent(p)
		p.AfterDone(p.ended(), e.Fire)
		p.await(e, "AfterDone of an ended context")
	}},
	{"every one of a context runs", func(p *probe) {
		ctx, cancel := p.WithCancelCause(p.ctx)
		q := rt.NewQueue[int](p, 10)
		for i := range 10 {
			p.AfterDone(ctx, func() { q.TryPut(i) })
		}
		cancel(nil)
		seen := make([]bool, 10)
		for range 10 {
			i, err := q.Get(p.ctx)
			p.is(err, nil, "waiting for one")
			p.check(!seen[i], "number %d ran twice", i)
			seen[i] = true
		}
	}},
	{"stop prevents it, once", func(p *probe) {
		ctx, cancel := p.WithCancelCause(p.ctx)
		stop := p.AfterDone(ctx, func() { p.t.Errorf("it ran after stop") })
		p.check(stop(), "the first stop is false")
		p.check(!stop(), "the second stop is true")
		cancel(nil)
		p.sleep(time.Millisecond)
	}},
	{"a context without an end never runs it", func(p *probe) {
		stop := p.AfterDone(context.Background(), func() { p.t.Errorf("it ran") })
		p.check(stop(), "stop is false")
	}},
	{"stop says which came first", func(p *probe) {
		for range 200 {
			ctx, cancel := p.WithCancelCause(p.ctx)
			e := rt.NewEvent(p)
			stop := p.AfterDone(ctx, e.Fire)
			p.spawn(func() { p.jitter(); cancel(nil) })
			p.jitter()
			if stop() {
				p.join()
				p.check(!e.Fired(), "stop is true, and it ran")
			} else {
				p.await(e, "an AfterDone whose stop was false")
				p.join()
			}
		}
	}},
}
