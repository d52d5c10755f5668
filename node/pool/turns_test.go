package pool

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// incarnations lets runs of one peer connect one after the other and returns
// what became of each.
func incarnations(t *testing.T, cfg Config, every time.Duration, n int, dead bool) (out []error) {
	t.Helper()
	x := newWorld(1, cfg)
	defer x.w.Close()
	x.m.Go("peers", func() {
		for i := range n {
			c := x.newConn(transport.PeerID{9}, false)
			c.inc, c.dead = uint64(i+1), dead
			out = append(out, x.accept(context.Background(), c))
			rt.Sleep(context.Background(), x.m, every)
		}
		x.p.Close(fault.Draining, 0)
	})
	if err := x.w.Run(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAPeerThatStartsAnewTakesItsPlaceSoOftenAMinute(t *testing.T) {
	for i, err := range incarnations(t, Config{Takeovers: 2}, time.Second, 6, false) {
		if first := i <= 2; first != (err == nil) || err != nil && !errors.Is(err, ErrDuplicate) {
			t.Errorf("run %d: %v", i+1, err)
		}
	}
	for i, err := range incarnations(t, Config{Takeovers: 2}, 31*time.Second, 6, false) {
		if err != nil {
			t.Errorf("run %d of one every half minute: %v", i+1, err)
		}
	}
}

func TestAPeerThatCrashesAgainAndAgainIsLetInOnceItsOlderRunIsSilent(t *testing.T) {
	for i, err := range incarnations(t, Config{Takeovers: 2, ProbeTimeout: 500 * time.Millisecond}, time.Second, 6, true) {
		if err != nil {
			t.Errorf("run %d: %v", i+1, err)
		}
	}
}

func TestDialsAreSpreadOverTheSeconds(t *testing.T) {
	const dials, per = 20, 5
	x := newWorld(1, Config{DialRate: per, Dials: dials})
	defer x.w.Close()
	var begun []time.Duration
	x.dial = func(ctx context.Context, c *conn, _ transport.Addr) error {
		begun = append(begun, x.m.Now().Sub(0))
		return nil
	}
	left := dials
	for i := range dials {
		x.m.Go("caller", func() {
			s, err := x.p.Get(context.Background(), transport.PeerID{byte(i + 1)}, addr(i+1, 0))
			if err != nil {
				t.Error(err)
			} else {
				s.Done()
			}
			if left--; left == 0 {
				x.p.Close(fault.Draining, 0)
			}
		})
	}
	if err := x.w.Run(); err != nil {
		t.Fatal(err)
	}
	if len(begun) != dials {
		t.Fatalf("%d of %d dials", len(begun), dials)
	}
	for i := per; i < dials; i++ {
		if d := begun[i] - begun[i-per]; d < time.Second {
			t.Errorf("dials %d to %d began within %v", i-per, i, d)
		}
	}
	if last := begun[dials-1] - begun[0]; last > dials/per*time.Second {
		t.Errorf("the last dial began after %v", last)
	}
}

func TestWhoLosesItsConnectionGetsTheOneThatReplacedIt(t *testing.T) {
	x := newWorld(1, Config{})
	defer x.w.Close()
	x.m.Go("peer", func() {
		ctx := context.Background()
		older := x.newConn(transport.PeerID{9}, false)
		if err := x.accept(ctx, older); err != nil {
			t.Error(err)
		}
		if _, err := older.slot.Another(ctx); !errors.Is(err, fault.Unreachable) {
			t.Errorf("another than the only one: %v", err)
		}
		newer := x.newConn(transport.PeerID{9}, false)
		if err := x.accept(ctx, newer); err != nil {
			t.Error(err)
		}
		s, err := older.slot.Another(ctx)
		if err != nil || s != newer.slot {
			t.Fatalf("%v, %v, want the newer connection", s, err)
		}
		if n := x.p.Stats().InUse; n != 1 {
			t.Errorf("%d connections are in use, want the newer one", n)
		}
		s.Done()
		x.p.Close(fault.Draining, 0)
	})
	if err := x.w.Run(); err != nil {
		t.Fatal(err)
	}
}
