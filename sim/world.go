package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// Config configures a World. The zero value is a good one.
type Config struct {
	// Seed is what every random decision derives from.
	Seed uint64
	// Strategy decides who runs next; nil is Random(). It belongs to one
	// world.
	Strategy Strategy
	// Start is the wall time at which the run begins; zero is 2026-01-01 UTC.
	Start time.Time
	// MaxEvents ends the run as failed after that many events, so that two
	// tasks which yield to each other for ever do not hang a test; zero is
	// 10^10, about an hour.
	MaxEvents uint64
	// MaxTime ends the run as failed at that virtual time; zero is no bound.
	MaxTime time.Duration
	// Checkpoint is the number of events between two entries of Checkpoints;
	// zero is 4096. It doubles whenever there are 1024 entries.
	Checkpoint int
	// Trace, when set, is called with every decision, in order. It must not
	// call into the world.
	Trace func(Record)
	// LogLevel is the least level that a machine's Logger handles; lines below
	// are neither traced nor folded into the hash. Nil is slog.LevelInfo.
	LogLevel slog.Leveler
	// NoSites saves the 0.2 us that it costs a task or timer to remember who
	// started it: a Leak's Site is then where its function begins. The hash is
	// the same with and without.
	NoSites bool
	// LockSites has every task remember where it locked its rt.Mutex, at 0.1 us
	// a time, so that a FailLock says so.
	LockSites bool
	// Buggify lets the points at which code asks rt.Buggify fire; the zero
	// value lets none.
	Buggify Buggify
}

// ErrTimeout is RunUntil's answer when the condition did not hold in time.
var ErrTimeout = errors.New("sim: the condition did not hold in time")

// ErrQuiet is RunUntil's answer when nothing is left that could still happen
// and the condition does not hold.
var ErrQuiet = errors.New("sim: nothing is left to happen and the condition does not hold")

// World is one simulated run. Its methods may be called by the goroutine that
// owns it, by tasks and by inline functions; those that drive it (Run, RunFor,
// RunUntil, Close) only by the first.
type World struct {
	cfg      Config
	strategy Strategy
	timers   timerPicker // the strategy, if it is one
	level    slog.Leveler

	now       int64 // nanoseconds since the start
	events    uint64
	decisions uint64
	hash      uint64
	points    []Checkpoint
	stride    uint64 // events between two checkpoints
	nextPoint uint64

	heap     heap
	timerSeq uint64
	ready    queue

	ran     *Machine // whose event is the current or last one; nil for the world's own
	running *Task    // nil when the scheduler itself runs
	firing  *timer   // the timer whose inline function runs
	driving bool
	closed  bool
	failure *Failure
	unwound []error

	machines  []*Machine
	byName    map[string]*Machine // for lookup only, never ranged over
	taskSeq   uint64
	live      int // tasks that have not ended
	idle      []*worker
	killOrder splitmix
	streams   map[string]*rand.Rand // for lookup only

	buggify       map[string]*BuggifyPoint // for lookup only; bound: the points in the code
	buggifyPoints []*BuggifyPoint          // the same, in the order in which they were met

	after []func() error
	every []recount

	inlineLock *rt.Mutex   // held by what runs outside a task
	abandoned  []*rt.Mutex // left locked by tasks that have ended

	causeKey any // what context.Cause asks a context for
	probing  bool
	probe    chan struct{} //simvet:allow chan only compared, never used
	probed   *simCtx
	free     []*liveCtx

	watched bool
	driver  uint64 // the number of the goroutine that drives, when watched
	watch   struct {
		step      atomic.Uint64
		task      atomic.Pointer[Task]
		cause     atomic.Uint64
		goroutine atomic.Uint64
		driving   atomic.Bool
	}
}

type recount struct {
	stride uint64
	check  func() error
}

// New returns a world at virtual time zero, without machines. It must be
// closed.
func New(cfg Config) *World {
	if cfg.Strategy == nil {
		cfg.Strategy = Random()
	}
	if cfg.Start.IsZero() {
		cfg.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = 1e10
	}
	if cfg.Checkpoint <= 0 {
		cfg.Checkpoint = 4096
	}
	if cfg.LogLevel == nil {
		cfg.LogLevel = slog.LevelInfo
	}
	w := &World{
		cfg:       cfg,
		strategy:  cfg.Strategy,
		level:     cfg.LogLevel,
		stride:    uint64(cfg.Checkpoint),
		nextPoint: uint64(cfg.Checkpoint),
		byName:    map[string]*Machine{},
		streams:   map[string]*rand.Rand{},
		buggify:   map[string]*BuggifyPoint{},
		killOrder: splitmix(derive(cfg.Seed, "kill order")),
		causeKey:  causeKey(),
		probe:     make(chan struct{}), //simvet:allow chan only compared, never used
	}
	w.timers, _ = cfg.Strategy.(timerPicker)
	w.strategy.Reset(derive(cfg.Seed, "strategy"))
	return w
}

// Machine returns the machine of that name; the first call for a name makes
// it, up and running.
func (w *World) Machine(name string) *Machine {
	if m := w.byName[name]; m != nil {
		return m
	}
	m := newMachine(w, name, uint32(len(w.machines)+1))
	w.machines = append(w.machines, m)
	w.byName[name] = m
	w.fold(KindMachine, m, hashString(name), 0)
	return m
}

