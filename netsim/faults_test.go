package netsim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

const ms = time.Millisecond

// faultCase is something that can be done to a network, with what comes of it.
type faultCase struct {
	name string
	link netsim.Link
	f    func(l *lab)
}

var faults = []faultCase{
	{"a cut is one way, and what it held back comes after the heal", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.Cut(a.host, b.host)
		l.write(sa, "there")
		l.write(sb, "back")
		l.read(sa, "back")
		l.silent(sb, 2*time.Second)
		l.check(l.seen.dropped > 0, "nothing was dropped")
		l.net.Heal(a.host, b.host)
		start := l.Now()
		l.read(sb, "there")
		l.within(l.Now().Sub(start), ms, 50*ms, "sending it again")
		l.close(a, b)
	}},
	{"a cut loses what is in flight, and a heal before the arrival saves it", netsim.Link{Latency: 100 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.write(sa, "lost")
		l.sleep(50 * ms)
		l.net.Cut(a.host, b.host)
		l.silent(sb, 100*ms)
		l.net.Heal(a.host, b.host)
		l.read(sb, "lost")
		start := l.Now()
		l.write(sa, "saved")
		l.sleep(30 * ms)
		l.net.Cut(a.host, b.host)
		l.sleep(30 * ms)
		l.net.Heal(a.host, b.host)
		l.read(sb, "saved")
		l.within(l.Now().Sub(start), 100*ms, 100*ms, "the other one")
		l.close(a, b)
	}},
	{"a partition shorter than the idle timeout loses nothing, of any kind", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		ra, rb := l.stream(ca, cb)
		l.sleep(time.Minute)
		l.net.Partition([]*netsim.Host{a.host}, []*netsim.Host{b.host})
		l.write(sa, strings.Repeat("data", 9000))
		l.is(sa.CloseWrite(), nil, "CloseWrite")
		ra.CancelWrite(7)
		rb.CancelRead(8)
		l.sleep(8 * time.Second)
		l.net.HealAll()
		l.read(sb, strings.Repeat("data", 9000))
		_, err := rb.Read(make([]byte, 1))
		l.check(err != nil, "Read of a stream that was given up")
		l.sleep(time.Minute)
		l.is(ca.Context().Err(), nil, "Context of the dialler")
		l.is(cb.Context().Err(), nil, "Context of the listener")
		l.close(a, b)
	}},
	{"a partition longer than the idle timeout kills both ends", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.sleep(time.Minute)
		l.net.Partition([]*netsim.Host{a.host}, []*netsim.Host{b.host})
		d, err := l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the dialler's end")
		l.within(d, 9*time.Second, 12*time.Second, "its death")
		l.sleep(3 * time.Second)
		_, err = l.died(cb)
		l.is(err, transport.ErrIdleTimeout, "the listener's end")
		l.check(l.net.Conns() == 0, "%d connections are left", l.net.Conns())
		l.close(a, b)
	}},
	{"one way is enough to kill both ends in the end", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.net.Cut(a.host, b.host)
		d, err := l.died(cb)
		l.is(err, transport.ErrIdleTimeout, "the deaf end")
		l.within(d, 9*time.Second, 12*time.Second, "its death")
		l.is(ca.Context().Err(), nil, "the other end, which hears the deaf one's keep-alives")
		d, err = l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the other end")
		l.within(d, 6*time.Second, 12*time.Second, "its death after that")
		l.close(a, b)
	}},
	{"a partition separates its groups only, and hosts that meet later too", netsim.Link{}, func(l *lab) {
		a, b, c, d := l.node(), l.node(), l.node(), l.node()
		l.net.Partition([]*netsim.Host{a.host, b.host}, []*netsim.Host{c.host})
		l.connect(a, b)
		l.connect(a, d)
		l.connect(c, d)
		for _, pair := range [][2]node{{a, c}, {c, b}} {
			_, err := l.dial(pair[0], pair[1])
			l.is(err, transport.ErrHandshakeTimeout, "Dial across")
		}
		l.net.HealAll()
		l.connect(a, c)
		l.close(a, b, c, d)
	}},
	{"a heal of one direction undoes that much of a partition", netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.Partition([]*netsim.Host{a.host}, []*netsim.Host{b.host})
		l.net.Heal(a.host, b.host)
		l.write(sa, "there")
		l.read(sb, "there")
		l.write(sb, "back")
		l.silent(sa, time.Second)
		l.close(a, b)
	}},
	{"a kill ends the connections of two hosts at both ends, and no other", netsim.Link{Latency: ms}, func(l *lab) {
		a, b, c := l.node(), l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.connect(b, a)
		other, _ := l.connect(a, c)
		l.check(l.net.Kill(a.host, b.host) == 2, "not two connections were killed")
		for _, conn := range []transport.Conn{ca, cb} {
			d, err := l.died(conn)
			l.check(err == netsim.ErrKilled && d == 0, "it died of %v after %v", err, d)
		}
		l.is(other.Context().Err(), nil, "the other connection")
		l.check(a.host.Stats() == transport.Stats{Conns: 1}, "the host has %+v", a.host.Stats())
		l.close(a, b, c)
	}},
	{"a half-open connection lives at one end until its idle timeout", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		l.check(l.net.HalfOpen(a.host, b.host) == 1, "not one connection was forgotten")
		d, err := l.died(cb)
		l.check(d == 0 && err == transport.ErrIdleTimeout, "the end that forgot died of %v after %v", err, d)
		l.write(sa, "to nobody")
		l.check(a.host.Stats() == transport.Stats{Conns: 1, Streams: 1} && b.host.Stats() == transport.Stats{}, "a has %+v, b %+v", a.host.Stats(), b.host.Stats())
		d, err = l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the other end")
		l.within(d, 9*time.Second, 9*time.Second+2*ms, "its death")
		l.close(a, b)
	}},
	{"a crash is silent, and the address is free for the next", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.write(sb, "last words")
		b.host.Crash()
		l.check(b.host.Stats() == transport.Stats{}, "the crashed host has %+v", b.host.Stats())
		dropped, delivered := l.seen.dropped, l.seen.delivered
		_, err := sb.Write([]byte("from the grave"))
		l.is(err, transport.ErrClosed, "Write after the crash")
		l.is(cb.CloseWithError(1, "unheard"), nil, "CloseWithError after the crash")
		l.is(sb.Close(), nil, "Close after the crash")
		_, err = b.lis.Accept(context.Background())
		l.is(err, transport.ErrClosed, "Accept after the crash")
		_, err = l.dial(b, a)
		l.is(err, transport.ErrClosed, "Dial after the crash")
		l.read(sa, "last words")
		l.check(l.seen.dropped == dropped && l.seen.delivered <= delivered+2, "the dead have sent something")
		b2 := l.open(b.host)
		l.connect(a, b2)
		d, err := l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the survivor's end")
		l.within(d, 8*time.Second, 12*time.Second, "its death")
		l.close(a, b2)
	}},
	{"stalled handshakes hold both ends until their timeouts", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		l.net.StallHandshakes(b.host, true)
		l.Go("dial", func() {
			_, err := l.dial(a, b)
			l.is(err, transport.ErrHandshakeTimeout, "Dial")
		})
		l.sleep(500 * ms)
		l.check(a.host.Stats().Handshaking == 1 && b.host.Stats().Handshaking == 1, "a has %+v, b %+v", a.host.Stats(), b.host.Stats())
		l.sleep(600 * ms)
		l.check(a.host.Stats().Handshaking == 0 && b.host.Stats().Handshaking == 0, "a has %+v, b %+v", a.host.Stats(), b.host.Stats())
		l.net.StallHandshakes(b.host, false)
		l.connect(a, b)
		l.close(a, b)
	}},
	{"failed handshakes are refused after Dial has returned", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		l.net.FailHandshakes(a.host, true)
		c, err := l.dial(a, b)
		l.is(err, nil, "Dial")
		d, err := l.died(c)
		l.is(err, transport.ErrHandshake, "the dialler's end")
		l.within(d, 2*ms, 2*ms, "its death")
		l.check(b.host.Stats() == transport.Stats{}, "the listener has %+v", b.host.Stats())
		l.net.FailHandshakes(a.host, false)
		l.connect(a, b)
		l.close(a, b)
	}},
	{"the address of nobody does not answer", netsim.Link{}, func(l *lab) {
		a := l.node()
		ghost := l.net.Host("ghost")
		_, err := a.tr.Dial(context.Background(), ghost.Addr(), transport.PeerID{1})
		l.is(err, transport.ErrHandshakeTimeout, "Dial of a host without a transport")
		_, err = a.tr.Dial(context.Background(), transport.Addr{}, transport.PeerID{1})
		l.is(err, transport.ErrHandshakeTimeout, "Dial of no host")
		l.close(a)
	}},
}

