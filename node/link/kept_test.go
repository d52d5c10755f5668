package link_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/maculamesh/macula/node/link"
)

type markKey struct{}

// callMarked makes a large call whose context holds something, and returns a
// pointer to that which does not hold it. The context of a call that a gateway
// passes on holds the body of the caller.
func callMarked(x *world, a *side, l *link.Link) weak.Pointer[[1 << 16]byte] {
	mark := new([1 << 16]byte)
	o := &op{id: uint64(len(x.ops)), from: a, deadline: x.w.Now().Add(time.Second)}
	x.ops = append(x.ops, o)
	body := make([]byte, 20<<10)
	binary.BigEndian.PutUint64(body, o.id)
	a.m.Go("caller", func() {
		ctx, cancel := a.m.WithTimeout(context.WithValue(context.Background(), markKey{}, mark), time.Second)
		defer cancel()
		o.body, o.err = l.Call(ctx, &link.Request{Name: "echo", Body: body})
		o.back, o.backAt = true, x.w.Now()
	})
	for !o.back {
		a.wait(latency)
	}
	return weak.Make(mark)
}

func TestALargeCallThatIsOverIsForgotten(t *testing.T) {
	seeds(t, 3, nil, func(t *testing.T, x *world, a, _ *side, l *link.Link) {
		// Calls that were in flight together leave as many to use again.
		var ops []*op
		for range 8 {
			ops = append(ops, x.call(l, a, "echo", 0, 50*time.Millisecond, time.Second))
		}
		for _, o := range ops {
			o.result()
		}
		var marks []weak.Pointer[[1 << 16]byte]
		for range 4 {
			marks = append(marks, callMarked(x, a, l))
		}
		a.wait(time.Second)
		runtime.GC()
		runtime.GC()
		for i, m := range marks {
			if m.Value() != nil {
				t.Errorf("large call %d is over, and its context is held", i)
			}
		}
	})
}
