package live_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/sim/live"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func idOf(name string) transport.PeerID { return ident.Simulated(1, name) }

// end is a host with a transport that accepts and echoes.
type end struct {
	m     scenario.Machine
	host  scenario.Host
	tr    transport.Transport
	id    transport.PeerID
	addr  transport.Addr
	conns []transport.Conn
}

// listens starts an end whose tasks run until their connections do.
func listens(w *live.World, name string, cfg transport.Config) *end {
	e := &end{m: w.Machine(name), host: w.Network().Host(name), id: idOf(name)}
	e.m.OnCrash(e.host.Crash)
	e.addr = e.host.Addr()
	e.up(cfg)
	return e
}

func (e *end) up(cfg transport.Config) {
	e.tr = e.host.Transport(e.m, e.id, cfg)
	e.m.Go("accept", func() {
		l, err := e.tr.Listen(transport.ListenConfig{Admit: func(transport.Addr, bool) transport.Verdict { return transport.Accept }})
		if err != nil {
			panic(err)
		}
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			e.conns = append(e.conns, c)
			e.m.Go("serve", func() { e.serve(c) })
		}
	})
}

func (e *end) serve(c transport.Conn) {
	for {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		e.m.Go("echo", func() {
			defer s.Close()
			io.Copy(s, s)
		})
	}
}

// pair is two ends, of which a has dialled b.
type pair struct {
	w    *live.World
	a, b *end
	c    transport.Conn // of a
}

// faulty plays f on a machine of its own beside two ends with short timeouts.
func faulty(t *testing.T, f func(t *testing.T, p *pair)) {
	t.Helper()
	w := newWorld(t)
	cfg := transport.Config{IdleTimeout: 500 * time.Millisecond, HandshakeTimeout: 500 * time.Millisecond}
	p := &pair{w: w, a: listens(w, "a", cfg), b: listens(w, "b", cfg)}
	story := w.Machine("story")
	err := play(t, w, story, func() {
		p.c = p.dial(t)
		wait(story, func() bool { return len(p.b.conns) == 1 })
		f(t, p)
		w.Network().HealAll()
		p.do("close", func() { p.a.tr.Close() })
		if p.b.m.Up() {
			done := false
			p.b.m.Go("close", func() { p.b.tr.Close(); done = true })
			wait(story, func() bool { return done })
		}
		wait(story, func() bool { return p.a.m.Tasks()+p.b.m.Tasks() == 0 })
	})
	if err != nil {
		t.Error(err, w.Waiters())
	}
	for _, l := range w.Leaks() {
		if l.Machine != "story" {
			t.Error(l.Text)
		}
	}
	for _, l := range w.Network().Leaks() {
		t.Error(l)
	}
}

// do runs f at a and waits for it.
func (p *pair) do(name string, f func()) {
	over := false
	p.a.m.Go(name, func() { f(); over = true })
	wait(p.w.Machine("story"), func() bool { return over })
}

func (p *pair) dial(t *testing.T) (c transport.Conn) {
	p.do("dial", func() {
		var err error
		if c, err = p.a.tr.Dial(context.Background(), p.b.host.Addr(), p.b.id); err != nil {
			t.Errorf("dial: %v", err)
		}
	})
	return c
}

// echo sends a few bytes from a and wants them back.
func (p *pair) echo(size int) (err error) {
	p.do("echo", func() {
		var s transport.Stream
		if s, err = p.c.OpenStream(context.Background()); err != nil {
			return
		}
		defer s.Close()
		p.a.m.Go("write", func() {
			s.Write(make([]byte, size))
			s.CloseWrite()
		})
		var got []byte
		if got, err = io.ReadAll(s); err == nil && len(got) != size {
			err = io.ErrUnexpectedEOF
		}
	})
	return err
}

// ends waits for the end of a connection and returns why.
func (p *pair) ends(c transport.Conn) error {
	wait(p.w.Machine("story"), func() bool { return c.Context().Err() != nil })
	return context.Cause(c.Context())
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestPeersAreNamedAsInTheStory(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		if p.c.Peer() != p.b.id || p.b.conns[0].Peer() != p.a.id {
			t.Error("the ids are not those of the story")
		}
		if p.a.host.ConnsTo() != 1 || p.a.host.Stats().Conns != 1 {
			t.Errorf("%d connections to a, %+v", p.a.host.ConnsTo(), p.a.host.Stats())
		}
		wantErr(t, "echo", p.echo(10_000), nil)
	})
}

func TestACrashIsNoticedByTheIdleTimeoutOnly(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.b.m.Crash()
		wantErr(t, "a's end", p.ends(p.c), transport.ErrIdleTimeout)
		if p.a.host.ConnsTo() != 0 {
			t.Error("a crashed host holds connections")
		}
		p.b.conns = nil
		p.b.m.Restart()
		p.b.up(transport.Config{})
		if p.b.host.Addr() != p.b.addr {
			t.Error("the address is another one after a restart")
		}
		p.c = p.dial(t)
		wantErr(t, "echo after the restart", p.echo(100), nil)
	})
}

