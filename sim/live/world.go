package live

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Config is what a World is made of.
type Config struct {
	Seed       uint64       // of what the story and the network draw
	Runtime    rt.Runtime   // whose goroutines and timers are used
	Transports Transports   // what opens them
	Log        *slog.Logger // what machines log goes there; nil discards it
	// InProcess passes packets on without sockets. In a bubble of
	// testing/synctest it has to be so, since time stands still there while
	// somebody waits for the kernel.
	InProcess bool
}

// Transports opens real transports. Its methods may be called by any
// goroutine.
type Transports interface {
	// ID is what a transport that was opened as id proves to others.
	ID(as transport.PeerID) transport.PeerID
	// Open opens a transport over conn, which is its own from then on. Deadlines
	// are instants of clock.
	Open(as transport.PeerID, cfg transport.Config, conn net.PacketConn, clock rt.Clock) (transport.Transport, error)
}

// World is one live run. Its methods may be called by tasks, by checks and by
// the goroutine that has made it; those that drive it (RunUntil and Close) only
// by the last.
type World struct {
	cfg    Config
	begun  mono.Time
	turn   turn
	driver *task // the goroutine that drives, which holds the turn when it does not
	wake   chan struct{}
	past   context.Context // has ended

	running *task
	ran     *Machine
	cond    func() bool
	failure *sim.Failure
	closed  bool
	outer   *rt.Mutex // held by what runs outside of a task

	events   int
	taskSeq  uint64
	live     int
	timers   int
	machines []*Machine
	byName   map[string]*Machine   // for lookup only
	streams  map[string]*rand.Rand // for lookup only
	luck     *rand.Rand            // of tasks and timers
	after    []func() error
	every    []recount
	net      *Network
	buggify  sim.Buggify
	points   map[string]*sim.BuggifyPoint // of buggify; for lookup, and sorted
}

type recount struct {
	stride int
	check  func() error
}

var _ scenario.World = (*World)(nil)

// New returns a world without machines, which must be closed. Nothing happens
// in it before RunUntil.
func New(cfg Config) *World {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &World{
		cfg: cfg, begun: cfg.Runtime.Now(), wake: make(chan struct{}, 1),
		byName: map[string]*Machine{}, streams: map[string]*rand.Rand{}, points: map[string]*sim.BuggifyPoint{},
	}
	w.luck = w.stream("luck")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.past = ctx
	w.driver = &task{name: "driver", granted: make(chan struct{}, 1)}
	w.turn.held, w.turn.stopped = true, true
	w.net = newNetwork(w)
	return w
}

// Machine returns the machine of that name.
func (w *World) Machine(name string) scenario.Machine { return w.machine(name) }

func (w *World) machine(name string) *Machine {
	m := w.byName[name]
	if m == nil {
		m = newMachine(w, name)
		w.machines, w.byName[name] = append(w.machines, m), m
	}
	return m
}

// Network returns the network.
func (w *World) Network() scenario.Network { return w.net }

// Rand is a random stream that derives from the seed. That the draws are the
// same does not make two runs the same.
func (w *World) Rand(purpose string) *rand.Rand {
	r := w.streams[purpose]
	if r == nil {
		r = w.stream("world/" + purpose)
		w.streams[purpose] = r
	}
	return r
}

func (w *World) stream(purpose string) *rand.Rand {
	b := binary.BigEndian.AppendUint64([]byte("macula live "), w.cfg.Seed)
	return rand.New(rand.NewChaCha8(sha256.Sum256(append(b, purpose...))))
}

// AfterEach has check called whenever a task gives up its turn.
func (w *World) AfterEach(check func() error) { w.after = append(w.after, check) }

// Every has check called after every so many events, and when nothing is left
// to happen.
func (w *World) Every(stride int, check func() error) {
	w.every = append(w.every, recount{max(stride, 1), check})
}

// Ran is whose the present or last event is.
func (w *World) Ran() scenario.Machine {
	if w.ran == nil {
		return nil
	}
	return w.ran
}

// Note logs what was done or met.
func (w *World) Note(k sim.Kind, m scenario.Machine, text string) {
	log := w.cfg.Log
	if m != nil {
		log = m.Logger()
	}
	log.Info(text, "kind", k.String(), "at", w.Elapsed())
}

// Fail ends the run as failed. Only the first failure counts, and what a dying
// task says does not.
func (w *World) Fail(err error) {
	if err != nil && !w.deaf() {
		w.fail(sim.FailCheck, err, string(debug.Stack()))
	}
}

func (w *World) fail(kind sim.FailureKind, err error, stack string) {
	if w.failure != nil || w.deaf() {
		return
	}
	w.failure = &sim.Failure{Kind: kind, Event: uint64(w.events), At: w.Elapsed(), Err: err, Stack: stack}
	if t := w.running; t != nil && t.life != nil {
		w.failure.Machine, w.failure.Task, w.failure.TaskID = t.life.m.name, t.name, t.id
	}
}

// Elapsed is the time since New.
func (w *World) Elapsed() time.Duration { return w.cfg.Runtime.Now().Sub(w.begun) }

// Events is how often a task has given up its turn.
func (w *World) Events() int { return w.events }

