package scenario

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	simstore "github.com/maculamesh/macula/sim/store"
	"github.com/maculamesh/macula/transport"
)

// Place is a machine with its place in the network. What runs on it is lost
// when it crashes: its connections with it, silently.
type Place struct {
	s          *Stage
	machine    Machine
	host       Host
	local      []*property
	gauges     []*gauge
	samplers   []*gauge
	jobs       []*Job         // that run
	on         map[string]int // faults of a plan that have not ended, by their kind; for lookup only
	disk       *simstore.Disk
	diskFaults simstore.Faults           // what a plan says of it
	changes    []*func(*simstore.Faults) // faults that change that
	disturbed  mono.Time                 // the last time that one of them changed its speed or its clocks
}

// Place returns the place of that name; the first call for a name makes it.
func (s *Stage) Place(name string) *Place {
	if p := s.byName[name]; p != nil {
		return p
	}
	p := &Place{s: s, machine: s.w.Machine(name), host: s.net.Host(name), on: map[string]int{}}
	s.places = append(s.places, p)
	s.at[p.machine] = p
	s.byName[name] = p
	p.machine.OnCrash(p.host.Crash)
	return p
}

// Name is the name of the place.
func (p *Place) Name() string { return p.machine.Name() }

// Runtime is the world of what runs there.
func (p *Place) Runtime() rt.Runtime { return p.machine }

// Logger writes to the trace.
func (p *Place) Logger() *slog.Logger { return p.machine.Logger() }

// Addr is where it can be dialled.
func (p *Place) Addr() transport.Addr { return p.host.Addr() }

// Transport attaches to the network as id. One at a time.
func (p *Place) Transport(id transport.PeerID, cfg transport.Config) transport.Transport {
	return p.host.Transport(p.machine, id, cfg)
}

// Conns counts the connections that are open at this place, by the network's
// own books.
func (p *Place) Conns() int { return p.host.Stats().Conns }

// ConnsTo counts the connections that the other places hold to this one, by
// their books.
func (p *Place) ConnsTo() int { return p.host.ConnsTo() }

// PeakConns is the most connections that were open at any moment, at this
// place and at the other places to it. ok is false where the network does not
// remember it.
func (p *Place) PeakConns() (here, there int, ok bool) {
	h, ok := p.host.(interface{ PeakConns() (here, there int) })
	if ok {
		here, there = h.PeakConns()
	}
	return here, there, ok
}

// Crash ends everything that runs there, in the middle of what it does.
func (p *Place) Crash() {
	p.machine.Crash()
	for _, j := range p.jobs {
		j.done.Fire()
	}
	p.jobs = nil
}

// Restart makes the place usable again after a crash.
func (p *Place) Restart() { p.machine.Restart() }

// Pause makes the place stand still, as a virtual machine that is suspended;
// Resume lets it go on.
func (p *Place) Pause() { p.machine.Pause() }

// Resume ends a Pause.
func (p *Place) Resume() { p.machine.Resume() }

// StepWall sets the calendar clock of the place forward, or back.
func (p *Place) StepWall(d time.Duration) { p.machine.StepWall(d) }

// Streams counts the streams that are open at this place, by the network's own
// books.
func (p *Place) Streams() int { return p.host.Stats().Streams }

// Leaks lists what is left of what ran at this place: tasks, timers and
// contexts, one line for each.
func (p *Place) Leaks() []string {
	var out []string
	if m, ok := p.machine.(interface{ Leaks() []sim.Leak }); ok {
		for _, l := range m.Leaks() {
			out = append(out, l.String())
		}
		return out
	}
	for _, l := range p.s.w.Leaks() {
		if l.Machine == p.Name() {
			out = append(out, l.Text)
		}
	}
	return out
}

// Always is Stage.Always for a property that only events of this place can
// change.
func (p *Place) Always(name string, check func() error) {
	p.s.add(&p.local, name, check)
}

// Gauge watches a number after every event of this place. A limit below zero
// is none; a number above its limit is a violation.
func (p *Place) Gauge(name string, limit int, read func() int) {
	g := &gauge{Gauge: Gauge{Name: name, Limit: limit}, read: read}
	p.s.gauges = append(p.s.gauges, g)
	p.gauges = append(p.gauges, g)
}

// Sample shows a number of this place to whoever draws the run, after every
// event of the place. Nothing is demanded of it, and a run that nobody draws
// does not read it. A limit below zero is none.
func (p *Place) Sample(name string, limit int, read func() int) {
	g := &gauge{Gauge: Gauge{Name: p.Name() + " " + name, Limit: limit}, read: read}
	p.samplers = append(p.samplers, g)
}

// Forget drops the properties and gauges of this place: what they watched is
// gone. Their peaks stay.
func (p *Place) Forget() {
	p.local, p.gauges, p.samplers = nil, nil, nil
}

// afterEvent checks what the last event, which was of this place, can have
// changed.
func (p *Place) afterEvent() error {
	for _, x := range p.local {
		if err := x.eval(); err != nil {
			return err
		}
	}
	for _, g := range p.gauges {
		if err := g.sample(); err != nil {
			return err
		}
	}
	if s := p.s; s.sample != nil {
		for _, g := range p.samplers {
			s.sample(s.w.Elapsed(), uint64(s.w.Events()), g.Name, g.read(), g.Limit)
		}
	}
	return nil
}

// Job is something that runs at a place.
type Job struct {
	done     *rt.Event
	finished bool
}

// Go starts f as a task of the place.
func (p *Place) Go(name string, f func()) *Job {
	if !p.machine.Up() {
		j := &Job{done: rt.NewEvent(p.s.director)}
		j.done.Fire()
		return j
	}
	var j *Job
	j = p.s.start(p.machine, name, func() {
		f()
		p.jobs = slices.DeleteFunc(p.jobs, func(o *Job) bool { return o == j })
	})
	p.jobs = append(p.jobs, j)
	return j
}

// Do runs f as a task of the place and waits for it. It reports false when the
// place crashed first.
func (p *Place) Do(name string, f func()) bool { return p.Go(name, f).Wait() }

// Wait waits for the end of the job and reports whether it came to it; false
// when its place crashed first.
func (j *Job) Wait() bool {
	j.done.Wait(context.Background())
	return j.finished
}

// Done reports whether the job is over, one way or the other. It never waits.
func (j *Job) Done() bool { return j.done.Fired() }
