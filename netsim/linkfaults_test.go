package netsim_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// linkFaults are what can be wrong with a directed link.
var linkFaults = []faultCase{
	{"a tail makes few packets late, and fewer of them very late", netsim.Link{Latency: 10 * ms, Tail: netsim.Percent(25), TailLatency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		steps := map[time.Duration]int{}
		for range 800 {
			start := l.Now()
			l.write(sa, "x")
			l.read(sb, "x")
			steps[l.Now().Sub(start)]++
		}
		l.check(steps[10*ms] > 540 && steps[10*ms] < 660, "%d of 800 took the latency alone", steps[10*ms])
		last := 200
		for _, more := range []time.Duration{10 * ms, 20 * ms, 40 * ms} {
			k := steps[10*ms+more]
			l.check(k > last/3 && k < last*2/3, "%d took %v more, %d that much and longer", k, more, last)
			last -= k
		}
		total := 0
		for _, more := range []time.Duration{0, 10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms} {
			total += steps[10*ms+more]
		}
		l.check(total == 800, "only %d of 800 took a time that there is", total)
		l.close(a, b)
	}},
	{"a full queue loses packets, which are sent again", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 16 << 10, MTU: 1200, Retransmit: 50 * ms})
		start, dropped := l.Now(), l.seen.dropped
		text := strings.Repeat("0123456789abcdef", 4000)
		l.Go("write", func() { l.write(sa, text) })
		l.read(sb, text)
		l.check(l.seen.dropped-dropped > 30, "only %d packets were lost", l.seen.dropped-dropped)
		// 64 KB at a MiB a second would be 61 ms; each time 16 of them fit.
		l.within(l.Now().Sub(start), 150*ms, 250*ms, "four bursts with a loss between them")
		l.close(a, b)
	}},
	{"a queue with room loses nothing, and an empty one takes any packet", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		text := strings.Repeat("x", 8000)
		for _, queue := range []int64{16 << 10, 1} {
			l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: queue})
			l.write(sa, text)
			l.read(sb, text)
			l.sleep(100 * ms)
		}
		l.check(l.seen.dropped == 0, "%d packets were lost", l.seen.dropped)
		for lost, queue := range []int64{4 * 1264, 4*1264 - 1} {
			l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: queue, MTU: 1264})
			dropped := l.seen.dropped
			l.write(sa, strings.Repeat("x", 4800))
			l.read(sb, strings.Repeat("x", 4800))
			l.check(l.seen.dropped-dropped == lost, "%d of four packets were lost of a queue of %d", l.seen.dropped-dropped, queue)
			l.sleep(100 * ms)
		}
		l.close(a, b)
	}},
	{"what found no room is tried again while others are under way", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: 500 * ms, Bandwidth: 1 << 20, Queue: 8 << 10, MTU: 1200, Retransmit: 50 * ms})
		start := l.Now()
		text := strings.Repeat("0123456789abcdef", 2000)
		l.Go("write", func() { l.write(sa, text) })
		l.read(sb, text)
		l.within(l.Now().Sub(start), 600*ms, 750*ms, "five bursts and the latency")
		l.close(a, b)
	}},
	{"nobody tries again for the dead", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		sb, ra := l.stream(cb, ca)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 1250, MTU: 1200})
		l.Go("write", func() { sa.Write(make([]byte, 32000)) })
		l.sleep(1)
		ra.CancelRead(7)
		a.host.Crash()
		l.sleep(20 * ms)
		delivered := l.seen.delivered
		l.sleep(time.Second)
		l.check(l.seen.delivered == delivered, "%d packets have come from the dead", l.seen.delivered-delivered)
		l.write(sb, "nobody has stopped us")
		l.close(b)
	}},
	{"late packets of a crowded link, or of a long tail, make no orphans", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 1, Retransmit: 2 * time.Second})
		l.write(sa, strings.Repeat("x", 9000))
		s2, _ := ca.OpenStream(context.Background())
		l.write(s2, "x")
		l.sleep(time.Second)
		l.check(len(l.net.Orphans(0)) == 0, "orphans in the crowd: %q", l.net.Orphans(0))
		l.sleep(5 * time.Second)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Tail: netsim.Percent(100), TailLatency: 2 * time.Second})
		s3, _ := ca.OpenStream(context.Background())
		l.write(s3, "x")
		l.sleep(time.Second)
		l.check(len(l.net.Orphans(0)) == 0, "orphans of the tail: %q", l.net.Orphans(0))
		l.close(a, b)
	}},
	{"what was sent before the link became faster makes no orphans", netsim.Link{Latency: 100 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, _ := l.connect(a, b)
		l.sleep(time.Second)
		s, _ := ca.OpenStream(context.Background())
		l.write(s, "x")
		l.net.SetLink(a.host, b.host, netsim.Link{})
		l.net.SetLink(b.host, a.host, netsim.Link{})
		for range 10 {
			l.sleep(9 * ms)
			l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		}
		s2, _ := ca.OpenStream(context.Background())
		l.sleep(200 * ms)
		l.check(len(l.net.Orphans(0)) == 1, "one that the peer never heard of: %q", l.net.Orphans(0))
		s2.Close()
		l.close(a, b)
	}},
	{"what a cut held back makes no orphans, though the link has become slower too", netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, _ := l.connect(a, b)
		s, _ := ca.OpenStream(context.Background())
		l.net.Cut(a.host, b.host)
		l.write(s, "x")
		l.sleep(100 * ms)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: 50 * ms})
		l.net.Heal(a.host, b.host)
		for range 18 {
			l.sleep(10 * ms)
			l.check(len(l.net.Orphans(0)) == 0, "orphans: %q", l.net.Orphans(0))
		}
		l.close(a, b)
	}},
	{"what waits for room in the queue is lost when the link is cut, and comes after the heal", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 4 << 10, MTU: 1200})
		text := strings.Repeat("0123456789abcdef", 2000)
		l.Go("write", func() { l.write(sa, text) })
		l.sleep(20 * ms)
		l.net.Cut(a.host, b.host)
		l.sleep(100 * ms)
		l.net.Heal(a.host, b.host)
		l.read(sb, text)
		ca.CloseWithError(0, "")
		l.close(a, b)
	}},
	{"an MTU makes many packets of one write, each with its own fate", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		text := strings.Repeat("x", 12000)
		count := func(link netsim.Link) int {
			l.net.SetLink(a.host, b.host, link)
			dropped := l.seen.dropped
			l.write(sa, text)
			l.read(sb, text)
			return l.seen.dropped - dropped
		}
		most := netsim.Percent(100) // of sixteen times each, the most there is
		l.check(count(netsim.Link{Loss: most}) == 16, "without an MTU it was not one packet")
		l.check(count(netsim.Link{Loss: most, MTU: 1264}) == 16*10, "with an MTU of 1200 and the header it was not ten packets")
		l.check(count(netsim.Link{Loss: most, MTU: 1263}) == 16*11, "with one less it was not eleven packets")
		l.close(a, b)
	}},
	{"a hold keeps everything, one way, and a release lets it go in the order of sending", netsim.Link{Latency: 10 * ms, Jitter: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		var ins, outs []transport.Stream
		for range 20 {
			sa, sb := l.stream(ca, cb)
			ins, outs = append(ins, sa), append(outs, sb)
		}
		l.sleep(time.Second)
		l.write(ins[0], "0") // is in flight when the hold begins
		l.net.Hold(a.host, b.host)
		for i, s := range ins[1:] {
			l.write(s, fmt.Sprint(i%10))
		}
		l.write(outs[0], "back")
		l.read(ins[0], "back")
		l.silent(outs[0], 2*time.Second)
		l.check(l.seen.dropped == 0, "%d packets were lost", l.seen.dropped)
		var order []int
		for i, s := range outs {
			l.Go("read", func() {
				s.Read(make([]byte, 1))
				order = append(order, i)
			})
		}
		l.sleep(ms)
		l.check(len(order) == 0, "something came through")
		start := l.Now()
		l.net.Release(a.host, b.host)
		l.sleep(20) // nanoseconds
		l.check(slices.IsSorted(order) && len(order) == 20, "they arrived in the order %v, by %v", order, l.Now().Sub(start))
		l.close(a, b)
	}},
	{"a hold holds packets of every kind", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		l.net.Hold(a.host, b.host)
		var ca transport.Conn
		done := l.Go
		done("dial", func() { ca, _ = l.dial(a, b) })
		l.sleep(500 * ms)
		l.check(ca == nil && b.host.Stats().Handshaking == 0, "the handshake went on")
		l.net.Release(a.host, b.host)
		l.sleep(10 * ms)
		cb, _ := b.lis.Accept(context.Background())
		sa, sb := l.stream(ca, cb)
		l.net.Hold(a.host, b.host)
		sa.CancelWrite(7)
		ca.CloseWithError(9, "held")
		l.silentOf(cb, time.Second)
		_, err := sb.Write([]byte("x"))
		l.is(err, nil, "Write")
		l.net.HealAll()
		_, err = l.died(cb)
		l.check(strings.Contains(fmt.Sprint(err), "held"), "it died of %v", err)
		l.close(a, b)
	}},
	{"a hold longer than the idle timeout kills both ends, a shorter one nobody", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.sleep(time.Minute)
		l.net.Hold(a.host, b.host)
		l.sleep(8 * time.Second)
		l.net.Release(a.host, b.host)
		l.sleep(time.Minute)
		l.is(cb.Context().Err(), nil, "Context after a short hold")
		l.net.Hold(a.host, b.host)
		d, err := l.died(cb)
		l.is(err, transport.ErrIdleTimeout, "the deaf end")
		l.within(d, 9*time.Second, 12*time.Second, "its death")
		_, err = l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the other end")
		l.net.HealAll()
		l.close(a, b)
	}},
	{"an end that hears nothing dies, whatever it sends", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		l.net.Hold(b.host, a.host)
		l.Go("write", func() {
			for _, err := sa.Write([]byte("x")); err == nil; _, err = sa.Write([]byte("x")) {
				l.sleep(time.Second)
			}
		})
		d, err := l.died(ca)
		l.is(err, transport.ErrIdleTimeout, "the end that is held from")
		l.within(d, 9*time.Second, 12*time.Second, "its death")
		l.close(a, b)
	}},
	{"what is held when the link is cut is lost by the release, and comes after the heal", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.Hold(a.host, b.host)
		l.write(sa, "held")
		l.sleep(10 * ms)
		l.net.Cut(a.host, b.host)
		l.net.Release(a.host, b.host)
		l.silent(sb, 100*ms)
		l.check(l.seen.dropped == 1, "%d packets were lost", l.seen.dropped)
		l.net.Heal(a.host, b.host)
		l.read(sb, "held")
		l.close(a, b)
	}},
	{"streams and ends may be gone when a release lets their packets go", netsim.Link{Latency: ms}, func(l *lab) {
		a, b, c := l.node(), l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		s2, r2 := l.stream(ca, cb)
		cc, _ := l.connect(c, b)
		l.net.Hold(a.host, b.host)
		l.net.Hold(c.host, b.host)
		l.write(sa, "given up")
		l.write(s2, "kept")
		l.sleep(10 * ms)
		sa.CancelWrite(1)
		cc.CloseWithError(1, "held")
		l.net.Kill(c.host, b.host)
		l.net.Release(a.host, b.host)
		l.net.Release(c.host, b.host)
		l.read(r2, "kept")
		l.close(a, b, c)
	}},
	{"a connection dies at the byte that was chosen, which is read", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		s2, r2 := l.stream(ca, cb)
		l.net.KillAfter(a.host, b.host, 10)
		l.write(sa, "12345")
		l.read(sb, "12345")
		l.write(s2, "abc")
		l.read(r2, "abc")
		l.write(sb, "back, which does not count")
		l.write(sa, "67890")
		got, err := io.ReadAll(sb)
		l.check(string(got) == "67" && err == netsim.ErrKilled, "read %q, %v", got, err)
		for _, c := range []transport.Conn{ca, cb} {
			_, err := l.died(c)
			l.is(err, netsim.ErrKilled, "an end")
		}
		ca, cb = l.connect(a, b)
		sa, sb = l.stream(ca, cb)
		l.write(sa, "the next one lives")
		l.read(sb, "the next one lives")
		l.close(a, b)
	}},
	{"nothing comes through between the byte that was chosen and the death", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		s1, r1 := l.stream(ca, cb)
		s2, r2 := l.stream(ca, cb)
		l.net.KillAfter(a.host, b.host, 5)
		l.write(s1, "1234567")
		l.write(s2, "1234567")
		n := 0
		for _, r := range []transport.Stream{r1, r2} {
			l.Go("read", func() {
				got, _ := io.ReadAll(r)
				n += len(got)
			})
		}
		l.died(cb)
		l.sleep(ms)
		l.check(n == 5, "%d bytes were read", n)
		l.close(a, b)
	}},
	{"a connection that is to die at no byte dies of the first one, unread", netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.KillAfter(a.host, b.host, 0)
		sa.CloseWrite()
		_, err := sb.Read(make([]byte, 1))
		l.is(err, io.EOF, "Read of a bare FIN")
		s2, _ := ca.OpenStream(context.Background())
		l.write(s2, "x")
		_, err = cb.AcceptStream(context.Background())
		l.is(err, netsim.ErrKilled, "AcceptStream")
		l.close(a, b)
	}},
	{"a heal takes back what was to be killed", netsim.Link{}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.net.KillAfter(a.host, b.host, 1)
		l.net.HealAll()
		l.write(sa, "alive")
		l.read(sb, "alive")
		l.close(a, b)
	}},
}

