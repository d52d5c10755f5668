package sim

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/rt"
)

// Machine is one computer of a World: an rt.Runtime with clocks of its own,
// which can crash, restart, stand still and be slow.
//
// Tasks, inline functions and the goroutine that owns the world may call its
// methods. On a machine that is down, nothing can be started or set.
type Machine struct {
	w    *World
	id   uint32
	gen  uint32 // grows with every restart
	name string
	up   bool

	paused     bool
	heldTasks  []*Task  // ready while it stands still
	heldTimers []*timer // due while it stands still

	slow     time.Duration // longest delay of a task that becomes ready
	slowness *rand.Rand

	clock   machineClock
	streams map[string]*rand.Rand // for lookup only
	buggify map[string]*splitmix  // for lookup only
	log     *slog.Logger
	onCrash []*crashHook

	tasks    []*Task
	hooks    list[hook]
	contexts list[simCtx]
}

var (
	_ rt.Runtime      = (*Machine)(nil)
	_ rt.LockObserver = (*Machine)(nil)
	_ rt.InlineTimer  = (*Machine)(nil)
	_ rt.Buggifier    = (*Machine)(nil)
)

func newMachine(w *World, name string, id uint32) *Machine {
	m := &Machine{w: w, id: id, gen: 1, name: name, up: true, streams: map[string]*rand.Rand{}, buggify: map[string]*splitmix{}}
	// Another origin for each, so that instants of two machines that are
	// compared by mistake do not look right.
	m.clock.origin = int64(time.Hour) + int64(derive(w.cfg.Seed, "origin/"+name)%uint64(1000*time.Hour))
	m.log = slog.New(newLogHandler(m))
	return m
}

// Name is what World.Machine was called with.
func (m *Machine) Name() string { return m.name }

// World is the world that the machine belongs to.
func (m *Machine) World() *World { return m.w }

// Tasks is the number of its tasks that have not ended.
func (m *Machine) Tasks() int { return len(m.tasks) }

// Go implements rt.Runtime.
func (m *Machine) Go(name string, f func()) {
	if m.up && !m.w.deaf() {
		m.spawn(name, f, m.w.site())
	}
}

// Yield implements rt.Runtime: the task goes to the end of those that are
// ready, and the strategy chooses.
func (m *Machine) Yield() {
	w := m.w
	t := w.current("Yield")
	t.since = w.now
	w.makeReady(t, causeOf(KindNote, 0))
	t.pause()
}

// NewParker implements rt.Runtime.
func (m *Machine) NewParker() rt.Parker { return &parker{w: m.w} }

// Rand implements rt.Runtime. The stream derives from the world's seed, the
// machine's name and the purpose, and goes on across restarts. Every draw is
// folded into the hash.
func (m *Machine) Rand(purpose string) *rand.Rand {
	r := m.streams[purpose]
	if r == nil {
		r = newStream(m.w, m, derive(derive(m.w.cfg.Seed, "machine/"+m.name), purpose))
		m.streams[purpose] = r
	}
	return r
}

// Logger returns the machine's logger. Its lines go to the trace with the
// virtual time, and into the hash; those below Config.LogLevel do neither.
func (m *Machine) Logger() *slog.Logger { return m.log }

// AfterFunc implements rt.Runtime. The task's name is rt.AfterFunc.
func (m *Machine) AfterFunc(d time.Duration, f func()) rt.Timer {
	return m.after(timerTask, d, f, m.w.site())
}

// AfterInline implements rt.InlineTimer. f must not park; a mutex that it
// locks it must unlock.
func (m *Machine) AfterInline(d time.Duration, f func()) rt.Timer {
	return m.after(timerInline, d, f, m.w.site())
}

func (m *Machine) after(kind timerKind, d time.Duration, f func(), from site) rt.Timer {
	t := &timer{w: m.w, m: m, idx: idle, gen: m.gen, kind: kind, name: "rt.AfterFunc", f: f, site: from}
	m.set(t, d, m.up && !m.w.deaf())
	return t
}

// alive reports whether what was made in generation gen still counts.
func (m *Machine) alive(gen uint32) bool { return m.up && m.gen == gen }
