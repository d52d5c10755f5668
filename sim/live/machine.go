package live

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
)

// Machine is a computer of a World: an rt.Runtime whose tasks take turns with
// those of all others. Whoever has the turn may call its methods; its clocks
// may be read by anyone.
type Machine struct {
	w       *World
	name    string
	clock   clock
	log     *slog.Logger
	streams map[string]*rand.Rand // for lookup only
	onCrash []*func()

	up     bool
	paused bool
	slow   atomic.Int64 // the longest delay, in nanoseconds
	life   *life        // the present one
}

// life is what runs on a machine between two crashes.
type life struct {
	m        *Machine
	over     bool
	tasks    []*task
	timers   map[*timer]struct{}
	hooks    map[*hook]struct{}
	contexts map[*liveCtx]struct{}
}

var (
	_ scenario.Machine = (*Machine)(nil)
	_ rt.LockObserver  = (*Machine)(nil)
	_ rt.Buggifier     = (*Machine)(nil)
)

func newMachine(w *World, name string) *Machine {
	m := &Machine{w: w, name: name, up: true, streams: map[string]*rand.Rand{}, log: w.cfg.Log.With("machine", name)}
	m.clock.base, m.clock.mono0, m.clock.wall0 = w.cfg.Runtime, w.cfg.Runtime.Now(), w.cfg.Runtime.Wall()
	m.life = newLife(m)
	return m
}

func newLife(m *Machine) *life {
	return &life{m: m, timers: map[*timer]struct{}{}, hooks: map[*hook]struct{}{}, contexts: map[*liveCtx]struct{}{}}
}

// Name is what World.Machine was called with.
func (m *Machine) Name() string { return m.name }

// Logger returns a logger that names the machine.
func (m *Machine) Logger() *slog.Logger { return m.log }

// Tasks is the number of its tasks that have not ended.
func (m *Machine) Tasks() int { return len(m.life.tasks) }

// Up reports whether the machine runs.
func (m *Machine) Up() bool { return m.up }

// Paused reports whether it stands still.
func (m *Machine) Paused() bool { return m.paused }

// Go implements rt.Runtime.
func (m *Machine) Go(name string, f func()) {
	w := m.w
	if !m.up || w.deaf() {
		return
	}
	t := w.newTask(m.life, name, here().String())
	w.add(t)
	w.cfg.Runtime.Go(name, func() { w.body(t, f) })
}

// Yield implements rt.Runtime: others run before the task goes on.
func (m *Machine) Yield() {
	f := runtime.Gosched
	if m.w.cfg.InProcess {
		f = func() {} // they do, whenever a task gives up its turn
	}
	m.w.outside("Yield", nil, f)
}

// Rand implements rt.Runtime. The stream derives from the seed of the world,
// the name of the machine and the purpose.
func (m *Machine) Rand(purpose string) *rand.Rand {
	r := m.streams[purpose]
	if r == nil {
		r = m.w.stream("machine/" + m.name + "/" + purpose)
		m.streams[purpose] = r
	}
	return r
}

// Locked and Unlocked implement rt.LockObserver: a task that waits with a lock
// would stop the world.
func (m *Machine) Locked(x *rt.Mutex) { m.w.locked(x) }

// Unlocked is the end of Locked.
func (m *Machine) Unlocked(x *rt.Mutex) { m.w.unlocked(x) }

// MayPark implements rt.LockObserver.
func (m *Machine) MayPark(method string) { m.w.mayPark(method) }

// OnCrash has f called at every crash, after the timers of the machine are gone
// and before the first of its tasks is unwound.
func (m *Machine) OnCrash(f func()) (remove func()) {
	h := &f
	m.onCrash = append(m.onCrash, h)
	return func() { *h = nil }
}

// Crash ends everything that runs on the machine: its timers are gone, its
// tasks are unwound, and what their deferred functions do reaches nobody. It
// returns when all have ended. Called by a task of the machine itself, it does
// not return.
func (m *Machine) Crash() {
	if m.w.deaf() || !m.up {
		return
	}
	m.w.Note(sim.KindCrash, m, "crash")
	m.crash()
	m.endSelf()
}

// Restart brings the machine back, without tasks. One that is up crashes first.
func (m *Machine) Restart() {
	if m.w.deaf() {
		return
	}
	m.w.Note(sim.KindRestart, m, "restart")
	if m.up {
		m.crash()
	}
	m.life = newLife(m)
	m.up = true
	m.endSelf()
}

func (m *Machine) crash() {
	m.dark()
	m.w.kill(append([]*task(nil), m.life.tasks...))
}

// dark cuts the machine off before its tasks are unwound.
func (m *Machine) dark() {
	if !m.up {
		return
	}
	m.up, m.paused, m.life.over = false, false, true
	for t := range m.life.timers {
		t.disarm()
	}
	for h := range m.life.hooks {
		h.drop()
	}
	clear(m.life.contexts)
	running := m.w.running
	m.w.running = nil
	for _, f := range m.onCrash {
		if *f != nil {
			(*f)()
		}
	}
	m.w.running = running
}

// endSelf ends the running task if it was one of those that died.
func (m *Machine) endSelf() {
	if t := m.w.running; t != nil && t.killed {
		runtime.Goexit()
	}
}

// Pause makes the machine stand still: none of its tasks runs and no packet
// gets in or out. A task of its own that calls it goes on until it waits.
func (m *Machine) Pause() {
	if m.w.deaf() || !m.up || m.paused {
		return
	}
	m.w.Note(sim.KindPause, m, "pause")
	m.paused = true
	m.w.net.freeze(m.name, true)
}

// Resume lets a machine that stands still go on.
func (m *Machine) Resume() {
	if m.w.deaf() || !m.paused {
		return
	}
	m.w.Note(sim.KindResume, m, "resume")
	m.paused = false
	m.w.net.freeze(m.name, false)
}

// Slow makes a task wait for up to longest before it goes on after a wait.
func (m *Machine) Slow(longest time.Duration) {
	if !m.w.deaf() {
		m.slow.Store(int64(max(longest, 0)))
	}
}

// delay is how long something has to wait before it goes on, by its luck. It
// needs no turn.
func (m *Machine) delay(luck uint64) time.Duration {
	d := m.slow.Load()
	if d <= 0 {
		return 0
	}
	return time.Duration(luck % uint64(d+1))
}
