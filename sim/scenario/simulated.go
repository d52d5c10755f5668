package scenario

import (
	"math/rand/v2"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// simulated is a World of sim with a network of netsim.
type simulated struct {
	w   *sim.World
	net simulatedNet
}

// simulate puts a network into w.
func simulate(w *sim.World) *simulated {
	s := &simulated{w: w}
	s.net.w, s.net.machines = w, map[*netsim.Host]*sim.Machine{}
	w.Machine(directorName) // the first one, in every world
	s.net.Net = netsim.New(netsim.Config{Runtime: w.Machine(networkName), Recorder: recorder{s}})
	return s
}

func (s *simulated) Machine(name string) Machine { return s.w.Machine(name) }

func (s *simulated) Network() Network { return &s.net }

func (s *simulated) Rand(purpose string) *rand.Rand { return s.w.Rand(purpose) }

func (s *simulated) AfterEach(check func() error) { s.w.AfterEach(check) }

func (s *simulated) Every(stride int, check func() error) { s.w.Every(stride, check) }

func (s *simulated) Ran() Machine {
	if m := s.w.Ran(); m != nil {
		return m
	}
	return nil
}

func (s *simulated) Note(k sim.Kind, m Machine, text string) {
	on, _ := m.(*sim.Machine)
	s.w.Note(k, on, text)
}

func (s *simulated) Fail(err error) { s.w.Fail(err) }

func (s *simulated) RunUntil(cond func() bool, limit time.Duration) error {
	return s.w.RunUntil(cond, limit)
}

func (s *simulated) Elapsed() time.Duration { return s.w.Elapsed() }

func (s *simulated) Events() int { return s.w.Events() }

func (s *simulated) Tasks() int { return s.w.Tasks() }

func (s *simulated) Waiters() []string {
	var out []string
	for _, x := range s.w.Waiters() {
		out = append(out, x.String())
	}
	return out
}

func (s *simulated) Leaks() []Leak {
	var out []Leak
	for _, l := range s.w.Leaks() {
		out = append(out, Leak{l.Machine, l.String()})
	}
	return out
}

// recorder takes what the network decides into the hash.
type recorder struct{ s *simulated }

func (r recorder) Delivered(p *netsim.Packet) { r.packet(sim.KindDeliver, p) }

func (r recorder) Dropped(p *netsim.Packet) { r.packet(sim.KindDrop, p) }

func (r recorder) packet(k sim.Kind, p *netsim.Packet) {
	a, b := p.Words()
	r.s.w.FoldDetail(k, r.s.at(p.To), a, b, func(rec *sim.Record) {
		rec.Peer, rec.Took, rec.Text = p.From.Name(), p.Took, p.String()
	})
}

func (r recorder) Fault(h *netsim.Host, text string) { r.s.w.Note(sim.KindFault, r.s.at(h), text) }

// at is the machine of a host, or nil.
func (s *simulated) at(h *netsim.Host) *sim.Machine { return s.net.machines[h] }

// simulatedNet is netsim.Net as a Network.
type simulatedNet struct {
	*netsim.Net
	w        *sim.World
	machines map[*netsim.Host]*sim.Machine // for lookup only
}

func host(h Host) *netsim.Host { return h.(*netsim.Host) }

func (n *simulatedNet) Host(name string) Host {
	h := n.Net.Host(name)
	n.machines[h] = n.w.Machine(name)
	return h
}

func (n *simulatedNet) Link(from, to Host) Link { return n.Net.Link(host(from), host(to)) }

func (n *simulatedNet) SetLink(from, to Host, l Link) { n.Net.SetLink(host(from), host(to), l) }

func (n *simulatedNet) Cut(from, to Host) { n.Net.Cut(host(from), host(to)) }

func (n *simulatedNet) Heal(from, to Host) { n.Net.Heal(host(from), host(to)) }

func (n *simulatedNet) Partition(groups ...[]Host) {
	out := make([][]*netsim.Host, len(groups))
	for i, g := range groups {
		for _, h := range g {
			out[i] = append(out[i], host(h))
		}
	}
	n.Net.Partition(out...)
}

func (n *simulatedNet) Hold(from, to Host) { n.Net.Hold(host(from), host(to)) }

func (n *simulatedNet) Release(from, to Host) { n.Net.Release(host(from), host(to)) }

func (n *simulatedNet) InFlight(from, to Host) []netsim.Packet {
	return n.Net.InFlight(host(from), host(to))
}

func (n *simulatedNet) Kill(a, b Host) int { return n.Net.Kill(host(a), host(b)) }

func (n *simulatedNet) KillAfter(from, to Host, bytes int64) {
	n.Net.KillAfter(host(from), host(to), bytes)
}

func (n *simulatedNet) HalfOpen(a, b Host) int { return n.Net.HalfOpen(host(a), host(b)) }

func (n *simulatedNet) StallHandshakes(h Host, on bool) { n.Net.StallHandshakes(host(h), on) }

func (n *simulatedNet) FailHandshakes(h Host, on bool) { n.Net.FailHandshakes(host(h), on) }

func (n *simulatedNet) ExhaustPorts(h Host, on bool) { n.Net.ExhaustPorts(host(h), on) }

func (n *simulatedNet) SlowReader(h Host, bytesPerSecond int64) {
	n.Net.SlowReader(host(h), bytesPerSecond)
}

func (n *simulatedNet) Rebind(h Host) transport.Addr { return n.Net.Rebind(host(h)) }

func (n *simulatedNet) Orphans() []string { return n.Net.Orphans(0) }

func (n *simulatedNet) Leaks() []string {
	var out []string
	for _, l := range n.Net.Leaks() {
		out = append(out, l.String())
	}
	return out
}
