package quic

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// known reports whether err is one that the contract has.
func known(err error) bool {
	var closed *transport.CloseError
	var reset *transport.StreamError
	return errors.As(err, &closed) || errors.As(err, &reset) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, os.ErrDeadlineExceeded) || isAny(err, transport.ErrClosed, transport.ErrIdleTimeout, transport.ErrHandshakeTimeout, transport.ErrRefused,
		transport.ErrHandshake, context.Canceled, context.DeadlineExceeded)
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// TestEveryEndMeetsEveryOther dials, opens, reads, writes, cancels, times out
// and closes at random moments at both ends, and at last closes the transports
// into it. It is about the race detector, the books and the errors.
func TestEveryEndMeetsEveryOther(t *testing.T) {
	const rounds, dialers = 12, 6
	for round := range rounds {
		cfg := Config{Config: transport.Config{HandshakeTimeout: 200 * time.Millisecond, MaxStreams: 4, AcceptQueue: 3, StreamWindow: 4 << 10, ConnWindow: 8 << 10}}
		a, b := newTransport(t, cfg), newTransport(t, cfg)
		l, err := b.Listen(transport.ListenConfig{Admit: func(transport.Addr, bool) transport.Verdict {
			return transport.Verdict(rand.IntN(3))
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept(ctx)
				if err != nil {
					return
				}
				wg.Go(func() { misuse(t, ctx, c) })
			}
		})
		for range dialers {
			wg.Go(func() {
				for ctx.Err() == nil {
					dctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
					c, err := a.Dial(dctx, b.Addr(), b.ID())
					cancel()
					if err == nil {
						misuse(t, ctx, c)
					} else if !known(err) {
						t.Errorf("Dial: %v", err)
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		switch round % 3 {
		case 0:
			l.Close()
		case 1:
			a.Close()
		case 2:
			b.Close()
		}
		cancel()
		a.Close()
		b.Close()
		wg.Wait()
		if a.Stats() != (transport.Stats{}) || b.Stats() != (transport.Stats{}) {
			t.Errorf("left: %+v and %+v", a.Stats(), b.Stats())
		}
	}
}

// misuse does to a connection and its streams what comes to its mind.
func misuse(t *testing.T, ctx context.Context, c transport.Conn) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			take := c.OpenStream
			if rand.IntN(2) == 0 {
				take = c.AcceptStream
			}
			s, err := take(ctx)
			if err != nil {
				if !known(err) {
					t.Errorf("no stream: %v", err)
				}
				return
			}
			defer s.Close()
			soon := mono.Time(1)
			if rand.IntN(2) == 0 {
				soon = c.(*conn).t.cfg.Clock.Now().Add(time.Duration(rand.IntN(5000)) * time.Microsecond)
			}
			wg.Go(func() {
				if _, err := s.Write(make([]byte, rand.IntN(20<<10))); err != nil && !known(err) {
					t.Errorf("Write: %v", err)
				}
			})
			for range rand.IntN(4) {
				switch rand.IntN(6) {
				case 0:
					s.CancelRead(1)
				case 1:
					s.CancelWrite(2)
				case 2:
					s.CloseWrite()
				case 3:
					s.SetWriteDeadline(soon)
				case 4:
					s.SetReadDeadline(soon)
				case 5:
					s.Close()
				}
			}
			s.SetReadDeadline(c.(*conn).t.cfg.Clock.Now().Add(5 * time.Millisecond))
			if _, err := io.Copy(io.Discard, s); err != nil && !known(err) {
				t.Errorf("Read: %v", err)
			}
		})
	}
	if rand.IntN(2) == 0 {
		wg.Wait()
	}
	c.CloseWithError(transport.Code(rand.Uint64N(1<<62)), "enough")
	wg.Wait()
	<-c.Context().Done()
	if !known(context.Cause(c.Context())) {
		t.Errorf("the cause is %v", context.Cause(c.Context()))
	}
}
