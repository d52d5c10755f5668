package rt_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the contract of each primitive says is checked in rttest, on realrt and
// on the simulator. Here are the models, and what rttest cannot arrange.

var (
	errGaveUp = errors.New("gave up")
	errEnd    = errors.New("the end")
)

// stage is a runtime on which a test knows who is parked, and may kill.
type stage struct {
	*realrt.Runtime
	parked chan struct{} // one element for each Park that began
}

func newStage() *stage {
	return &stage{Runtime: realrt.New(realrt.Config{}), parked: make(chan struct{}, 1000)}
}

// end waits until every task has ended.
func (s *stage) end() { s.Wait(context.Background()) }

func (s *stage) NewParker() rt.Parker { return &stageParker{s.Runtime.NewParker(), s} }

type stageParker struct {
	rt.Parker
	s *stage
}

func (p *stageParker) Park(ctx context.Context) error {
	p.s.parked <- struct{}{}
	err := p.Parker.Park(ctx)
	if w, ok := ctx.Value(waiterKey{}).(*waiter); ok && w.doomed.Load() {
		runtime.Goexit()
	}
	return err
}

type waiterKey struct{}

// waiter is a task that was started on a stage and has parked.
type waiter struct {
	cancel context.CancelCauseFunc
	result chan outcome // one element when it has returned
	ended  chan struct{}
	doomed atomic.Bool // the end of its Park is its own end
}

type outcome struct {
	v   int
	err error
}

// wait runs f as a task and returns when it has parked.
func (s *stage) wait(f func(ctx context.Context) (int, error)) *waiter {
	ctx, cancel := s.WithCancelCause(context.Background())
	w := &waiter{cancel: cancel, result: make(chan outcome, 1), ended: make(chan struct{})}
	s.Go("waiter", func() {
		defer close(w.ended)
		v, err := f(context.WithValue(ctx, waiterKey{}, w))
		w.result <- outcome{v, err}
	})
	<-s.parked
	return w
}

// kill ends w in its park.
func (w *waiter) kill() {
	w.doomed.Store(true)
	w.cancel(errGaveUp)
	<-w.ended
}
