package netsim_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// hostFaults are what can be wrong with a host in the network.
var hostFaults = []faultCase{
	{"a rebinding is survived by what the host has dialled, and its peer finds the address", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		old := a.host.Addr()
		l.write(sa, "from the old one")
		now := l.net.Rebind(a.host)
		l.check(now != old && a.host.Addr() == now && now.Port() == old.Port(), "the address was %v and is %v", old, now)
		l.check(cb.RemoteAddr() == old, "the peer knows before a packet came")
		l.read(sb, "from the old one")
		l.check(cb.RemoteAddr() == old, "a packet from the old address tells the new one")
		l.write(sa, "from the new one")
		l.read(sb, "from the new one")
		l.check(cb.RemoteAddr() == now, "the peer is at %v, not %v", cb.RemoteAddr(), now)
		l.check(ca.RemoteAddr() == b.host.Addr(), "the other end has moved too")
		l.write(sb, "back")
		l.read(sa, "back")
		l.sleep(time.Minute)
		l.is(ca.Context().Err(), nil, "Context")
		l.check(a.host.ConnsTo() == 1, "%d connections lead to it", a.host.ConnsTo())
		l.close(a, b)
		l.sleep(20 * ms)
		l.check(a.host.ConnsTo() == 0, "%d connections lead to it", a.host.ConnsTo())
	}},
	{"keep-alives tell the new address too", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		_, cb := l.connect(a, b)
		l.sleep(time.Minute)
		old, now := a.host.Addr(), l.net.Rebind(a.host)
		l.check(cb.RemoteAddr() == old, "the peer knows before a packet came")
		l.sleep(4 * time.Second)
		l.check(cb.RemoteAddr() == now, "the peer is at %v, not %v", cb.RemoteAddr(), now)
		l.close(a, b)
	}},
	{"without keep-alives the next packet tells it", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		cfg := transport.Config{KeepAlive: -1}
		a, b := l.net.Host("x").Transport(l, transport.PeerID{1}, cfg), l.net.Host("y").Transport(l, transport.PeerID{2}, cfg)
		lis, _ := b.Listen(transport.ListenConfig{})
		ca, err := a.Dial(context.Background(), l.net.Host("y").Addr(), transport.PeerID{2})
		l.is(err, nil, "Dial")
		cb, _ := lis.Accept(context.Background())
		old, now := l.net.Host("x").Addr(), l.net.Rebind(l.net.Host("x"))
		l.sleep(time.Second)
		l.check(cb.RemoteAddr() == old, "the peer knows before a packet came")
		sa, _ := ca.OpenStream(context.Background())
		l.write(sa, "x")
		l.sleep(11 * ms)
		l.check(cb.RemoteAddr() == now, "the peer is at %v, not %v", cb.RemoteAddr(), now)
		a.Close()
		b.Close()
	}},
	{"a rebinding kills what others have dialled, at both ends", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		cb, ca := l.connect(b, a)
		sb, sa := l.stream(cb, ca)
		l.sleep(time.Minute)
		old := a.host.Addr()
		l.net.Rebind(a.host)
		l.write(sa, "heard")
		l.read(sb, "heard")
		l.check(cb.RemoteAddr() == old, "the dialler follows to %v", cb.RemoteAddr())
		l.write(sb, "unheard")
		s2, _ := cb.OpenStream(context.Background())
		l.write(s2, "unheard")
		l.silent(sa, 5*time.Second)
		l.check(cb.RemoteAddr() == old, "the dialler follows to %v", cb.RemoteAddr())
		l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		_, err := b.tr.Dial(context.Background(), old, a.id)
		l.is(err, transport.ErrHandshakeTimeout, "Dial of the old address")
		l.connect(b, a)
		d, err := l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the end that is not found")
		l.check(d < 8*time.Second, "it took %v", d)
		_, err = l.died(cb)
		l.is(err, transport.ErrIdleTimeout, "the other one")
		l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		l.close(a, b)
	}},
	{"a heal of the link does not find who has moved", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		cb, ca := l.connect(b, a)
		sb, sa := l.stream(cb, ca)
		l.net.Cut(b.host, a.host)
		l.write(sb, "lost")
		l.net.Rebind(a.host)
		l.net.HealAll()
		l.silent(sa, 2*time.Second)
		l.close(a, b)
	}},
	{"a handshake does not survive a rebinding", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		for _, after := range []time.Duration{5 * ms, 15 * ms} {
			l.Go("move", func() {
				l.sleep(after)
				l.net.Rebind(a.host)
			})
			_, err := l.dial(a, b)
			l.is(err, transport.ErrHandshakeTimeout, "Dial")
		}
		l.connect(a, b)
		l.close(a, b)
	}},
	{"a host without free ports cannot dial, and can be dialled", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.net.ExhaustPorts(a.host, true)
		start := l.Now()
		_, err := l.dial(a, b)
		l.is(err, netsim.ErrNoPorts, "Dial")
		l.is(err, transport.ErrBroken, "Dial")
		l.within(l.Now().Sub(start), 0, 0, "the failure")
		l.check(a.host.Stats() == transport.Stats{Conns: 1}, "it has %+v", a.host.Stats())
		l.connect(b, a)
		l.stream(ca, cb)
		l.net.ExhaustPorts(a.host, false)
		l.connect(a, b)
		l.net.ExhaustPorts(a.host, true)
		l.net.HealAll()
		l.connect(a, b)
		l.close(a, b)
	}},
	{"a slow reader gets its data at its speed, and its peer waits for credit", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.SlowReader(b.host, 100<<10)
		const size = 512 << 10
		start, wrote := l.Now(), time.Duration(0)
		l.Go("write", func() {
			l.write(sa, strings.Repeat("x", size))
			wrote = l.Now().Sub(start)
			sa.CloseWrite()
		})
		got, err := io.ReadAll(sb)
		l.check(len(got) == size && err == nil, "%d bytes, %v", len(got), err)
		l.within(l.Now().Sub(start), 5100*ms, 5200*ms, "reading five seconds' worth")
		l.within(wrote, 4200*ms, 4600*ms, "writing it, a window less,")
		l.close(a, b)
	}},
	{"the streams of a slow reader share its speed, and a heal ends it", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.net.SlowReader(b.host, 1000)
		read := 0
		for range 4 {
			sa, sb := l.stream(ca, cb)
			l.write(sa, strings.Repeat("x", 8000))
			l.Go("read", func() {
				for n, err := 0, error(nil); err == nil; read += n {
					n, err = sb.Read(make([]byte, 100))
				}
			})
		}
		l.sleep(10 * time.Second)
		l.check(read >= 9900 && read <= 10100, "%d bytes were read in ten seconds", read)
		l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		l.net.HealAll()
		l.sleep(ms)
		l.check(read == 32000, "%d bytes were read after the heal", read)
		l.close(a, b)
	}},
	{"a slow reader keeps its deadlines, and what it has not read yet is no orphan", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.write(sa, "12345")
		sa.CloseWrite()
		sb.CloseWrite()
		_, err := io.ReadAll(sa)
		l.is(err, nil, "ReadAll")
		l.net.SlowReader(b.host, 1)
		l.read(sb, "1")
		l.silent(sb, 900*ms)
		l.sleep(50 * ms)
		start := l.Now()
		l.Go("read", func() { l.read(sb, "2345") })
		for range 8 {
			l.sleep(400 * ms)
			l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		}
		l.within(l.Now().Sub(start), 3*time.Second, 4*time.Second, "reading")
		l.sleep(time.Second)
		_, err = sb.Read(make([]byte, 1))
		l.is(err, io.EOF, "Read at the end")
		l.close(a, b)
	}},
}

func TestAHealEndsEveryFaultThatHasAnEnd(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		for _, f := range []func(){
			func() { l.net.Cut(a.host, b.host) },
			func() { l.net.Partition([]*netsim.Host{a.host}, []*netsim.Host{b.host}) },
			func() { l.net.Hold(b.host, a.host) },
			func() { l.net.KillAfter(a.host, b.host, 0) },
			func() { l.net.StallHandshakes(b.host, true) },
			func() { l.net.FailHandshakes(a.host, true) },
			func() { l.net.ExhaustPorts(a.host, true) },
			func() { l.net.SlowReader(b.host, 1) },
		} {
			f()
			l.net.HealAll()
			start := l.Now()
			ca, cb := l.connect(a, b)
			sa, sb := l.stream(ca, cb)
			l.write(sa, "a few bytes more")
			l.read(sb, "a few bytes more")
			l.within(l.Now().Sub(start), 5*ms, 6*ms, "a handshake and two messages")
		}
		l.close(a, b)
	})
}
