package rt

import (
	"context"
	"sync"
	"time"

	"github.com/maculamesh/macula/mono"
)

// LazyTimeout is a context that ends at an instant, as one of
// Runtime.WithTimeout does, for work that mostly is over earlier: a timer and
// a channel are made by the first who asks for Done. Whoever keeps many such
// deadlines in one table waits for the end of Parent, until Until, and needs
// neither. All methods are safe for concurrent use and none blocks.
type LazyTimeout struct {
	r      Runtime
	parent context.Context
	until  mono.Time

	mu     sync.Mutex //simvet:allow sync a context is asked with an rt.Mutex held; never held across a park
	made   context.Context
	cancel context.CancelFunc // of made
	ended  bool
}

// NewLazyTimeout returns a context that ends at until, and with parent, which
// has no earlier deadline. Whoever makes it calls End.
func NewLazyTimeout(r Runtime, parent context.Context, until mono.Time) *LazyTimeout {
	return &LazyTimeout{r: r, parent: parent, until: until}
}

// Parent is the context that ends this one earlier.
func (t *LazyTimeout) Parent() context.Context { return t.parent }

// Until is when the context ends.
func (t *LazyTimeout) Until() mono.Time { return t.until }

// End ends the context now and gives back what it holds. Only the first call
// counts.
func (t *LazyTimeout) End() {
	t.mu.Lock()
	cancel := t.cancel
	t.ended, t.cancel = true, nil
	t.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// Deadline implements context.Context.
func (t *LazyTimeout) Deadline() (time.Time, bool) { return Deadline(t.r, t.until), true }

// Done implements context.Context.
func (t *LazyTimeout) Done() <-chan struct{} { //simvet:allow chan it is the type of the interface
	return t.context().Done()
}

// Err implements context.Context. The runtime's context keeps the first error
// that somebody hears.
func (t *LazyTimeout) Err() error {
	t.mu.Lock()
	made, ended := t.made, t.ended
	t.mu.Unlock()
	if made == nil {
		if !ended && t.parent.Err() == nil && !t.until.Reached(t.r.Now()) {
			return nil
		}
		made = t.context()
	}
	return made.Err()
}

// Value implements context.Context. context.Cause finds by it why the context
// has ended.
func (t *LazyTimeout) Value(key any) any {
	t.mu.Lock()
	made := t.made
	t.mu.Unlock()
	if made != nil {
		return made.Value(key)
	}
	return t.parent.Value(key)
}

// context returns the context of the runtime behind this one.
func (t *LazyTimeout) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil {
		t.made, t.cancel = t.r.WithTimeout(t.parent, t.until.Sub(t.r.Now()))
		if t.ended {
			t.cancel()
			t.cancel = nil
		}
	}
	return t.made
}
