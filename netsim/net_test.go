package netsim_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

func TestTheZeroLinkIsAPerfectNetwork(t *testing.T) {
	draws := 0
	cfg := sim.Config{Trace: func(r sim.Record) {
		if r.Kind == sim.KindRand {
			draws++
		}
	}}
	inLab(t, cfg, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		start := l.Now()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		data := strings.Repeat("much", 1<<18)
		l.Go("write", func() {
			l.write(sa, data)
			l.is(sa.CloseWrite(), nil, "CloseWrite")
		})
		got, err := io.ReadAll(sb)
		l.check(err == nil && string(got) == data, "%d bytes arrived of %d: %v", len(got), len(data), err)
		l.is(ca.CloseWithError(7, "done"), nil, "CloseWithError")
		l.died(cb)
		l.within(l.Now().Sub(start), 0, 0, "everything")
		l.check(l.seen.dropped == 0 && draws == 0, "%d packets were dropped, %d draws were made", l.seen.dropped, draws)
		l.close(a, b)
	})
}

func TestLatencyIsPaidForEachFlight(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		l.net.SetLink(b.host, a.host, netsim.Link{Latency: 50 * ms})
		l.check(l.net.Link(a.host, b.host).Latency == 10*ms && l.net.Link(b.host, a.host).Latency == 50*ms, "the links are not what was set")
		start := l.Now()
		ca, err := l.dial(a, b)
		l.is(err, nil, "Dial")
		l.within(l.Now().Sub(start), 60*ms, 60*ms, "Dial, a round trip")
		cb, _ := b.lis.Accept(context.Background())
		l.within(l.Now().Sub(start), 70*ms, 70*ms, "Accept, half a round trip more")
		sa, sb := l.stream(ca, cb)
		start = l.Now()
		l.write(sb, "back")
		l.read(sa, "back")
		l.within(l.Now().Sub(start), 50*ms, 50*ms, "a message")
		l.close(a, b)
	})
}

func TestAProofOfTheAddressCostsARoundTrip(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a := l.node()
		h := l.net.Host("verifier")
		tr := h.Transport(l, transport.PeerID{9}, labConfig)
		asked := 0
		tr.Listen(transport.ListenConfig{Admit: func(addr transport.Addr, verified bool) transport.Verdict {
			asked++
			l.check(addr == a.host.Addr() && verified == (asked == 2), "it was asked about %v, %v", addr, verified)
			return transport.Verify
		}})
		start := l.Now()
		_, err := a.tr.Dial(context.Background(), h.Addr(), transport.PeerID{9})
		l.is(err, nil, "Dial")
		l.within(l.Now().Sub(start), 40*ms, 40*ms, "Dial")
		l.close(a)
		tr.Close()
	})
}

func TestJitterStaysInItsBoundsAndLetsStreamsOvertake(t *testing.T) {
	inLab(t, sim.Config{Seed: 1}, netsim.Link{Latency: 10 * ms, Jitter: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		s1, r1 := l.stream(ca, cb)
		s2, r2 := l.stream(ca, cb)
		least, most, overtaken := time.Hour, time.Duration(0), 0
		for range 200 {
			var first time.Duration
			start := l.Now()
			l.write(s1, "1")
			l.write(s2, "2")
			done := l.NewParker()
			l.Go("other", func() {
				l.read(r2, "2")
				first = l.Now().Sub(start)
				done.Unpark()
			})
			l.read(r1, "1")
			d := l.Now().Sub(start)
			done.Park(context.Background())
			least, most = min(least, d), max(most, d)
			if first < d {
				overtaken++
			}
		}
		l.within(least, 10*ms, 11*ms, "the fastest")
		l.within(most, 19*ms, 20*ms, "the slowest")
		l.check(overtaken > 50 && overtaken < 150, "%d of 200 were overtaken", overtaken)
		l.close(a, b)
	})
}