func TestACutIsNoticedByTheIdleTimeout(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().Cut(p.a.host, p.b.host)
		p.w.Network().Cut(p.b.host, p.a.host)
		wantErr(t, "a's end", p.ends(p.c), transport.ErrIdleTimeout)
		wantErr(t, "b's end", p.ends(p.b.conns[0]), transport.ErrIdleTimeout)
		p.w.Network().Heal(p.a.host, p.b.host)
		p.w.Network().Heal(p.b.host, p.a.host)
		p.c = p.dial(t)
		wantErr(t, "echo when it is healed", p.echo(100), nil)
	})
}

func TestAPartitionIsNoticedByTheIdleTimeout(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().Partition([]scenario.Host{p.a.host}, []scenario.Host{p.b.host})
		wantErr(t, "a's end", p.ends(p.c), transport.ErrIdleTimeout)
	})
}

func TestAKillEndsBothEndsWithAnError(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		if n := p.w.Network().Kill(p.a.host, p.b.host); n != 1 {
			t.Errorf("%d were killed", n)
		}
		wantErr(t, "a's end", p.ends(p.c), netsim.ErrKilled)
		wantErr(t, "b's end", p.ends(p.b.conns[0]), netsim.ErrKilled)
		wantErr(t, "a stream of it", p.echo(1), netsim.ErrKilled)
	})
}

func TestAConnectionCanBreakBehindAByte(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().KillAfter(p.a.host, p.b.host, 1000)
		wantErr(t, "fewer bytes", p.echo(999), nil)
		wantErr(t, "one more", p.echo(1), netsim.ErrKilled)
	})
}

func TestAPeerCanForget(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		if n := p.w.Network().HalfOpen(p.a.host, p.b.host); n != 1 {
			t.Errorf("%d were forgotten", n)
		}
		wantErr(t, "b's end", p.ends(p.b.conns[0]), transport.ErrIdleTimeout)
		if p.c.Context().Err() != nil {
			t.Error("a has heard of it")
		}
		wantErr(t, "a's end", p.ends(p.c), transport.ErrIdleTimeout)
	})
}

func TestWhatIsHeldArrivesLater(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().Hold(p.a.host, p.b.host)
		over, released := false, false
		story := p.w.Machine("story")
		story.Go("release", func() {
			events := p.w.Events()
			wait(story, func() bool { return p.w.Events() > events+50 })
			if over {
				t.Error("it has arrived while it was held")
			}
			p.w.Network().Release(p.a.host, p.b.host)
			released = true
		})
		wantErr(t, "echo", p.echo(100), nil)
		over = true
		wait(story, func() bool { return released })
	})
}

func TestALossyLinkChangesNothing(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		l := scenario.Link{
			Latency: time.Millisecond, Jitter: time.Millisecond, Loss: 50_000, Reorder: 50_000, Duplicate: 50_000,
			Tail: 10_000, TailLatency: time.Millisecond, Bandwidth: 4 << 20, Queue: 64 << 10,
		}
		p.w.Network().SetLink(p.a.host, p.b.host, l)
		p.w.Network().SetLink(p.b.host, p.a.host, l)
		if p.w.Network().Link(p.a.host, p.b.host) != l {
			t.Error("the link is another one")
		}
		wantErr(t, "echo", p.echo(200_000), nil)
	})
}

func TestHandshakesCanGetStuck(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		for _, h := range []scenario.Host{p.b.host, p.a.host} {
			p.w.Network().StallHandshakes(h, true)
			p.do("dial", func() {
				_, err := p.a.tr.Dial(context.Background(), p.b.addr, p.b.id)
				wantErr(t, "dial", err, transport.ErrHandshakeTimeout)
			})
			p.w.Network().StallHandshakes(h, false)
		}
		wantErr(t, "echo on the connection that there is", p.echo(100), nil)
	})
}

func TestHandshakesCanBeRefusedLate(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().FailHandshakes(p.b.host, true)
		for range 5 {
			wantErr(t, "a's end", p.ends(p.dial(t)), transport.ErrHandshake)
		}
		if len(p.b.conns) != 1 {
			t.Error("b has accepted it")
		}
		p.w.Network().FailHandshakes(p.b.host, false)
		p.c = p.dial(t)
		wantErr(t, "echo when it is over", p.echo(100), nil)
	})
}

func TestPortsCanRunOut(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().ExhaustPorts(p.a.host, true)
		p.do("dial", func() {
			_, err := p.a.tr.Dial(context.Background(), p.b.addr, p.b.id)
			wantErr(t, "dial", err, netsim.ErrNoPorts)
		})
	})
}

func TestAReaderCanBeSlow(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		p.w.Network().SlowReader(p.b.host, 20_000)
		begun := p.w.Elapsed()
		wantErr(t, "echo", p.echo(4000), nil)
		if took := p.w.Elapsed() - begun; took < 150*time.Millisecond {
			t.Errorf("4000 bytes at 20,000 a second took %v", took)
		}
	})
}

func TestWhatWasDialledOutlivesANewAddress(t *testing.T) {
	faulty(t, func(t *testing.T, p *pair) {
		if p.w.Network().Rebind(p.a.host) == p.a.addr {
			t.Error("the address is the old one")
		}
		wantErr(t, "echo", p.echo(1000), nil)
	})
}
