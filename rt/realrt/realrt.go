// Package realrt is the runtime of production: tasks are goroutines, time is a
// clock.Clock, randomness is seeded by the system.
//
// It counts what it hands out. After everything that uses a Runtime has been
// closed, Tasks, Timers and Hooks are zero, and if they are not, TaskNames
// says whose goroutines are left.
package realrt

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// Config is what a Runtime is made from. The zero value is production.
type Config struct {
	// Clock tells the time; nil means clock.New(), the system's. A clock.Mock
	// suits the unit test of one component that moves time by hand.
	Clock clock.Clock
	// Seed fixes the random streams, for tests; 0 draws them from the system.
	Seed uint64
}

// Runtime implements rt.Runtime on goroutines. All methods are safe for
// concurrent use.
type Runtime struct {
	clk    clock.Clock
	system bool // clk is clock.New()'s, so the standard library's timers are its own
	start  time.Time
	last   atomic.Int64 // the highest Now of a clock that is not the system's

	tasks  tasks
	timers atomic.Int64
	hooks  atomic.Int64

	seed    [sha256.Size]byte
	mu      sync.Mutex
	streams map[string]*rand.Rand
}

var _ rt.Runtime = (*Runtime)(nil)

// New returns a runtime. It holds nothing that has to be closed.
func New(cfg Config) *Runtime {
	clk := cfg.Clock
	if clk == nil {
		clk = clock.New()
	}
	r := &Runtime{
		clk:     clk,
		system:  reflect.TypeOf(clk) == reflect.TypeOf(clock.New()),
		start:   clk.Now(),
		streams: map[string]*rand.Rand{},
	}
	r.tasks.init()
	if cfg.Seed == 0 {
		crand.Read(r.seed[:])
	} else {
		binary.LittleEndian.PutUint64(r.seed[:], cfg.Seed)
	}
	return r
}

// Now is the time since New, plus one nanosecond so that it is never zero. The
// system clock's monotonic reading does not advance while the machine is
// suspended. Of a Mock that is set back, Now keeps the highest value.
func (r *Runtime) Now() mono.Time {
	now := int64(r.clk.Since(r.start)) + 1
	if r.system {
		return mono.Time(now)
	}
	for {
		last := r.last.Load()
		if now <= last {
			return mono.Time(last)
		}
		if r.last.CompareAndSwap(last, now) {
			return mono.Time(now)
		}
	}
}

// Wall is the clock's calendar time.
func (r *Runtime) Wall() time.Time { return r.clk.Now() }

// Yield is runtime.Gosched.
func (r *Runtime) Yield() { runtime.Gosched() }

// Rand returns the random stream of that purpose, a ChaCha8 behind a lock. The
// runtime keeps one for every purpose it was ever asked for, so purposes are
// constants of the program and never come from a peer.
func (r *Runtime) Rand(purpose string) *rand.Rand {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[purpose]
	if s == nil {
		key := sha256.Sum256(append(r.seed[:], purpose...))
		// A rand.Rand has no state beside its source, so a source that locks
		// makes it safe for concurrent use.
		s = rand.New(&lockedSource{src: rand.NewChaCha8(key)})
		r.streams[purpose] = s
	}
	return s
}

// Timers returns the number of AfterFuncs that are pending and of WithTimeouts
// whose cancel function has not been called.
func (r *Runtime) Timers() int { return int(r.timers.Load()) }

// Hooks returns the number of AfterDones that have neither run nor been
// stopped.
func (r *Runtime) Hooks() int { return int(r.hooks.Load()) }

// Tasks returns the number of tasks that have not ended, those of AfterFunc
// and AfterDone among them.
func (r *Runtime) Tasks() int { return r.tasks.count() }

// TaskNames returns how many tasks of each name have not ended.
func (r *Runtime) TaskNames() map[string]int { return r.tasks.names() }

// Wait waits until there is no task, or ctx ends; then it returns
// context.Cause(ctx). A Group's Wait returns when the last function of the
// group has; the goroutine under it needs a moment more, and this waits for
// that.
func (r *Runtime) Wait(ctx context.Context) error { return r.tasks.wait(ctx) }

// lockedSource is a source for more than one goroutine.
type lockedSource struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}
