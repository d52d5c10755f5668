package netsim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// mayBlock are the methods that can wait over QUIC, at a moment at which
// netsim's do not: what they wait for is there.
var mayBlock = map[string]func(l *lab, a, b node, c transport.Conn, s transport.Stream){
	"Dial":         func(l *lab, a, b node, _ transport.Conn, _ transport.Stream) { l.dial(a, b) },
	"Accept":       func(l *lab, _, b node, _ transport.Conn, _ transport.Stream) { b.lis.Accept(context.Background()) },
	"OpenStream":   func(_ *lab, _, _ node, c transport.Conn, _ transport.Stream) { c.OpenStream(context.Background()) },
	"AcceptStream": func(_ *lab, _, _ node, c transport.Conn, _ transport.Stream) { c.AcceptStream(context.Background()) },
	"Read":         func(_ *lab, _, _ node, _ transport.Conn, s transport.Stream) { s.Read(make([]byte, 1)) },
	"Write":        func(_ *lab, _, _ node, _ transport.Conn, s transport.Stream) { s.Write([]byte("x")) },
	"Receive": func(_ *lab, _, _ node, c transport.Conn, _ transport.Stream) {
		c.(transport.DatagramConn).ReceiveDatagram(context.Background())
	},
	"CloseWithError":  func(_ *lab, _, _ node, c transport.Conn, _ transport.Stream) { c.CloseWithError(0, "") },
	"Transport.Close": func(_ *lab, a, _ node, _ transport.Conn, _ transport.Stream) { a.tr.Close() },
	"Listener.Close":  func(_ *lab, _, b node, _ transport.Conn, _ transport.Stream) { b.lis.Close() },
}

// The network's own mutex is what makes it so: the task would hold two.
func TestAMutexHeldAcrossWhatMayBlockFailsTheRun(t *testing.T) {
	for name, call := range mayBlock {
		t.Run(name, func(t *testing.T) {
			w := sim.New(sim.Config{Seed: 1})
			defer w.Close()
			l := &lab{Machine: w.Machine("lab"), t: t, w: w}
			l.seen.w = w
			l.net = netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: &l.seen})
			called := false
			l.Go("test", func() {
				a, b := l.node(), l.node()
				c, d := l.connect(a, b)
				s, theirs := l.stream(c, d)
				l.write(theirs, "x")
				theirs, _ = d.OpenStream(context.Background())
				l.write(theirs, "x") // waits for AcceptStream
				l.dial(a, b)         // waits for Accept
				d.(transport.DatagramConn).SendDatagram(nil)
				l.sleep(time.Second)
				mu := rt.NewMutex(l)
				mu.Lock()
				defer mu.Unlock()
				called = true
				call(l, a, b, c, s)
			})
			err := w.Run()
			var failure *sim.Failure
			if !errors.As(err, &failure) || failure.Kind != sim.FailLock || !called {
				t.Errorf("Run: %v", err)
			}
		})
	}
}
