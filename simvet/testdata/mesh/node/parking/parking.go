package parking

import (
	"context"
	"io"

	"example.test/mesh/rt"
	"example.test/mesh/transport"
)

type T struct {
	mu, other rt.Mutex
	r         rt.Runtime
	queue     rt.Queue[int]
	gate      rt.Gate
	event     rt.Event
	sem       rt.Semaphore
	parker    rt.Parker
	closed    bool
}

type embedded struct {
	rt.Mutex
	event rt.Event
}

// concrete implements transport.Stream.
type concrete struct{}

func (concrete) Read([]byte) (int, error)  { return 0, nil }
func (concrete) Write([]byte) (int, error) { return 0, nil }
func (concrete) CloseWrite() error         { return nil }

func primitives(ctx context.Context, t *T) {
	t.mu.Lock()
	_ = t.parker.Park(ctx)    // want `Parker.Park can park while t.mu is held: copy what it needs, unlock, then call it \[lockpark\]`
	_ = t.event.Wait(ctx)     // want `Event.Wait can park while t.mu is held`
	_ = t.gate.Pass(ctx)      // want `Gate.Pass can park`
	_ = t.sem.Acquire(ctx, 1) // want `Semaphore.Acquire can park`
	_, _ = t.queue.Get(ctx)   // want `Queue.Get can park`
	_ = t.queue.Put(ctx, 1)   // want `Queue.Put can park`
	_ = rt.Sleep(ctx, t.r, 1) // want `rt.Sleep can park`
	t.r.Yield()               // want `Runtime.Yield can park`
	t.queue.TryPut(1)
	t.queue.Close(nil)
	t.event.Fire()
	t.parker.Unpark()
	t.sem.Release(1)
	t.r.AfterDone(ctx, func() { _ = t.event.Wait(ctx) })
	t.mu.Unlock()
	_ = t.event.Wait(ctx)
}

func network(ctx context.Context, t *T, tr transport.Transport, l transport.Listener, c transport.Conn, s transport.Stream, x concrete) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = tr.Dial(ctx, "x")    // want `Transport.Dial can park`
	_ = tr.Close()              // want `Transport.Close can park`
	_, _ = l.Accept(ctx)        // want `Listener.Accept can park`
	_, _ = c.OpenStream(ctx)    // want `Conn.OpenStream can park`
	_, _ = c.AcceptStream(ctx)  // want `Conn.AcceptStream can park`
	_ = c.CloseWithError(0, "") // want `Conn.CloseWithError can park`
	_, _ = s.Read(nil)          // want `Stream.Read can park`
	_, _ = s.Write(nil)         // want `Stream.Write can park`
	_, _ = x.Write(nil)         // want `Stream.Write can park`
	_, _ = io.ReadFull(s, nil)  // want `io.ReadFull on a transport.Stream can park`
	_ = s.CloseWrite()
}

func second(t *T) {
	t.mu.Lock()
	t.other.Lock() // want `t.other is taken while t.mu is held: one rt.Mutex at a time, so unlock first \[lockpark\]`
	t.other.Unlock()
	t.mu.Unlock()
	t.other.Lock()
	t.other.Unlock()
}

func inside(ctx context.Context, e *embedded) error {
	e.Lock()
	return e.event.Wait(ctx) // want `Event.Wait can park while e is held`
}

func earlyReturn(ctx context.Context, t *T) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		_ = t.event.Wait(ctx)
		return
	}
	_ = t.event.Wait(ctx) // want `Event.Wait can park`
	t.mu.Unlock()
}

func oneBranch(ctx context.Context, t *T) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
	}
	_ = t.event.Wait(ctx) // want `Event.Wait can park`
}

func bothBranches(ctx context.Context, t *T) {
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
	default:
		t.mu.Unlock()
	}
	_ = t.event.Wait(ctx)
}

func loops(ctx context.Context, t *T) {
	for {
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			break
		}
		t.mu.Unlock()
		_ = t.event.Wait(ctx)
	}
	_ = t.event.Wait(ctx)
}

func literals(ctx context.Context, t *T) {
	t.mu.Lock()
	later := func() { _ = t.event.Wait(ctx) }
	func() {
		_ = t.event.Wait(ctx) // want `Event.Wait can park`
	}()
	func() {
		t.mu.Unlock()
	}()
	later()
	_ = t.event.Wait(ctx)
	func() {
		t.mu.Lock()
		defer t.mu.Unlock()
	}()
}
