package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// golden is what is on the wire. A number must never change its meaning: add
// at the end, and never take a line away.
var golden = []struct {
	number    uint16
	kind      fault.Kind
	name      string
	retryable bool
}{
	{0, fault.Other, "other", false},
	{1, fault.Internal, "internal", false},
	{2, fault.Overload, "overload", true},
	{3, fault.NotFound, "not found", true},
	{4, fault.Deadline, "deadline", false},
	{5, fault.Cancelled, "cancelled", false},
	{6, fault.CallerGone, "caller gone", true},
	{7, fault.Unauthorized, "unauthorized", false},
	{8, fault.RealmMismatch, "realm mismatch", false},
	{9, fault.TooLarge, "too large", false},
	{10, fault.Draining, "draining", true},
	{11, fault.HopLimit, "hop limit", false},
	{12, fault.Unreachable, "unreachable", true},
	{13, fault.Protocol, "protocol", false},
	{14, fault.Superseded, "superseded", false},
	{15, fault.Version, "version", false},
	{16, fault.Invalid, "invalid", false},
	{17, fault.Application, "application", false},
}

func TestKindsAreStableNumbers(t *testing.T) {
	for i, g := range golden {
		if int(g.number) != i || uint16(g.kind) != g.number || g.kind.String() != g.name || g.kind.Error() != g.name {
			t.Errorf("kind %d is %d, %q, want %q", g.number, uint16(g.kind), g.kind, g.name)
		}
		if g.kind.Retryable() != g.retryable {
			t.Errorf("kind %q is retryable: %v", g.kind, g.kind.Retryable())
		}
	}
	if next := fault.Kind(len(golden)); next.String() != fmt.Sprintf("kind %d", len(golden)) || next.Retryable() {
		t.Errorf("kind %d has the name %q and is missing in the table", len(golden), next)
	}
}

func TestAnErrorIsItsKindAndItsCause(t *testing.T) {
	cause := errors.New("no route")
	err := error(&fault.Error{Op: "pool.Get", Kind: fault.Unreachable, Err: cause})
	err = fmt.Errorf("outer: %w", err)
	if !errors.Is(err, fault.Unreachable) || errors.Is(err, fault.Overload) {
		t.Error("errors.Is does not tell the kinds apart")
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Op != "pool.Get" {
		t.Errorf("errors.As: %+v", e)
	}
}

func TestKindOf(t *testing.T) {
	inner := fault.New("link", fault.Protocol, "a bad frame")
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"nil":                         {nil, fault.Other},
		"anything":                    {errors.New("x"), fault.Other},
		"an Error":                    {inner, fault.Protocol},
		"the outermost of two":        {&fault.Error{Kind: fault.Draining, Err: inner}, fault.Draining},
		"an Error inside of another":  {fmt.Errorf("x: %w", inner), fault.Protocol},
		"a kind itself":               {fmt.Errorf("x: %w", fault.TooLarge), fault.TooLarge},
		"a deadline of a context":     {fmt.Errorf("x: %w", context.DeadlineExceeded), fault.Deadline},
		"a cancellation of a context": {context.Canceled, fault.Cancelled},
		"an Error about a deadline":   {&fault.Error{Kind: fault.Overload, Err: context.DeadlineExceeded}, fault.Overload},
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWrapKeepsWhatTheCallerMustKnow(t *testing.T) {
	if fault.Wrap("rpc.Call", nil) != nil {
		t.Error("Wrap of nil is an error")
	}
	inner := &fault.Error{Op: "link", Kind: fault.Overload, RetryAfter: time.Second, Executed: true}
	err := fault.Wrap("rpc.Call", fmt.Errorf("attempt 2: %w", inner))
	if fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) != time.Second || !fault.Executed(err) || !errors.Is(err, inner) {
		t.Errorf("%+v", err)
	}
	plain := fault.Wrap("rpc.Call", context.DeadlineExceeded)
	if !errors.Is(plain, fault.Deadline) || !errors.Is(plain, context.DeadlineExceeded) {
		t.Errorf("%+v", plain)
	}
	if err := errors.New("x"); fault.RetryAfter(err) != 0 || fault.Executed(err) || fault.RetryAfter(nil) != 0 || fault.Executed(nil) {
		t.Error("an error of another type has a hint")
	}
}

func TestErrorsReadFromTheOperationToTheCause(t *testing.T) {
	cause := errors.New("refused")
	for want, err := range map[string]error{
		"rpc.Call: dial n3: refused":    &fault.Error{Op: "rpc.Call", Detail: "dial n3", Err: cause},
		"rpc.Call: refused":             &fault.Error{Op: "rpc.Call", Err: cause},
		"rpc.Call: dial n3":             fault.New("rpc.Call", fault.Unreachable, "dial %s", "n3"),
		"rpc.Call: hop limit":           &fault.Error{Op: "rpc.Call", Kind: fault.HopLimit},
		"overload":                      &fault.Error{Kind: fault.Overload},
		"full (retry after 1.5s)":       &fault.Error{Detail: "full", RetryAfter: 1500 * time.Millisecond},
		"kind 77":                       &fault.Error{Kind: 77},
		"a: b: overload":                fault.Wrap("a", fault.Wrap("b", fault.Overload)),
		"a: x (retry after 1s)":         &fault.Error{Op: "a", Err: errors.New("x"), RetryAfter: time.Second},
		"a: not counted (100% of them)": fault.New("a", fault.Other, "not counted (100%% of them)"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
