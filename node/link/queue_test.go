package link_test

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
)

// Others have used up what the node has for queues. An honest peer whose calls
// are refused hears so, for as many at a time as it may have in flight.
func TestRefusalsDoNotNeedRoomInTheLedger(t *testing.T) {
	for _, n := range []int{50, 400, 1000} {
		seeds(t, 3, func(_, b *side) {
			b.ledger = ledger.New(ledger.Config{Node: ledger.Limits{Queue: ledger.Limit{Count: 1, Bytes: 1}}})
		}, func(t *testing.T, x *world, a, b *side, l *link.Link) {
			var ops []*op
			for range n {
				ops = append(ops, x.call(l, a, "nobody", 0, 0, time.Second))
			}
			for _, o := range ops {
				if _, err := o.result(); fault.KindOf(err) != fault.NotFound {
					t.Errorf("one of %d calls: %v", n, err)
					return
				}
			}
			if err := l.Context().Err(); err != nil {
				t.Errorf("%d calls: the link ended: %v", n, err)
			}
		})
	}
}

// A queue takes leases for what it holds, and not for all that it may hold.
func TestAShortQueueCostsLittle(t *testing.T) {
	seeds(t, 3, nil, func(t *testing.T, x *world, a, b *side, l *link.Link) {
		most := int64(0)
		x.w.AfterEach(func() error {
			for _, u := range a.ledger.Stats().Usage {
				if u.Class == ledger.Queue {
					most = max(most, u.Bytes)
				}
			}
			return nil
		})
		var ops []*op
		for range 200 {
			ops = append(ops, x.call(l, a, "echo", 100, 0, time.Second))
		}
		for _, o := range ops {
			o.result()
		}
		if most == 0 || most > 128<<10 {
			t.Errorf("200 small calls took leases of %d bytes for their queue", most)
		}
	})
}