func TestWhatIsInFlightCanBeLookedAt(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, sb := l.stream(ca, cb)
		l.sleep(time.Second)
		want := func(when string, want ...string) {
			var got []string
			for _, p := range l.net.InFlight(a.host, b.host) {
				got = append(got, fmt.Sprintf("%s>%s %v held %v after %v", p.From.Name(), p.To.Name(), &p, p.Held, p.Took))
			}
			l.check(slices.Equal(got, want), "%s:\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		want("at rest")
		l.write(sa, "one")
		l.write(sb, "the other way")
		l.sleep(5 * ms)
		l.net.Hold(a.host, b.host)
		l.write(sa, "two")
		sa.CancelRead(3)
		want("under way", "a>b data to 4, stream 0 of #1 held false after 5ms", "a>b data to 7, stream 0 of #1 held false after 0s", "a>b stop_sending with code 3, stream 0 of #1 held false after 0s")
		l.sleep(6 * ms)
		want("at the end of the link", "a>b data to 4, stream 0 of #1 held true after 11ms", "a>b data to 7, stream 0 of #1 held false after 6ms", "a>b stop_sending with code 3, stream 0 of #1 held false after 6ms")
		l.sleep(5 * ms)
		want("all held", "a>b data to 4, stream 0 of #1 held true after 16ms", "a>b data to 7, stream 0 of #1 held true after 11ms", "a>b stop_sending with code 3, stream 0 of #1 held true after 11ms")
		l.net.Release(a.host, b.host)
		l.read(sb, "onetwo")
		l.sleep(time.Second)
		want("after the release")
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 1})
		l.write(sa, "goes")
		l.write(sa, "has to wait")
		l.sleep(1)
		ca.CloseWithError(1, "has to wait too")
		want("without room", "a>b data to 11, stream 0 of #1 held false after 1ns")
		l.sleep(time.Second)
		l.close(a, b)
	})
}
