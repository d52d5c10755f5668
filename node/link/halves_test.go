package link

import (
	"context"
	"testing"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// An answer may meet the end of its link: the task of the stream is over then,
// and nobody would count the stream out again.
func TestAStreamOfALinkThatHasEndedDoesNotCountAsHalfClosed(t *testing.T) {
	r := realrt.New(realrt.Config{})
	l := &Link{
		r: r, mu: rt.NewMutex(r), deps: Deps{Totals: &Totals{}},
		halves: bounded.NewMap[transport.Stream, mono.Time]("half-closed streams", maxHalves),
	}
	l.ctx, l.cancel = r.WithCancelCause(context.Background())
	now := func() int64 { return l.deps.Totals.halves.now.Load() }
	l.half(nil)
	if n := now(); n != 1 || l.halves.Len() != 1 {
		t.Errorf("%d in the totals, %d in the table", n, l.halves.Len())
	}
	l.whole(nil)
	l.cancel(nil)
	l.half(nil)
	if n := now(); n != 0 || l.halves.Len() != 0 {
		t.Errorf("after the end: %d in the totals, %d in the table", n, l.halves.Len())
	}
}