// Tasks is the number of tasks that have not ended.
func (w *World) Tasks() int { return w.live }

// event ends an event of t: it checks what is demanded, and stops the world
// when that is no longer so or when the driver wants to know.
func (w *World) event(t *task) {
	w.events++
	w.ran = t.life.m
	if w.turn.crashing != nil || w.turn.stopped {
		return // in the middle of a crash nothing has to hold
	}
	w.running = nil
	for _, check := range w.after {
		w.judge(check)
	}
	for _, r := range w.every {
		if w.events%r.stride == 0 {
			w.judge(r.check)
		}
	}
	if w.failure != nil || w.cond != nil && w.cond() {
		w.turn.stopped = true
		w.poke()
	}
}

// judge runs a check, which must not wait.
func (w *World) judge(check func() error) {
	defer func() {
		if e := recover(); e != nil {
			w.fail(sim.FailPanic, fmt.Errorf("panic: %v", e), string(debug.Stack()))
		}
	}()
	if err := check(); err != nil {
		w.fail(sim.FailCheck, err, "")
	}
}

func (w *World) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// look is how often the driver looks whether nothing is left to happen.
const look = 20 * time.Millisecond

// RunUntil lets tasks run until cond holds, which is asked after every event.
// It returns nil then, sim.ErrTimeout when limit has passed, sim.ErrQuiet when
// no task runs, no timer is pending and no connection is open, and otherwise
// the *sim.Failure that ended the run.
func (w *World) RunUntil(cond func() bool, limit time.Duration) error {
	end := w.Elapsed() + limit
	w.cond = cond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		switch {
		case w.failure != nil:
			return w.failure
		case cond != nil && cond():
			return nil
		case w.Elapsed() >= end:
			return sim.ErrTimeout
		case w.quiet():
			for _, r := range w.every {
				w.judge(r.check)
			}
			if w.failure != nil {
				return w.failure
			}
			return sim.ErrQuiet
		}
		w.turn.stopped = false
		w.turn.give()
		select {
		case <-w.wake:
		case <-tick.C:
		}
		w.begin(w.driver)
		w.running = nil
		w.turn.stopped = true
	}
}

// quiet reports whether nothing is left that could still happen.
func (w *World) quiet() bool {
	if w.timers > 0 || w.net.busy() {
		return false
	}
	for _, m := range w.machines {
		for _, t := range m.life.tasks {
			if t.parker == nil || !t.parker.idle() {
				return false
			}
		}
		for h := range m.life.hooks {
			if h.ctx.Err() != nil {
				return false // it is about to run
			}
		}
	}
	return true
}

// Refuses says what of a line of a plan is not possible live, or nothing.
func (w *World) Refuses(st *plan.Statement) string {
	if (st.Verb.Name == "link" || st.Verb.Name == "weather") && st.Int("mtu") > 0 {
		return "the size of packets is QUIC's own"
	}
	return ""
}

// Close ends every task as a crash does, then the network, and waits until no
// goroutine of the world is left.
func (w *World) Close() {
	if w.closed {
		return
	}
	w.turn.stopped = true
	var all []*task
	for _, m := range w.machines {
		m.dark()
		all = append(all, m.life.tasks...)
	}
	w.kill(all)
	for _, h := range w.net.hosts {
		h.Crash()
	}
	w.closed = true
	// What still comes finds its machine down.
	w.turn.stopped = false
	w.turn.give()
	w.net.close()
	if r, ok := w.cfg.Runtime.(interface{ Wait(context.Context) error }); ok {
		r.Wait(context.Background())
	}
}

// Waiters says which tasks wait on what.
func (w *World) Waiters() []string {
	var out []string
	for _, m := range w.machines {
		for _, t := range m.life.tasks {
			if t != w.running {
				out = append(out, fmt.Sprintf("%s: task %s#%d, made at %s, %s", m.name, t.name, t.id, t.site, t.waiting()))
			}
		}
	}
	return out
}

func (t *task) waiting() string {
	if t.doing == "" {
		return "ready"
	}
	return fmt.Sprintf("in %s since %v, at %s", t.doing, t.since.Round(time.Millisecond), t.where)
}

// Leaks lists every task, timer, AfterDone and child context of the machines,
// the running task excepted.
func (w *World) Leaks() []scenario.Leak {
	var out []scenario.Leak
	for _, m := range w.machines {
		for _, text := range m.life.left(w.running) {
			out = append(out, scenario.Leak{Machine: m.name, Text: m.name + ": " + text})
		}
	}
	return out
}

// locked and unlocked are rt.LockObserver for the machines.
func (w *World) locked(m *rt.Mutex) {
	h := w.holds()
	if *h != nil {
		panic("live: a second rt.Mutex is locked by one task")
	}
	*h = m
}

func (w *World) unlocked(m *rt.Mutex) {
	if h := w.holds(); *h == m {
		*h = nil
	}
}

// mayPark refuses what may wait to whoever has a lock.
func (w *World) mayPark(what string) {
	if *w.holds() != nil {
		panic("live: " + what + " with an rt.Mutex held")
	}
}

// holds is where the lock of whoever runs is noted.
func (w *World) holds() **rt.Mutex {
	if w.running != nil {
		return &w.running.lock
	}
	return &w.outer
}
