// Package rt is the shape of macula's package rt, for the analyzer's tests.
package rt

import (
	"context"
	"time"

	"example.test/mesh/mono"
)

type Clock interface {
	Now() mono.Time
	Wall() time.Time
}

type Runtime interface {
	Clock
	Yield()
	AfterDone(ctx context.Context, f func()) (stop func() bool)
}

type Parker interface {
	Park(ctx context.Context) error
	Unpark()
}

type Mutex struct{ locked bool }

func (m *Mutex) Lock()   { m.locked = true }
func (m *Mutex) Unlock() { m.locked = false }

type Queue[T any] struct{}

func (q *Queue[T]) Get(ctx context.Context) (T, error) { var zero T; return zero, nil }
func (q *Queue[T]) Put(ctx context.Context, v T) error { return nil }
func (q *Queue[T]) TryPut(v T) bool                    { return true }
func (q *Queue[T]) Close(err error)                    {}

type Gate struct{}

func (g *Gate) Pass(ctx context.Context) error { return nil }

type Event struct{}

func (e *Event) Wait(ctx context.Context) error { return nil }
func (e *Event) Fire()                          {}

type Semaphore struct{}

func (s *Semaphore) Acquire(ctx context.Context, n int) error { return nil }
func (s *Semaphore) Release(n int)                            {}

func Sleep(ctx context.Context, r Runtime, d time.Duration) error { return nil }