func TestAStreamStaysInOrderWhateverTheLink(t *testing.T) {
	link := netsim.Link{Latency: ms, Jitter: 20 * ms, Loss: netsim.Percent(20), Reorder: netsim.Percent(20), Bandwidth: 1 << 20}
	inLab(t, sim.Config{Seed: 1}, link, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		var sent []byte
		l.Go("write", func() {
			for i := range 300 {
				piece := slices.Repeat([]byte{byte(i)}, 1+i*7%1000)
				sent = append(sent, piece...)
				l.write(sa, string(piece))
				l.sleep(time.Duration(i%5) * ms)
			}
			sa.CloseWrite()
		})
		got, err := io.ReadAll(sb)
		l.check(err == nil && slices.Equal(got, sent), "%d bytes arrived that are not the %d sent: %v", len(got), len(sent), err)
		l.check(l.seen.dropped > 20, "only %d packets were lost", l.seen.dropped)
		l.close(a, b)
	})
}

func TestALossCostsTheTimeToNoticeIt(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: 10 * ms, Loss: netsim.Percent(100), Retransmit: 5 * ms})
		start := l.Now()
		l.write(sa, "x")
		l.read(sb, "x")
		l.within(l.Now().Sub(start), 90*ms, 90*ms, "sixteen losses in a row, the most there are,")
		l.close(a, b)
	})
}

func TestReorderHoldsSomePacketsBack(t *testing.T) {
	inLab(t, sim.Config{Seed: 1}, netsim.Link{Latency: 10 * ms, Reorder: netsim.Percent(30)}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		held := 0
		for range 200 {
			start := l.Now()
			l.write(sa, "x")
			l.read(sb, "x")
			switch d := l.Now().Sub(start); d {
			case 10 * ms:
			case 21 * ms:
				held++
			default:
				l.t.Errorf("a message took %v", d)
			}
		}
		l.check(held > 40 && held < 80, "%d of 200 were held back", held)
		l.close(a, b)
	})
}

func TestBandwidthIsSharedByAllThatIsSent(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Bandwidth: 1 << 20}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		s1, r1 := l.stream(ca, cb)
		s2, r2 := l.stream(ca, cb)
		start := l.Now()
		for _, s := range []transport.Stream{s1, s2} {
			l.Go("write", func() {
				l.write(s, strings.Repeat("x", 1<<19))
				s.CloseWrite()
			})
		}
		done := l.NewParker()
		l.Go("read", func() { io.ReadAll(r2); done.Unpark() })
		io.ReadAll(r1)
		done.Park(context.Background())
		l.within(l.Now().Sub(start), time.Second, 1200*ms, "a second's worth of data")
		l.close(a, b)
	})
}

func TestHostsAndTransportsHaveAddressesOfTheirOwn(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		l.check(a.host.Addr().String() == "10.0.0.1:4433" && b.host.Addr().String() == "10.0.0.2:4433", "%v and %v", a.host.Addr(), b.host.Addr())
		l.check(l.net.Host("a") == a.host && a.host.Name() == "a" && len(l.net.Hosts()) == 2, "a host is not what it was")
		second := l.open(a.host)
		l.check(second.lis.Addr().String() == "10.0.0.1:4434", "the second transport is at %v", second.lis.Addr())
		l.close(a)
		third := l.open(a.host)
		l.check(third.lis.Addr() == a.host.Addr(), "the freed port was not used again: %v", third.lis.Addr())
		l.connect(second, third)
		l.close(b, second, third)
	})
}

func TestAnIdleConnectionCostsNoEvents(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.stream(ca, cb)
		l.sleep(time.Second)
		before := l.w.Events() // the sleep itself is three
		l.sleep(24 * time.Hour)
		l.check(l.w.Events()-before <= 3, "a quiet day has %d events", l.w.Events()-before)
		l.is(ca.Context().Err(), nil, "Context")
		l.close(a, b)
	})
}

func TestKeepAlivesCountUntilTheLinkIsCut(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, _ := l.connect(a, b)
		l.sleep(100 * time.Second) // of which the last keep-alive came after 99
		l.net.Cut(a.host, b.host)
		l.net.Cut(b.host, a.host)
		d, err := l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the cause")
		l.within(d, 11*time.Second, 11*time.Second, "from the next keep-alive on, the idle timeout,")
		l.close(a, b)
	})
}