func TestEveryFaultHasItsEffectAndRepeats(t *testing.T) {
	for _, c := range slices.Concat(faults, linkFaults, hostFaults, datagramFaults) {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(3) {
				run := func() uint64 { return inLab(t, sim.Config{Seed: seed}, c.link, c.f) }
				if a, b := run(), run(); a != b {
					t.Errorf("seed %d gave the hashes %x and %x", seed, a, b)
				}
			}
		})
	}
}

func TestFaultsAreRecorded(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		l.connect(a, b)
		for i, f := range []func(){
			func() { l.net.Cut(a.host, b.host) },
			func() { l.net.Heal(a.host, b.host) },
			func() { l.net.Partition([]*netsim.Host{a.host}) },
			func() { l.net.HealAll() },
			func() { l.net.SetLink(a.host, b.host, netsim.Link{Latency: 1}) },
			func() { l.net.HalfOpen(a.host, b.host) },
			func() { l.net.Kill(a.host, b.host) },
			func() { l.net.StallHandshakes(a.host, true) },
			func() { l.net.FailHandshakes(a.host, true) },
			func() { l.net.Hold(a.host, b.host) },
			func() { l.net.Release(a.host, b.host) },
			func() { l.net.KillAfter(a.host, b.host, 1) },
			func() { l.net.Rebind(a.host) },
			func() { l.net.ExhaustPorts(a.host, true) },
			func() { l.net.SlowReader(a.host, 1) },
			func() { a.host.Crash() },
		} {
			f()
			l.check(len(l.seen.faults) == i+1, "after %d faults the recorder knows %q", i+1, l.seen.faults)
		}
		l.close(b)
	})
}

func TestALinkSaysWhatItIs(t *testing.T) {
	l := netsim.Link{Latency: ms, Jitter: 2 * ms, Loss: netsim.Percent(1), Reorder: 5, Duplicate: 6, Bandwidth: 7, Queue: 8, MTU: 9, Tail: 10, TailLatency: 11}
	if got, want := fmt.Sprint(l), "latency 1ms, jitter 2ms, tail 10 ppm of 11ns, loss 10000 ppm, retransmit 27ms, reorder 5 ppm, duplicate 6 ppm, 7 bytes a second, queue 8 bytes, MTU 9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
