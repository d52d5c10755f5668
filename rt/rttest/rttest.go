// Package rttest is the conformance suite of rt: every sentence of rt.Runtime's
// contract and of the primitives on top of it, as a case that runs in any
// runtime. What holds in both worlds is what node code may rely on.
package rttest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
)

// World is a runtime together with the power to drive it.
type World interface {
	rt.Runtime
	// Run runs f as a task and drives the world until f and every other task
	// has ended. It is called once for each World. By then the case has waited
	// for what it started, stopped its timers and called its cancel functions,
	// so Run may fail the test on anything that is left.
	Run(f func())
}

// Run runs the suite, each case in a world of its own. Its checks fail the
// test by Errorf from within tasks and never by Fatal, since a task must not
// be ended from within in simulation.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range s.cases {
				t.Run(c.name, func(t *testing.T) { run(t, newWorld(t), c.f) })
			}
		})
	}
}

// patience bounds every wait of the suite. Nothing that works takes so long;
// it decides no case, it only turns a hang into a failure.
const patience = time.Minute

type suite struct {
	name  string
	cases []testCase
}

type testCase struct {
	name string
	f    func(p *probe)
}

var suites = []suite{
	{"Parker", parkerCases},
	{"Clock", clockCases},
	{"Timer", timerCases},
	{"Context", contextCases},
	{"LazyTimeout", lazyTimeoutCases},
	{"AfterDone", afterDoneCases},
	{"Task", taskCases},
	{"Mutex", mutexCases},
	{"Event", eventCases},
	{"Queue", queueCases},
	{"QueueClose", queueCloseCases},
	{"Gate", gateCases},
	{"Semaphore", semaphoreCases},
	{"Group", groupCases},
}

func run(t *testing.T, w World, f func(p *probe)) {
	t.Helper()
	w.Run(func() {
		ctx, cancel := w.WithTimeout(context.Background(), patience)
		defer cancel()
		p := &probe{World: w, t: t, ctx: ctx, tasks: rt.NewGroup(w)}
		f(p)
		p.join()
	})
}

// Two causes that no runtime makes up.
var (
	errCause = errors.New("the cause")
	errOther = errors.New("another cause")
)

// probe is what a case works with: the world, and checks that mark the test as
// failed and go on.
type probe struct {
	World
	t     *testing.T
	ctx   context.Context // ends when patience does
	tasks *rt.Group
}

// spawn starts a task that join waits for.
func (p *probe) spawn(f func()) { p.tasks.Go("rttest", f) }

// join waits for every task that spawn started.
func (p *probe) join() {
	p.t.Helper()
	p.is(p.tasks.Wait(p.ctx), nil, "waiting for the tasks of this case")
}

// left waits until at most n of the tasks that spawn started are left.
func (p *probe) left(n int) {
	p.t.Helper()
	for p.tasks.Count() > n {
		if rt.Sleep(p.ctx, p, 50*time.Microsecond) != nil {
			p.t.Errorf("%d tasks are left, want %d", p.tasks.Count(), n)
			return
		}
	}
}

func (p *probe) check(cond bool, format string, args ...any) {
	p.t.Helper()
	if !cond {
		p.t.Errorf(format, args...)
	}
}

func (p *probe) is(got, want error, what string) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// await waits for e and marks the test as failed when patience ends first.
func (p *probe) await(e *rt.Event, what string) {
	p.t.Helper()
	if err := e.Wait(p.ctx); err != nil {
		p.t.Errorf("waited in vain for %s", what)
	}
}

// ended returns a context that has ended with errCause.
func (p *probe) ended() context.Context {
	ctx, cancel := p.WithCancelCause(p.ctx)
	cancel(errCause)
	return ctx
}

// sleep lets d pass.
func (p *probe) sleep(d time.Duration) {
	p.t.Helper()
	p.is(rt.Sleep(p.ctx, p, d), nil, "Sleep")
}

// jitter yields a random number of times, so that repeated rounds of a race
// meet in different orders.
func (p *probe) jitter() {
	for range p.Rand("rttest").IntN(4) {
		p.Yield()
	}
}

// panics reports whether f panicked.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// counting is a runtime that counts the calls of Park. A primitive registers a
// waiter before it parks it, so the count says how many are in line.
type counting struct {
	rt.Runtime
	parks atomic.Int64
}

func (c *counting) NewParker() rt.Parker {
	return countingParker{c.Runtime.NewParker(), c}
}

// parked waits until n calls of Park have begun.
func (c *counting) parked(p *probe, n int) {
	p.t.Helper()
	for c.parks.Load() < int64(n) {
		if rt.Sleep(p.ctx, p, 50*time.Microsecond) != nil {
			p.t.Errorf("%d tasks have parked, want %d", c.parks.Load(), n)
			return
		}
	}
}

type countingParker struct {
	rt.Parker
	c *counting
}

func (p countingParker) Park(ctx context.Context) error {
	p.c.parks.Add(1)
	return p.Parker.Park(ctx)
}