func TestOrphansAreFoundAfterARoundTripAndNotBefore(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		orphans := func() []string { return l.net.Orphans(l.w.Machine("net").Now()) }
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.sleep(time.Minute)
		l.check(len(orphans()) == 0, "a stream in use is an orphan: %q", orphans())
		sa.CloseWrite()
		io.ReadAll(sb)
		sb.CloseWrite()
		l.sleep(30 * ms) // sb is finished, sa waits for its reader
		l.check(len(orphans()) == 0, "too early: %q", orphans())
		l.sleep(60 * ms)
		all := orphans()
		l.check(slices.Equal(l.net.Orphans(0), all) && len(l.net.Orphans(0)) == 1, "at present there are others: %q", l.net.Orphans(0))
		l.check(len(all) == 1 && strings.Contains(all[0], "a: stream 0 of #1 ->10.0.0.2:4433") && strings.Contains(all[0], "lab_test.go:"), "the orphans are %q", all)
		sa.Close()
		l.check(len(orphans()) == 0, "a closed stream is an orphan: %q", orphans())
		silent, _ := ca.OpenStream(context.Background())
		l.sleep(time.Second)
		l.check(len(orphans()) == 1, "a stream that the peer never heard of: %q", orphans())
		silent.Close()
		l.sleep(time.Second)
		l.check(len(orphans()) == 1 && strings.Contains(orphans()[0], "waiting for AcceptStream"), "one that nobody accepts: %q", orphans())
		l.close(a, b)
	})
}

func TestOrphansOfABrokenLinkHaveUntilTheIdleTimeout(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		orphans := func() []string { return l.net.Orphans(l.w.Machine("net").Now()) }
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.stream(ca, cb)
		l.net.HalfOpen(a.host, b.host)
		l.sleep(8 * time.Second)
		l.check(a.host.Stats().Streams == 1 && len(orphans()) == 0, "too early: %q", orphans())
		l.died(ca)
		l.check(len(orphans()) == 0, "a dead stream is an orphan: %q", orphans())
		l.close(a, b)
	})
}

func TestLeaksNameWhatIsOpenAndWhoOpenedIt(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, err := l.dial(a, b)
		l.is(err, nil, "Dial")
		s, _ := ca.OpenStream(context.Background())
		l.write(s, "x")
		l.net.StallHandshakes(a.host, true)
		l.Go("stalled", func() { l.dial(a, b) })
		l.sleep(ms)
		var got []string
		for _, k := range l.net.Leaks() {
			text, _, _ := strings.Cut(k.String(), ".go:")
			got = append(got, text)
		}
		want := []string{
			"a: listener 10.0.0.1:4433 from netsim/lab_test",
			"a: conn #1 ->10.0.0.2:4433 from netsim/lab_test",
			"a: stream 0 of #1 ->10.0.0.2:4433, opened, the end of the reading half was not seen, the writing half is open from netsim/net_test",
			"a: handshake #2 ->10.0.0.2:4433 from netsim/lab_test",
			"b: listener 10.0.0.2:4433 from netsim/lab_test",
			"b: conn #1 <-10.0.0.1:4433",
			"b: stream 0 of #1 <-10.0.0.1:4433, waiting for AcceptStream, the end of the reading half was not seen, the writing half is open",
			"b: handshake #2 <-10.0.0.1:4433",
		}
		l.check(slices.Equal(got, want), "the leaks are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		l.close(a, b)
	})
}

func TestABufferIsBoundedByTheWindows(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		var streams []transport.Stream
		for range 8 {
			s, _ := l.stream(ca, cb)
			streams = append(streams, s)
		}
		taken := 0
		for _, s := range streams {
			s.SetWriteDeadline(l.Now().Add(time.Second))
			n, _ := s.Write(make([]byte, 1<<20))
			taken += n
		}
		// 256 KiB is the window of the connection; each Write may leave a packet.
		l.check(taken <= 256<<10+8*1452, "%d bytes were taken that nobody reads", taken)
		l.check(taken >= 255<<10, "only %d bytes were taken", taken)
		l.close(a, b)
	})
}
