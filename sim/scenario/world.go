package scenario

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// World is where a story takes place: a simulated one, or a live one as
// sim/live has it. One task runs at a time, whatever the world is made of: so
// stories share plain variables, and a check sees nothing half done. An event
// is what one task does until it waits.
type World interface {
	// Machine returns the machine of that name; the first call makes it.
	Machine(name string) Machine
	// Network returns the network between the machines, always the same one.
	Network() Network
	// Rand is the random stream of that purpose, always the same one.
	Rand(purpose string) *rand.Rand

	// AfterEach has check called after every event, and Every after every so
	// many and when nothing is left to happen. An error ends the run.
	AfterEach(check func() error)
	Every(stride int, check func() error)
	// Ran is whose the present or last event is; nil for the world's own.
	Ran() Machine
	// Note tells whoever follows the run of something, of a machine or of none.
	Note(k sim.Kind, m Machine, text string)
	// Fail ends the run. Only the first failure counts.
	Fail(err error)

	// RunUntil lets things happen until cond holds. It returns what that of
	// sim.World does.
	RunUntil(cond func() bool, limit time.Duration) error
	// Elapsed is the time since the start, Events and Tasks count those.
	Elapsed() time.Duration
	Events() int
	Tasks() int
	// Waiters says which tasks wait on what, a line for each, and Leaks what is
	// left of the machines.
	Waiters() []string
	Leaks() []Leak
}

// Machine is a computer of a World. Its methods are those of sim.Machine.
type Machine interface {
	rt.Runtime
	Name() string
	Logger() *slog.Logger
	Tasks() int
	Up() bool
	Paused() bool
	OnCrash(f func()) (remove func())
	Crash()
	Restart()
	Pause()
	Resume()
	Slow(longest time.Duration)
	StepWall(d time.Duration)
	StepMono(d time.Duration)
	Drift(ppm int64)
}

// Leak is something that is left of a machine.
type Leak struct {
	Machine string
	Text    string // the machine, what it is, and who made it
}

// Host is the place of a machine in a Network. Its methods are those of
// netsim.Host.
type Host interface {
	Name() string
	Addr() transport.Addr
	Transport(r rt.Runtime, id transport.PeerID, cfg transport.Config) transport.Transport
	Stats() transport.Stats
	ConnsTo() int
	Crash()
}

// Network is what lies between the machines of a World. Its methods are those
// of netsim.Net.
type Network interface {
	Host(name string) Host
	Link(from, to Host) Link
	SetLink(from, to Host, l Link)
	Cut(from, to Host)
	Heal(from, to Host)
	Partition(groups ...[]Host)
	HealAll()
	Hold(from, to Host)
	Release(from, to Host)
	InFlight(from, to Host) []netsim.Packet
	Kill(a, b Host) int
	KillAfter(from, to Host, bytes int64)
	HalfOpen(a, b Host) int
	StallHandshakes(h Host, on bool)
	FailHandshakes(h Host, on bool)
	ExhaustPorts(h Host, on bool)
	SlowReader(h Host, bytesPerSecond int64)
	Rebind(h Host) transport.Addr
	Orphans() []string
	// Check and Audit say whether the network's own books agree, the first one
	// quickly.
	Check() error
	Audit() error
	Leaks() []string
}
