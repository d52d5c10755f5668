package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// sinkVerb is the first argument of a process that accepts connections and
// streams, and reads nothing.
const sinkVerb = "sink"

// window is how the receive windows of a sink are filled.
type window struct {
	name  string
	conns int
	chunk int // bytes of a write
	// pause lets each write become a frame of its own: quic-go packs what waits.
	pause time.Duration
}

func windows(scale int) []window {
	n := func(k int) int { return max(1, k*scale/100) }
	return []window{
		{name: "windows full of large frames", conns: n(50), chunk: 16 << 10},
		{name: "windows full of frames of one byte", conns: n(4), chunk: 1, pause: 100 * time.Microsecond},
	}
}

// accept takes everything in and reads nothing.
func accept(ctx context.Context, l transport.Listener) {
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			return
		}
		go func() {
			for {
				if _, err := conn.AcceptStream(ctx); err != nil {
					return
				}
			}
		}()
	}
}

// measureWindow fills the windows of a sink: as many streams of each connection
// as its window has room for. It returns the bytes that were sent, and what the
// sink holds for them.
func measureWindow(ctx context.Context, w window) (sent, live int64, err error) {
	n, err := start(ctx, sinkVerb)
	if err != nil {
		return 0, 0, err
	}
	defer n.stop()
	conns := make([]transport.Conn, w.conns)
	for i := range conns {
		_, tr, err := open()
		if err != nil {
			return 0, 0, err
		}
		defer tr.Close()
		if conns[i], err = dial(ctx, tr, n); err != nil {
			return 0, 0, err
		}
	}
	before, err := n.ask("report")
	if err != nil {
		return 0, 0, err
	}
	cfg := transport.Config{}.WithDefaults()
	var g errgroup.Group
	for _, conn := range conns {
		for range cfg.ConnWindow / cfg.StreamWindow {
			g.Go(func() error { return fill(ctx, conn, cfg.StreamWindow, w) })
			sent += int64(cfg.StreamWindow)
		}
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	time.Sleep(time.Second) // what was written is under way; more of it arrives while nothing else happens
	after, err := n.ask("report")
	return sent, after.Live - before.Live, err
}

func dial(ctx context.Context, tr *quic.Transport, to *process) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return tr.Dial(ctx, to.addr, to.id)
}

// fill writes as much as the window of a stream takes.
func fill(ctx context.Context, conn transport.Conn, size int, w window) error {
	s, err := conn.OpenStream(ctx)
	if err != nil {
		return err
	}
	chunk := make([]byte, w.chunk)
	for range size / w.chunk {
		if _, err := s.Write(chunk); err != nil {
			return err
		}
		time.Sleep(w.pause)
	}
	return nil
}

// runWindows prints what a byte of a window costs when nothing reads it.
func runWindows(ctx context.Context, scale int, out io.Writer) error {
	fmt.Fprintf(out, "\n%-38s %10s %10s %14s\n", "", "live MiB", "sent MiB", "bytes for one")
	for _, w := range windows(scale) {
		sent, live, err := measureWindow(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		fmt.Fprintf(out, "%-38s %10.1f %10.1f %14.1f\n", w.name, mib(live), mib(sent), float64(live)/float64(sent))
	}
	return nil
}
