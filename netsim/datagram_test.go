package netsim_test

import (
	"context"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// datagrams returns both ends of a new connection as what carries datagrams.
func (l *lab) datagrams(a, b node) (da, db transport.DatagramConn) {
	ca, cb := l.connect(a, b)
	return ca.(transport.DatagramConn), cb.(transport.DatagramConn)
}

// arrive counts what arrives at c until nothing comes for d, by its first byte.
func (l *lab) arrive(c transport.DatagramConn, d time.Duration) (counts [256]int, order []byte) {
	for {
		ctx, cancel := l.WithTimeout(context.Background(), d)
		p, err := c.ReceiveDatagram(ctx)
		cancel()
		if err != nil {
			l.is(err, context.DeadlineExceeded, "ReceiveDatagram")
			return counts, order
		}
		counts[p[0]]++
		order = append(order, p[0])
	}
}

// datagramFaults are what can happen to datagrams.
var datagramFaults = []faultCase{
	{"datagrams go both ways, whole and on their own", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.datagrams(a, b)
		l.sleep(time.Second)
		start, p := l.Now(), []byte("there")
		l.is(ca.SendDatagram(p), nil, "SendDatagram")
		p[0] = 'T'
		got, err := cb.ReceiveDatagram(context.Background())
		l.check(string(got) == "there" && err == nil, "%q, %v", got, err)
		l.within(l.Now().Sub(start), 10*ms, 10*ms, "one")
		l.is(cb.SendDatagram(nil), nil, "SendDatagram of nothing")
		got, err = ca.ReceiveDatagram(context.Background())
		l.check(len(got) == 0 && err == nil, "%q, %v", got, err)
		l.is(ca.SendDatagram(make([]byte, transport.MaxDatagram)), nil, "SendDatagram of the longest")
		l.is(ca.SendDatagram(make([]byte, transport.MaxDatagram+1)), transport.ErrDatagramTooLarge, "SendDatagram of a longer one")
		l.sleep(20 * ms)
		l.Go("receive", func() {
			_, err := ca.ReceiveDatagram(context.Background())
			l.check(err != nil, "a datagram came from nowhere")
		})
		l.sleep(ms)
		ca.CloseWithError(1, "")
		l.check(ca.SendDatagram(nil) != nil, "SendDatagram after the close")
		l.sleep(20 * ms)
		got, err = cb.ReceiveDatagram(context.Background())
		l.check(len(got) == transport.MaxDatagram && err == nil, "what had arrived is gone: %d bytes, %v", len(got), err)
		_, err = cb.ReceiveDatagram(context.Background())
		l.check(err != nil, "a datagram came from nowhere")
		l.close(a, b)
	}},
	{"a lost datagram is gone, and one that is not is no later", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.datagrams(a, b)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: 10 * ms, Loss: netsim.Percent(30)})
		for i := range 100 {
			ca.SendDatagram([]byte{byte(i)})
		}
		l.sleep(11 * ms)
		counts, order := l.arrive(cb, time.Nanosecond)
		l.check(len(order) > 55 && len(order) < 85 && l.seen.dropped == 100-len(order), "%d of 100 have arrived, %d were lost", len(order), l.seen.dropped)
		for i, n := range counts {
			l.check(n <= 1, "%d arrived %d times", i, n)
		}
		_, order = l.arrive(cb, time.Second)
		l.check(len(order) == 0, "%d came late", len(order))
		l.close(a, b)
	}},
	{"datagrams are doubled, and overtake each other", netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.datagrams(a, b)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: 10 * ms, Duplicate: netsim.Percent(50), Reorder: netsim.Percent(50)})
		for i := range 60 {
			ca.SendDatagram([]byte{byte(i)})
			l.sleep(ms)
		}
		counts, order := l.arrive(cb, time.Second)
		l.check(len(order) > 75 && len(order) < 105, "60 became %d", len(order))
		overtaken := 0
		for i := range order {
			if i > 0 && order[i] < order[i-1] {
				overtaken++
			}
		}
		l.check(overtaken > 5, "%d were overtaken", overtaken)
		for i := range 60 {
			l.check(counts[i] == 1 || counts[i] == 2, "%d arrived %d times", i, counts[i])
		}
		l.close(a, b)
	}},
	{"a datagram larger than the MTU, beyond the queue or on a cut link is lost for good", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.datagrams(a, b)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, MTU: 600})
		ca.SendDatagram(append([]byte{1}, make([]byte, 535)...))
		ca.SendDatagram(append([]byte{2}, make([]byte, 536)...))
		l.sleep(10 * ms)
		l.net.SetLink(a.host, b.host, netsim.Link{Latency: ms, Bandwidth: 1 << 20, Queue: 100})
		ca.SendDatagram([]byte{3})
		ca.SendDatagram([]byte{4})
		l.sleep(10 * ms)
		ca.SendDatagram([]byte{5})
		l.net.Cut(a.host, b.host)
		ca.SendDatagram([]byte{6})
		l.sleep(10 * ms)
		l.net.Heal(a.host, b.host)
		l.net.Cut(a.host, b.host)
		ca.SendDatagram([]byte{9})
		l.net.HealAll()
		l.net.Hold(a.host, b.host)
		ca.SendDatagram([]byte{7})
		l.sleep(10 * ms)
		ca.SendDatagram([]byte{8})
		l.net.Release(a.host, b.host)
		_, order := l.arrive(cb, time.Second)
		l.check(string(order) == "\x01\x03\x07\x08", "these have arrived: %v", order)
		l.check(l.seen.dropped == 5, "%d were lost", l.seen.dropped)
		l.close(a, b)
	}},
	{"a receiver that takes none keeps so many and loses the rest", netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.datagrams(a, b)
		for i := range 200 {
			ca.SendDatagram([]byte{byte(i)})
			l.sleep(ms)
		}
		l.sleep(ms)
		_, order := l.arrive(cb, time.Second)
		l.check(len(order) == 128 && order[127] == 127 && l.seen.dropped == 72, "%d were kept", len(order))
		l.close(a, b)
	}},
}

func TestDatagramsKeepAnEndAliveThatHearsThem(t *testing.T) {
	inLab(t, sim.Config{}, netsim.Link{Latency: ms}, func(l *lab) {
		cfg := transport.Config{IdleTimeout: time.Second, KeepAlive: -1}
		a, b := l.net.Host("x").Transport(l, transport.PeerID{1}, cfg), l.net.Host("y").Transport(l, transport.PeerID{2}, cfg)
		lis, _ := b.Listen(transport.ListenConfig{})
		ca, _ := a.Dial(context.Background(), l.net.Host("y").Addr(), transport.PeerID{2})
		cb, _ := lis.Accept(context.Background())
		for range 10 {
			l.sleep(900 * ms)
			l.is(ca.(transport.DatagramConn).SendDatagram([]byte("x")), nil, "SendDatagram")
		}
		d, err := l.died(cb)
		l.is(err, transport.ErrIdleTimeout, "the death")
		l.within(d, 1000*ms, 1002*ms, "it")

		ca, _ = a.Dial(context.Background(), l.net.Host("y").Addr(), transport.PeerID{2})
		lis.Accept(context.Background())
		l.sleep(100 * ms)
		l.net.Cut(l.net.Host("y"), l.net.Host("x"))
		l.sleep(800 * ms)
		ca.(transport.DatagramConn).SendDatagram([]byte("unanswered"))
		d, _ = l.died(ca)
		l.within(d, 1000*ms, 1002*ms, "that of the sender, which nobody answers,")
		a.Close()
		b.Close()
	})
}
