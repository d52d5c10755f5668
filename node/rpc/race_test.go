package rpc

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// A provider can be left out between two looks of a task that chooses. Nothing
// waits there, so only goroutines can show it.
func TestChoosingMeetsAProviderThatIsBeingLeftOut(t *testing.T) {
	r := realrt.New(realrt.Config{})
	silent := &fault.Error{Kind: fault.Deadline}
	a, b := transport.PeerID{1}, transport.PeerID{2}
	for range 2000 {
		c := NewCaller(CallerConfig{}, CallerDeps{Runtime: r})
		begun := r.Now().Add(-time.Second)
		c.mu.Lock()
		for i := 1; i <= c.cfg.EjectAfter; i++ {
			c.health.letDown(a, begun, begun)
			if i < c.cfg.EjectAfter {
				c.health.letDown(b, begun, begun)
			}
		}
		c.mu.Unlock()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 100 {
					c.choose([]Provider{{ID: a}, {ID: b}})
				}
			})
		}
		c.judge(b, begun, silent)
		wg.Wait()
		if n := c.Counts().Ejections; n != 1 {
			t.Fatalf("%d ejections by the last call, want 1", n)
		}
	}
}

// In simulation no task may end itself, so that is shown here.
func TestAHandlerThatEndsItsTaskIsAnsweredAndGivesItsPermitBack(t *testing.T) {
	r := realrt.New(realrt.Config{})
	s := NewServer(ServerConfig{MaxHandlers: 1}, ServerDeps{Runtime: r, Log: slog.New(slog.DiscardHandler)})
	for range 3 {
		_, err := s.Local(t.Context(), func(context.Context, *Request) ([]byte, error) {
			runtime.Goexit()
			return nil, nil
		}, &Request{})
		if fault.KindOf(err) != fault.Internal || !fault.Executed(err) {
			t.Fatalf("got %v, want Internal, executed", err)
		}
	}
	if n := s.Close(t.Context()); n != 0 || s.Counts().Running != 0 {
		t.Errorf("%d abandoned, %+v", n, s.Counts())
	}
}

// A call of this node to itself is refused by a server that closes, or Close
// waits for it. Nothing waits between its permit and its task, so only
// goroutines can show it.
func TestNoHandlerStartsAfterClose(t *testing.T) {
	r := realrt.New(realrt.Config{})
	for range 1000 {
		s := NewServer(ServerConfig{}, ServerDeps{Runtime: r})
		var closed, after atomic.Bool
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				s.Local(context.Background(), func(context.Context, *Request) ([]byte, error) {
					after.Store(after.Load() || closed.Load())
					return nil, nil
				}, &Request{Body: make([]byte, 1<<20)})
			})
		}
		s.Close(context.Background())
		closed.Store(true)
		wg.Wait()
		if after.Load() {
			t.Fatal("a handler has started after Close has returned")
		}
	}
}

// sluggish is a runtime whose tasks stand still for a while after they have
// looked at the time.
type sluggish struct {
	rt.Runtime
	now mono.Time
}

func (s *sluggish) Now() mono.Time { s.now = s.now.Add(80 * time.Millisecond); return s.now }

// The table of calls keeps only the first of the deadlines within each other,
// so the share of an attempt must not end after the call, however late the
// machine is.
func TestAShareOfTheTimeEndsBeforeTheWhole(t *testing.T) {
	r := &sluggish{Runtime: realrt.New(realrt.Config{}), now: 1}
	whole := rt.NewLazyTimeout(r, context.Background(), 0)
	c := NewCaller(CallerConfig{}, CallerDeps{Runtime: r, Connect: func(ctx context.Context, _ Provider) (Conn, error) {
		if share := ctx.(*rt.LazyTimeout); whole.Until().Before(share.Until()) {
			t.Errorf("it ends %v after the whole", share.Until().Sub(whole.Until()))
		}
		return nil, fault.Unreachable
	}})
	for left := range 10 {
		whole = rt.NewLazyTimeout(r, context.Background(), r.now.Add(time.Duration(left)*50*time.Millisecond))
		c.attempt(whole, Provider{}, &Request{}, 2)
		whole.End()
	}
}
