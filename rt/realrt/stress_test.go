package realrt_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
)

var errGaveUp = errors.New("gave up")

// sometimes returns a context that another task cancels, now or soon, in one
// of four cases, and the function that ends it for good.
func sometimes(r *realrt.Runtime, g *rt.Group) (context.Context, func()) {
	ctx, cancel := r.WithCancelCause(context.Background())
	if r.Rand("stress").IntN(4) == 0 {
		g.Go("cancel", func() { cancel(errGaveUp) })
	}
	return ctx, func() { cancel(nil) }
}

// TestQueueLosesNothingUnderStress counts every item in and out while Puts and
// Gets give up at random, tasks poll beside those that wait, and the queue
// closes in the end.
func TestQueueLosesNothingUnderStress(t *testing.T) {
	const producers, consumers, each = 4, 4, 1500
	r := realrt.New(realrt.Config{})
	q := rt.NewQueue[int64](r, 3)
	var puts, gets, putSum, getSum atomic.Int64
	helpers, prod, cons := rt.NewGroup(r), rt.NewGroup(r), rt.NewGroup(r)
	for p := range producers {
		prod.Go("producer", func() {
			for i := range each {
				v := int64(p*each + i)
				ctx, done := sometimes(r, helpers)
				if i%5 == 0 && q.TryPut(v) == nil || q.Put(ctx, v) == nil {
					puts.Add(1)
					putSum.Add(v)
				}
				done()
			}
		})
	}
	for range consumers {
		cons.Go("consumer", func() {
			for {
				ctx, done := sometimes(r, helpers)
				v, err := q.Get(ctx)
				done()
				if err == rt.ErrClosed {
					return
				}
				if err == nil {
					gets.Add(1)
					getSum.Add(v)
				}
				if q.Len() > q.Cap() {
					t.Errorf("Len is %d", q.Len())
				}
			}
		})
	}
	prod.Wait(context.Background())
	q.Close(nil)
	cons.Wait(context.Background())
	helpers.Wait(context.Background())
	r.Wait(context.Background())
	if puts.Load() != gets.Load() || putSum.Load() != getSum.Load() {
		t.Errorf("put %d items (sum %d), got %d (sum %d)", puts.Load(), putSum.Load(), gets.Load(), getSum.Load())
	}
	if gets.Load() < producers*each/2 {
		t.Errorf("only %d items went through", gets.Load())
	}
	wantNothingLeft(t, r)
}

// TestSemaphoreKeepsItsNumberUnderStress has more tasks than permits, some of
// which give up or only try.
func TestSemaphoreKeepsItsNumberUnderStress(t *testing.T) {
	const n, workers, each = 3, 8, 1500
	r := realrt.New(realrt.Config{})
	s := rt.NewSemaphore(r, n)
	helpers, g := rt.NewGroup(r), rt.NewGroup(r)
	var in, acquired atomic.Int64
	for range workers {
		g.Go("worker", func() {
			for i := range each {
				ctx, done := sometimes(r, helpers)
				if i%7 == 0 && s.TryAcquire() || s.Acquire(ctx) == nil {
					if now := in.Add(1); now > n {
						t.Errorf("%d tasks have a permit of %d", now, n)
					}
					r.Yield()
					in.Add(-1)
					acquired.Add(1)
					s.Release()
				}
				done()
			}
		})
	}
	g.Wait(context.Background())
	helpers.Wait(context.Background())
	r.Wait(context.Background())
	if s.InUse() != 0 {
		t.Errorf("%d permits are lost", s.InUse())
	}
	if acquired.Load() < workers*each/2 {
		t.Errorf("only %d permits were had", acquired.Load())
	}
	wantNothingLeft(t, r)
}

// TestBroadcastsReachEverybodyUnderStress passes a token through a chain of
// gates and events that are waited for by several tasks each.
func TestBroadcastsReachEverybodyUnderStress(t *testing.T) {
	const rounds, waiters = 300, 6
	r := realrt.New(realrt.Config{})
	helpers := rt.NewGroup(r)
	for range rounds {
		event, gate, tasks := rt.NewEvent(r), rt.NewGate(r, false), rt.NewGroup(r)
		var through atomic.Int64
		for range waiters {
			tasks.Go("waiter", func() {
				ctx, done := sometimes(r, helpers)
				defer done()
				for event.Wait(ctx) != nil {
					ctx = context.Background()
				}
				if err := gate.Pass(context.Background()); err != nil {
					t.Error(err)
				}
				through.Add(1)
			})
		}
		tasks.Go("toggle", func() {
			event.Fire()
			for range 5 {
				gate.Open()
				gate.Shut()
			}
			gate.Open()
		})
		tasks.Close()
		tasks.Wait(context.Background())
		if through.Load() != waiters {
			t.Errorf("%d of %d passed", through.Load(), waiters)
		}
	}
	helpers.Wait(context.Background())
	r.Wait(context.Background())
	wantNothingLeft(t, r)
}