// Machines returns all machines in the order in which they were made.
func (w *World) Machines() []*Machine { return append([]*Machine(nil), w.machines...) }

// Now is the virtual time as an instant. It is the world's own: machines have
// clocks with other origins.
func (w *World) Now() mono.Time { return mono.Time(w.now + int64(time.Hour)) }

// Elapsed is the virtual time since the start.
func (w *World) Elapsed() time.Duration { return time.Duration(w.now) }

// Events is the number of events so far. An event is one run of a task until
// it parks, or one firing of a timer.
func (w *World) Events() int { return int(w.events) }

// Ran is the machine to which the current or last event belongs, or nil for an
// event of the world's own: a check after each event need only look at what
// that machine can have changed.
func (w *World) Ran() *Machine { return w.ran }

// Tasks is the number of tasks that have not ended, on all machines.
func (w *World) Tasks() int { return w.live }

// Rand returns the world's own random stream of that purpose, for faults and
// workloads. It is the same one at every call.
func (w *World) Rand(purpose string) *rand.Rand {
	r := w.streams[purpose]
	if r == nil {
		r = newStream(w, nil, derive(w.cfg.Seed, "world/"+purpose))
		w.streams[purpose] = r
	}
	return r
}

// At runs f on the scheduler, outside any task, at the given virtual time
// since the start, or as soon as possible if that has passed. f must not park.
// The name goes to the trace and the hash.
func (w *World) At(d time.Duration, name string, f func()) rt.Timer {
	t := &timer{w: w, idx: idle, kind: timerWorld, name: name, f: f}
	if !w.deaf() {
		w.arm(t, int64(d))
	}
	return t
}

// AfterEach calls check after every event. The first error ends the run as a
// violation. check must not change anything.
func (w *World) AfterEach(check func() error) { w.after = append(w.after, check) }

// Every calls check after every stride events, and whenever nothing is left
// to do. The first error ends the run as a violation.
func (w *World) Every(stride int, check func() error) {
	w.every = append(w.every, recount{uint64(max(stride, 1)), check})
}

// Run lets everything happen until nothing is left: no task can run and no
// timer is pending. It returns nil then, and the *Failure that ended the run
// otherwise. A task that is parked for ever is no failure; Leaks reports it.
func (w *World) Run() error {
	w.drive(math.MaxInt64, nil)
	return w.Failed()
}

// RunFor lets everything happen that falls into the next d of virtual time,
// and leaves the clock at its end. It returns what Run returns.
func (w *World) RunFor(d time.Duration) error {
	limit := saturate(w.now, int64(max(d, 0)))
	if w.drive(limit, nil) == endQuiet && w.failure == nil && limit > w.now {
		w.now = limit
	}
	return w.Failed()
}

// RunUntil lets things happen until cond holds, which it asks first and after
// every event. It returns nil then, ErrTimeout when that took longer than
// limit, ErrQuiet when nothing is left to happen, and otherwise what Run
// returns.
func (w *World) RunUntil(cond func() bool, limit time.Duration) error {
	end := w.drive(saturate(w.now, int64(max(limit, 0))), cond)
	switch {
	case w.failure != nil:
		return w.failure
	case end == endQuiet:
		return ErrQuiet
	case end == endLimit:
		return ErrTimeout
	}
	return nil
}

// Hash is the fold of every decision so far.
func (w *World) Hash() uint64 { return finish(w.hash) }

// Checkpoint is the hash after some event.
type Checkpoint struct {
	Event uint64
	At    time.Duration
	Hash  uint64
}

// Checkpoints returns the hash at intervals, oldest first: where two runs
// part, to be looked for by bisection. There are at most 1024.
func (w *World) Checkpoints() []Checkpoint { return append([]Checkpoint(nil), w.points...) }

// Close kills every task and ends the world: afterwards it holds no
// goroutine, nothing in it happens any more, and calls of its machines do
// nothing. Deferred functions of the tasks run as in a crash.
func (w *World) Close() {
	if w.closed {
		return
	}
	if w.driving || w.running != nil {
		panic("sim: World.Close inside of the world")
	}
	w.closed = true
	w.heap.filter(func(*timer) bool { return true })
	w.ready = queue{}
	var all []*Task
	for _, m := range w.machines {
		m.dark()
		all = append(all, m.tasks...)
	}
	w.kill(all)
	for _, wk := range w.idle {
		wk.stop()
	}
	w.idle = nil
}

// deaf reports whether calls must do nothing, because a dying task makes them
// or the world is closed.
func (w *World) deaf() bool {
	return w.closed || (w.running != nil && w.running.dying)
}

// checkpoint notes the hash, and thins the notes out when there are many.
func (w *World) checkpoint() {
	if len(w.points) == maxCheckpoints {
		for i := range maxCheckpoints / 2 {
			w.points[i] = w.points[2*i+1]
		}
		w.points = w.points[:maxCheckpoints/2]
		w.stride *= 2
	}
	w.points = append(w.points, Checkpoint{w.events, w.Elapsed(), w.Hash()})
	w.nextPoint = w.events + w.stride
}

const maxCheckpoints = 1024

// String describes where the run is.
func (w *World) String() string {
	return fmt.Sprintf("seed %d, strategy %s, %v, event %d, hash %016x",
		w.cfg.Seed, w.strategy.Name(), w.Elapsed(), w.events, w.Hash())
}

// saturate returns a+b for a >= 0, or the largest number.
func saturate(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
