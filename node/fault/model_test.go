package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
)

// known is what a chain of errors must say, however it was built.
type known struct {
	kind     fault.Kind
	retry    time.Duration
	executed bool
	below    []fault.Kind // of the Errors in the chain, each of which errors.Is finds
}

// drawError draws the innermost error of a chain.
func drawError(t *rapid.T) (error, known) {
	k := fault.Kind(rapid.IntRange(0, fault.Kinds+2).Draw(t, "kind"))
	switch rapid.SampledFrom([]string{"fault", "bare kind", "deadline", "cancelled", "foreign"}).Draw(t, "root") {
	case "fault":
		x := known{kind: k, retry: time.Duration(rapid.IntRange(0, 5).Draw(t, "retry")) * time.Second, executed: rapid.Bool().Draw(t, "executed")}
		x.below = []fault.Kind{k}
		return &fault.Error{Op: "root", Kind: k, RetryAfter: x.retry, Executed: x.executed}, x
	case "bare kind":
		return k, known{kind: k, below: []fault.Kind{k}}
	case "deadline":
		return context.DeadlineExceeded, known{kind: fault.Deadline}
	case "cancelled":
		return context.Canceled, known{kind: fault.Cancelled}
	}
	return errors.New("foreign"), known{}
}

// However an error is wrapped, by Wrap, by fmt or in an Error of another kind,
// the outermost Error decides and the causes stay to be found.
func TestAWrappedErrorSaysWhatItsModelKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, x := drawError(t)
		err := root
		for range rapid.IntRange(0, 5).Draw(t, "depth") {
			switch rapid.SampledFrom([]string{"Wrap", "fmt", "joined", "classified"}).Draw(t, "by") {
			case "Wrap":
				err = fault.Wrap("op", err)
				x.below = append(x.below, x.kind)
			case "fmt":
				err = fmt.Errorf("outer: %w", err)
			case "joined":
				err = errors.Join(errors.New("another"), err)
			case "classified":
				x.kind = fault.Kind(rapid.IntRange(0, fault.Kinds-1).Draw(t, "as"))
				x.retry, x.executed = 0, rapid.Bool().Draw(t, "executed")
				err = &fault.Error{Op: "op", Kind: x.kind, Executed: x.executed, Err: err}
				x.below = append(x.below, x.kind)
			}
		}
		if got := fault.KindOf(err); got != x.kind {
			t.Fatalf("KindOf(%v) is %v, want %v", err, got, x.kind)
		}
		if got := fault.RetryAfter(err); got != x.retry {
			t.Fatalf("RetryAfter(%v) is %v, want %v", err, got, x.retry)
		}
		if got := fault.Executed(err); got != x.executed {
			t.Fatalf("Executed(%v) is %v, want %v", err, got, x.executed)
		}
		if !errors.Is(err, root) {
			t.Fatalf("%v has lost its root", err)
		}
		for _, k := range x.below {
			if !errors.Is(err, k) {
				t.Fatalf("%v is not found to be %v", err, k)
			}
		}
	})
}
