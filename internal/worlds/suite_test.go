package worlds_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/maculamesh/macula/internal/worlds"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/rttest"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/transporttest"
)

// bubbled is a transporttest.World in a bubble, which is there while Run runs:
// one machine, whose every host is one of its own in the network.
type bubbled struct {
	rt.Runtime
	t     *testing.T
	link  scenario.Link
	w     *live.World
	hosts []scenario.Host
}

// suitePatience is in virtual time.
const suitePatience = 10 * time.Minute

// Run plays f until nothing is left.
func (b *bubbled) Run(f func()) {
	synctest.Test(b.t, func(t *testing.T) {
		b.w = worlds.Bubble(1, nil)
		m := b.w.Machine("m")
		b.Runtime = m
		over := false
		m.Go("case", func() {
			f()
			over = true
		})
		if err := b.w.RunUntil(func() bool { return over }, suitePatience); err != nil {
			t.Error(err)
		}
		if err := b.w.RunUntil(func() bool { return false }, suitePatience); err != sim.ErrQuiet {
			t.Errorf("in the end: %v", err)
		}
		for _, l := range b.w.Leaks() {
			t.Error(l.Text)
		}
		for _, l := range b.w.Network().Leaks() {
			t.Error(l)
		}
		b.w.Close()
	})
}

func (b *bubbled) Host(cfg transport.Config) transporttest.Host {
	name := string(rune('a' + len(b.hosts)))
	h := b.w.Network().Host(name)
	b.hosts = append(b.hosts, h)
	b.links(func(a, o scenario.Host) { b.w.Network().SetLink(a, o, b.link) })
	id := ident.Simulated(1, name)
	return transporttest.Host{Transport: h.Transport(b.Runtime, id, cfg), ID: id, Addr: h.Addr()}
}

func (b *bubbled) links(f func(a, o scenario.Host)) {
	for _, x := range b.hosts {
		for _, o := range b.hosts {
			if x != o {
				f(x, o)
			}
		}
	}
}

func (b *bubbled) Cut()  { b.links(b.w.Network().Cut) }
func (b *bubbled) Heal() { b.links(b.w.Network().Heal) }

func (b *bubbled) Delay(d time.Duration) {
	b.links(func(a, o scenario.Host) { b.w.Network().SetLink(a, o, scenario.Link{Latency: d}) })
}

func TestQUICConformsOverSimulatedPackets(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		return &bubbled{t: t, link: scenario.Link{Latency: 50 * time.Microsecond, Jitter: 100 * time.Microsecond}}
	})
}

func TestARuntimeConformsInABubble(t *testing.T) {
	t.Parallel()
	rttest.Run(t, func(t *testing.T) rttest.World { return &bubbled{t: t} })
}
