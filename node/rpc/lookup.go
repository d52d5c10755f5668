package rpc

import (
	"context"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
)

// lookups shares questions to the mesh: one per name however many callers
// wait for it. A question ends with its last waiter, and a name that nobody
// provides is not asked for again for a while.
type lookups struct {
	c     *Caller
	group *rt.Group
	ctx   context.Context
	stop  context.CancelCauseFunc

	mu       rt.Mutex
	open     *bounded.Map[string, *lookup]
	negative *bounded.Map[string, error] // what is to be said of it, or nil
}

type lookup struct {
	name    string
	ctx     context.Context
	cancel  context.CancelCauseFunc
	done    *rt.Event
	waiters int
	err     error
}

func newLookups(c *Caller) *lookups {
	l := &lookups{
		c: c, group: rt.NewGroup(c.r), mu: rt.NewMutex(c.r),
		open:     bounded.NewMap[string, *lookup]("lookups", c.cfg.Lookups),
		negative: bounded.NewMap[string, error]("negative lookups", c.cfg.Lookups),
	}
	l.ctx, l.stop = c.r.WithCancelCause(context.Background())
	return l
}

// ask waits until the mesh was asked for name, or ctx ends.
func (l *lookups) ask(ctx context.Context, name string) error {
	k, shared, err := l.join(name)
	if k == nil {
		return err
	}
	l.c.countLookup(shared)
	if err := k.done.Wait(ctx); err != nil {
		l.quit(k)
		return err
	}
	return k.err
}

// Find asks the mesh who provides name, as a call does that knows nobody. It
// blocks until somebody knows, nobody does, or ctx ends; a name that nobody
// provided a moment ago is not asked for again. Errors: Overload, Draining,
// Unauthorized when those who provide it may not be called, and how ctx or the
// question ended.
func (c *Caller) Find(ctx context.Context, name string) error { return c.lookups.ask(ctx, name) }

// join makes the caller a waiter of the question for name, and starts it when
// there is none. Without a question and without an error, or with Unauthorized,
// the answer is known already: nobody.
func (l *lookups) join(name string) (k *lookup, shared bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.c.r.Now()
	if why, _, ok := l.negative.Get(name, now); ok && !rt.Buggify(l.c.r, "rpc: negative answer forgotten") {
		return nil, false, why
	}
	if k, _, ok := l.open.Get(name, now); ok {
		k.waiters++
		return k, true, nil
	}
	k = &lookup{name: name, waiters: 1, done: rt.NewEvent(l.c.r)}
	if _, err := l.open.Put(name, k, 0); err != nil {
		return nil, false, &fault.Error{Op: "rpc.Call", Kind: fault.Overload, Detail: "too many names are being looked up", Err: err}
	}
	k.ctx, k.cancel = l.c.r.WithCancelCause(l.ctx)
	if !l.group.Go("rpc/lookup", func() { l.run(k) }) {
		l.open.DeleteAny(name)
		k.cancel(nil)
		return nil, false, fault.New("rpc.Call", fault.Draining, "the node is shutting down")
	}
	return k, false, nil
}

func (c *Caller) countLookup(shared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared {
		c.counts.Shared++
	} else {
		c.counts.Lookups++
	}
}

func (l *lookups) run(k *lookup) {
	defer k.cancel(nil)
	ctx, done := l.c.r.WithTimeout(k.ctx, l.c.cfg.Discovery)
	defer done()
	err := l.c.deps.Discover(ctx, k.name)
	found := len(l.c.deps.Resolve(k.name, l.c.r.Now(), nil)) > 0
	l.mu.Lock()
	l.forget(k)
	if !found && k.waiters > 0 {
		now := l.c.r.Now()
		l.negative.Expire(now, 2, nil) // more than one, so that what is over leaves no less room
		var left error                 // who provides it may not be called
		if fault.KindOf(err) == fault.Unauthorized {
			left = err
		}
		l.negative.Put(k.name, left, now.Add(l.c.cfg.Negative))
	}
	k.err = err
	l.mu.Unlock()
	k.done.Fire()
}

// quit takes a caller out whose context ended; the last one ends the question.
func (l *lookups) quit(k *lookup) {
	l.mu.Lock()
	k.waiters--
	last := k.waiters == 0
	if last {
		l.forget(k)
	}
	l.mu.Unlock()
	if last {
		k.cancel(fault.New("rpc.Call", fault.Cancelled, "nobody waits for this lookup any more"))
	}
}

// forget takes the question out of the table, if it is still the one in it.
func (l *lookups) forget(k *lookup) {
	if cur, _, ok := l.open.Get(k.name, 0); ok && cur == k {
		l.open.DeleteAny(k.name)
	}
}

// Learn forgets that nobody provided name: somebody does now.
func (c *Caller) Learn(name string) {
	l := c.lookups
	l.mu.Lock()
	l.negative.DeleteAny(name)
	l.mu.Unlock()
}

func (l *lookups) sweep(max int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.negative.Expire(l.c.r.Now(), max, nil)
}

func (l *lookups) audit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open.Recount(); err != nil {
		return err
	}
	return l.negative.Recount()
}

func (l *lookups) close() {
	l.stop(fault.New("rpc", fault.Draining, "the node is shutting down"))
	l.group.Close()
	l.group.Wait(context.Background())
}
