package link_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// counted is a transport that counts the streams that are opened and the writes
// on them.
type counted struct {
	transport.Transport
	streams, writes int
}

type countedConn struct {
	transport.Conn
	t *counted
}

type countedStream struct {
	transport.Stream
	t *counted
}

func (t *counted) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	c, err := t.Transport.Dial(ctx, addr, want)
	if err != nil {
		return nil, err
	}
	return countedConn{c, t}, nil
}

func (c countedConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.Conn.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	c.t.streams++
	return countedStream{s, c.t}, nil
}

func (s countedStream) Write(b []byte) (int, error) {
	s.t.writes++
	return s.Stream.Write(b)
}

// Small calls share one stream, and those of callers who are ready to run when
// the first of them is about to be written leave with it, in one packet.
func TestSmallCallsOfThoseWhoAreReadyLeaveInOneWrite(t *testing.T) {
	x := &world{w: sim.New(sim.Config{Seed: 1, Strategy: sim.FIFO(), LogLevel: slog.LevelError + 1}), marks: map[string]int{}}
	defer x.w.Close()
	x.net = netsim.New(netsim.Config{Runtime: x.w.Machine("net"), Link: netsim.Link{Latency: latency}})
	x.sides = []*side{x.newSide("a", 1), x.newSide("b", 1)}
	a, b := x.sides[0], x.sides[1]
	c := &counted{Transport: a.tr}
	a.tr = c
	b.listen()
	a.m.Go("story", func() {
		l, err := a.dial(b)
		if err != nil {
			t.Error(err)
			return
		}
		x.call(l, a, "echo", 0, 0, time.Second) // it opens the stream
		a.wait(time.Second)
		streams, writes := c.streams, c.writes
		for range 5 {
			x.call(l, a, "echo", 0, 0, time.Second)
		}
		a.m.Yield() // the flush is the next to run; so is one caller more
		x.call(l, a, "echo", 0, 0, time.Second)
		a.wait(time.Second)
		if c.streams != streams || c.writes != writes+1 {
			t.Errorf("six calls took %d writes and %d streams of their own", c.writes-writes, c.streams-streams)
		}
	})
	if err := x.finish(); err != nil {
		t.Error(err)
	}
}
