package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// town is a few places that all have a transport with a listener.
type town struct {
	s      *scenario.Stage
	places []*scenario.Place
	trs    []transport.Transport
	lis    []transport.Listener
}

func newTown(s *scenario.Stage, n int) *town {
	x := &town{s: s}
	for i := range n {
		p := s.Place(fmt.Sprint("p", i))
		tr := p.Transport(transport.PeerID{byte(i)}, transport.Config{HandshakeTimeout: 100 * time.Millisecond})
		l, _ := tr.Listen(transport.ListenConfig{})
		x.places, x.trs, x.lis = append(x.places, p), append(x.trs, tr), append(x.lis, l)
		s.Defer(func() { tr.Close() })
	}
	s.SetLinks(scenario.Link{Latency: time.Millisecond})
	return x
}

// connect returns both ends of a new connection, or why there is none.
func (x *town) connect(a, b int) (ca, cb transport.Conn, err error) {
	x.places[a].Do("dial", func() {
		ca, err = x.trs[a].Dial(context.Background(), x.places[b].Addr(), transport.PeerID{byte(b)})
	})
	if err != nil {
		return nil, nil, err
	}
	x.places[b].Do("accept", func() { cb, err = x.lis[b].Accept(context.Background()) })
	return ca, cb, err
}

// talks names the pairs of places that can talk to each other.
func (x *town) talks() string {
	var all []string
	for a := range x.places {
		for b := range a {
			if ca, _, err := x.connect(a, b); err == nil {
				all = append(all, fmt.Sprintf("%d%d", b, a))
				ca.CloseWithError(0, "")
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestEachModeOfPartitionSeparatesWhomItSays(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(x *town)
		want string
	}{
		{"none", func(*town) {}, "01 02 03 04 12 13 14 23 24 34"},
		{"isolate", func(x *town) { x.s.Isolate(x.places[2]) }, "01 03 04 13 14 34"},
		{"split", func(x *town) { x.s.Split(x.places[:2], x.places[2:4]) }, "01 04 14 23 24 34"},
		{"ring", func(x *town) { x.s.Ring(x.places) }, "01 04 12 23 34"},
		{"ring of four", func(x *town) { x.s.Ring(x.places[:4]) }, "01 03 04 12 14 23 24 34"},
		{"one way", func(x *town) { x.s.OneWay(x.places[:1], x.places[1:3]) }, "03 04 12 13 14 23 24 34"},
		{"healed", func(x *town) {
			x.s.OneWay(x.places[:1], x.places[1:3])
			x.s.Heal(x.places[0], x.places[2])
		}, "02 03 04 12 13 14 23 24 34"},
		{"all healed", func(x *town) {
			x.s.Isolate(x.places[0])
			x.s.Ring(x.places)
			x.s.HealAll()
		}, "01 02 03 04 12 13 14 23 24 34"},
	} {
		r := mustPlay(t, story(func(s *scenario.Stage) {
			x := newTown(s, 5)
			c.do(x)
			got := x.talks()
			s.Check(got == c.want, "who talks", "%s, want %s", got, c.want)
		}), scenario.Options{Seed: 1})
		if !r.Held() {
			t.Errorf("%s: %v", c.name, r.Failure.Err)
		}
	}
}

func TestASplitIsOneWayOnlyWhenItSaysSo(t *testing.T) {
	holds(t, func(s *scenario.Stage, x *town) {
		ca, cb, err := x.connect(0, 1)
		s.Check(err == nil, "connected", "%v", err)
		s.OneWay(x.places[:1], x.places[1:])
		sb, _ := cb.OpenStream(context.Background())
		sb.Write([]byte("back"))
		x.places[0].Do("accept", func() {
			sa, err := ca.AcceptStream(context.Background())
			s.Check(err == nil && sa != nil, "what comes back passes", "%v", err)
		})
	})
}

// holds plays a story in a town of three and demands that it holds, twice with
// the same hash.
func holds(t *testing.T, play func(s *scenario.Stage, x *town)) {
	t.Helper()
	run := func() uint64 {
		r := mustPlay(t, story(func(s *scenario.Stage) { play(s, newTown(s, 3)) }), scenario.Options{Seed: 3})
		if !r.Held() {
			t.Errorf("%s: %v", r.Failure.Property, r.Failure.Err)
		}
		return r.Hash
	}
	if a, b := run(), run(); a != b {
		t.Errorf("the hashes are %x and %x", a, b)
	}
}

func TestASwizzleHoldsSomeLinksAndLosesNothing(t *testing.T) {
	holds(t, func(s *scenario.Stage, x *town) {
		ca, cb, err := x.connect(0, 1)
		s.Check(err == nil, "connected", "%v", err)
		slowest, sent := time.Duration(0), 0
		job := x.places[0].Go("talk", func() {
			sa, _ := ca.OpenStream(context.Background())
			for ; sent < 300; sent++ {
				now := x.places[0].Runtime().Now()
				sa.Write([]byte{byte(sent)})
				if _, err := io.ReadFull(sa, make([]byte, 1)); err != nil {
					return
				}
				slowest = max(slowest, x.places[0].Runtime().Now().Sub(now))
			}
			sa.Close()
		})
		x.places[1].Go("echo", func() {
			sb, _ := cb.AcceptStream(context.Background())
			io.Copy(sb, sb)
			sb.Close()
		})
		for range 3 {
			start := x.places[2].Runtime().Now()
			s.Swizzle(s.Rand("swizzle"), x.places, 100*time.Millisecond)
			d := x.places[2].Runtime().Now().Sub(start)
			s.Check(d > 0 && d <= 100*time.Millisecond, "it ends within its time", "after %v", d)
		}
		job.Wait()
		s.Check(sent == 300, "nothing is lost", "%d of 300 came back", sent)
		s.Check(slowest > 5*time.Millisecond, "a link was held", "the slowest took %v", slowest)
		s.Swizzle(s.Rand("swizzle"), x.places[:1], time.Second) // no links
	})
}

func TestAHeldLinkCanBeLookedInto(t *testing.T) {
	holds(t, func(s *scenario.Stage, x *town) {
		s.Hold(x.places[0], x.places[1])
		x.places[0].Go("dial", func() { x.connect(0, 1) })
		s.Sleep(10 * time.Millisecond)
		var held []string
		for _, p := range s.InFlight(x.places[0], x.places[1]) {
			held = append(held, p.String())
		}
		s.Check(slices.Equal(held, []string{"initial, #1"}), "what is held", "%q", held)
		s.Release(x.places[0], x.places[1])
		s.Sleep(10 * time.Millisecond)
		s.Check(x.places[0].Conns() == 1 && len(s.InFlight(x.places[0], x.places[1])) == 0, "it is let go", "%d connections", x.places[0].Conns())
	})
}

func TestFaultsOfAPlaceAndOfConnections(t *testing.T) {
	holds(t, func(s *scenario.Stage, x *town) {
		a, b := x.places[0], x.places[1]
		want := func(what string, want error) {
			_, _, err := x.connect(0, 1)
			s.Check(errors.Is(err, want), what, "got %v, want %v", err, want)
		}
		a.ExhaustPorts(true)
		want("no ports", netsim.ErrNoPorts)
		a.ExhaustPorts(false)
		b.StallHandshakes(true)
		want("stalled", transport.ErrHandshakeTimeout)
		b.StallHandshakes(false)
		want("well", nil)
		s.Check(s.HalfOpen(a, b) == 1 && b.Conns() == 0 && a.Conns() == 1, "half open", "%d and %d connections", a.Conns(), b.Conns())
		s.Kill(a, b)
		old, now := a.Addr(), a.Rebind()
		s.Check(a.Addr() == now && now != old, "rebound", "from %v to %v", old, now)
		ca, cb, _ := x.connect(0, 1)
		s.Check(cb.RemoteAddr() == now, "seen at the new address", "%v", cb.RemoteAddr())
		b.SlowReader(10)
		sa, _ := ca.OpenStream(context.Background())
		sa.Write([]byte("12345"))
		b.Do("read", func() {
			start := b.Runtime().Now()
			sb, _ := cb.AcceptStream(context.Background())
			io.ReadFull(sb, make([]byte, 5))
			d := b.Runtime().Now().Sub(start)
			s.Check(d >= 400*time.Millisecond && d < 500*time.Millisecond, "read slowly", "it took %v", d)
		})
		s.KillAfter(a, b, 3)
		sa.Write([]byte("12345"))
		s.Sleep(10 * time.Millisecond)
		s.Check(errors.Is(context.Cause(ca.Context()), netsim.ErrKilled), "killed", "%v", context.Cause(ca.Context()))
		b.FailHandshakes(true)
		x.places[0].Do("dial", func() {
			c, err := x.trs[0].Dial(context.Background(), b.Addr(), transport.PeerID{1})
			s.Check(err == nil, "refused late", "%v", err)
			a.Runtime().NewParker().Park(c.Context())
			s.Check(errors.Is(context.Cause(c.Context()), transport.ErrHandshake), "refused late", "%v", context.Cause(c.Context()))
		})
	})
}
