package quic

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

var errGaveUp = errors.New("gave up")

// nosyClock calls look whenever it is asked for the date, which TLS does to
// check the peer's certificate and then to send the own one.
type nosyClock struct {
	*realrt.Runtime
	look func()
}

func (c *nosyClock) Wall() time.Time {
	if c.look != nil {
		c.look()
	}
	return c.Runtime.Wall()
}

// TestADialThatIsGivenUpAfterThePeerIsVerifiedTellsThePeer ends the context in
// the middle of the last flight, and waits until the peer is left with nothing:
// of timeouts that would take an hour.
func TestADialThatIsGivenUpAfterThePeerIsVerifiedTellsThePeer(t *testing.T) {
	clock := &nosyClock{Runtime: realrt.New(realrt.Config{})}
	cfg := transport.Config{HandshakeTimeout: time.Hour, IdleTimeout: time.Hour}
	a, b := newTransport(t, Config{Config: cfg, Clock: clock}), newTransport(t, Config{Config: cfg})
	l, err := b.Listen(transport.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	given := 0
	clock.look = func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for d := range a.dials {
			d.mu.Lock()
			now := d.cause == nil && d.verified
			d.mu.Unlock()
			if !now {
				continue
			}
			given++
			cancel(errGaveUp)
			wait(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.cause != nil }, "the dial knows")
		}
	}
	if _, err := a.Dial(ctx, b.Addr(), b.ID()); err != errGaveUp || given != 1 {
		t.Errorf("Dial: %v, given up %d times", err, given)
	}
	clock.look = nil
	if a.Stats() != (transport.Stats{}) {
		t.Errorf("left here: %+v", a.Stats())
	}
	deadline := time.Now().Add(20 * time.Second)
	wait(t, func() bool { return b.Stats() == transport.Stats{} || time.Now().After(deadline) }, "the peer is left with nothing")
	if b.Stats() != (transport.Stats{}) {
		t.Fatalf("left at the peer: %+v", b.Stats())
	}
	select {
	case c := <-l.(*listener).queue:
		var closed *transport.CloseError
		if err := context.Cause(c.Context()); !errors.As(err, &closed) || !closed.Remote {
			t.Errorf("the peer's connection ended with %v", err)
		}
	default:
	}
}
