package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/rt"
)

// run is one test as it is played.
type run struct {
	ctx context.Context
	w   World
	rt  rt.Runtime
	cfg Config

	mu       rt.Mutex
	res      Result
	cleanups []func()
	jobs     []job // all that were started
}

func newRun(ctx context.Context, w World, cfg Config, test string) *run {
	r := &run{ctx: ctx, w: w, rt: w.Runtime(), cfg: cfg.WithDefaults()}
	r.mu = rt.NewMutex(r.rt)
	r.res.Test = test
	return r
}

// How long things may take that have no time of their own: it decides only
// whether a test gives up.
const (
	patience = 20 * time.Second
	callTime = 5 * time.Minute // the deadline of calls that are left in flight
)

const maxFailures = 20

// held notes the outcome of a check. Of a test that was stopped nothing more
// is demanded.
func (r *run) held(property string, err error) {
	if err != nil && r.ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	r.res.Checks++
	if err != nil {
		r.res.Failed++
		if len(r.res.Failures) < maxFailures {
			r.res.Failures = append(r.res.Failures, Failure{property, err.Error()})
		}
	}
	r.mu.Unlock()
	r.w.Held(property, err)
}

// check demands ok, and reports it.
func (r *run) check(ok bool, property, format string, args ...any) bool {
	var err error
	if !ok {
		err = fmt.Errorf(format, args...)
	}
	r.held(property, err)
	return ok
}

// wait looks again and again until missing returns nothing, for at most that
// long. It returns what was missing at last.
func (r *run) wait(within time.Duration, missing func() string) string {
	deadline := r.rt.Now().Add(within)
	step := min(max(within/500, time.Millisecond), 10*time.Millisecond)
	for {
		why := missing()
		if why == "" || deadline.Reached(r.rt.Now()) {
			return why
		}
		if err := rt.Sleep(r.ctx, r.rt, step); err != nil {
			return err.Error()
		}
	}
}

// eventually demands that nothing is missing within that time.
func (r *run) eventually(within time.Duration, property string, missing func() string) bool {
	why := r.wait(within, missing)
	return r.check(why == "", property, "not within %v: %s", within, why)
}

// sleep waits, or returns why the test was stopped.
func (r *run) sleep(d time.Duration) error { return rt.Sleep(r.ctx, r.rt, d) }

// progress tells how far the test is.
func (r *run) progress(doing string, done, total int) {
	r.w.Progress(Progress{r.res.Test, doing, done, total})
}

// figure adds a number to the result.
func (r *run) figure(name string, value float64) {
	r.res.Figures = append(r.res.Figures, Figure{name, value})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// summary sets the line of the result.
func (r *run) summary(format string, args ...any) { r.res.Summary = fmt.Sprintf(format, args...) }

// later runs f at the end of the test, the last one first.
func (r *run) later(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// cleanUp closes what the test has not closed itself, and waits for what it
// has started.
func (r *run) cleanUp() {
	fs := r.cleanups
	r.lanes(len(fs), "", func(i int) { fs[len(fs)-1-i]() })
	for _, j := range r.jobs {
		j.wait()
	}
}

// lanes does something n times, as many at a time as there are lanes, in
// order of their beginning. When the test is stopped the rest is left out,
// but not of a clean-up, which has no name.
func (r *run) lanes(n int, doing string, f func(i int)) {
	next, done := 0, 0
	g := rt.NewGroup(r.rt)
	for range min(n, r.cfg.Lanes) {
		g.Go("load/lane", func() {
			for {
				r.mu.Lock()
				i := next
				next++
				r.mu.Unlock()
				if i >= n || doing != "" && r.ctx.Err() != nil {
					return
				}
				f(i)
				r.mu.Lock()
				done++
				k := done
				r.mu.Unlock()
				if doing != "" {
					r.progress(doing, k, n)
				}
			}
		})
	}
	g.Wait(context.Background())
}

// job is something that runs on a machine.
type job struct{ done *rt.Event }

func (r *run) begin(h Host, name string, f func()) job {
	j := job{rt.NewEvent(r.rt)}
	h.Runtime().Go(name, func() {
		defer j.done.Fire()
		f()
	})
	return j
}

// start runs f as a task of h. It must end when the nodes and clients of the
// test are closed: the end of the test waits for it.
func (r *run) start(h Host, name string, f func()) job {
	j := r.begin(h, name, f)
	r.mu.Lock()
	r.jobs = append(r.jobs, j)
	r.mu.Unlock()
	return j
}

// wait waits for the end of the job.
func (j job) wait() { j.done.Wait(context.Background()) }

// on runs f as a task of h and waits for it.
func (r *run) on(h Host, name string, f func()) { r.begin(h, name, f).wait() }

// ended demands that the jobs end in time, and reports whether they did.
func (r *run) ended(within time.Duration, property string, jobs []job) bool {
	return r.eventually(within, property, func() string {
		n := 0
		for _, j := range jobs {
			if !j.done.Fired() {
				n++
			}
		}
		return want("unfinished", n, 0)
	})
}

// errStopped is the end of a test that cannot go on, and has said why.
var errStopped = errors.New("what the test builds on did not come about")

// join makes one line of several things that may be missing.
func join(parts ...string) string {
	out := ""
	for _, p := range parts {
		if p == "" {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += p
	}
	return out
}

// want says that a number is not what it should be, or nothing.
func want(name string, got, wanted int) string {
	if got == wanted {
		return ""
	}
	return fmt.Sprintf("%s %d, want %d", name, got, wanted)
}
