// Package fault is the one error type of the node. Its kinds are stable
// numbers because they travel on the wire.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind classifies an error. The numbers are part of the protocol: they are
// never reused, and an unknown one is treated as Internal.
type Kind uint16

// The kinds.
const (
	Other         Kind = 0  // not classified; travels as Internal
	Internal      Kind = 1  // a bug or a panic at the other end
	Overload      Kind = 2  // a limit was reached; try again after RetryAfter, or elsewhere
	NotFound      Kind = 3  // nobody provides the name
	Deadline      Kind = 4  // the deadline passed
	Cancelled     Kind = 5  // the caller gave up
	CallerGone    Kind = 6  // the caller's connection or task ended
	Unauthorized  Kind = 7  // this id may not do that here
	RealmMismatch Kind = 8  // the two ends belong to different realms
	TooLarge      Kind = 9  // over a size limit
	Draining      Kind = 10 // the node is shutting down, or the connection is being evicted
	HopLimit      Kind = 11 // forwarded too often
	Unreachable   Kind = 12 // no connection to the peer
	Protocol      Kind = 13 // the peer broke the protocol
	Superseded    Kind = 14 // a newer session of the same id took over
	Version       Kind = 15 // no protocol version in common
	Invalid       Kind = 16 // the request itself is malformed
	Application   Kind = 17 // the handler returned an error of its own

	// Kinds is how many there are. What came from elsewhere may be above.
	Kinds = 18
)

var names = [Kinds]string{
	"other", "internal", "overload", "not found", "deadline", "cancelled", "caller gone",
	"unauthorized", "realm mismatch", "too large", "draining", "hop limit", "unreachable",
	"protocol", "superseded", "version", "invalid", "application",
}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint16(k))
}

// Error makes a Kind usable as the target of errors.Is.
func (k Kind) Error() string { return k.String() }

// Retryable reports whether the same call may succeed at another provider, as
// far as the kind alone can tell.
func (k Kind) Retryable() bool {
	switch k {
	case Overload, Draining, Unreachable, NotFound, CallerGone:
		return true
	}
	return false
}

// Error is an error with the operation that failed and its kind.
type Error struct {
	Op         string        // "rpc.Call", "pool.Get"
	Kind       Kind          // what class of failure
	Detail     string        // what happened, in lower case; may be empty
	RetryAfter time.Duration // when to try again, zero when unknown
	Remote     bool          // the other end said so
	Executed   bool          // the call may have been executed: only an idempotent one may be tried elsewhere
	Err        error         // the cause, or nil
}

// New returns an error of that kind.
func New(op string, kind Kind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns err with op in front of it; its kind is KindOf(err). It
// returns nil for a nil err.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: KindOf(err), RetryAfter: RetryAfter(err), Executed: Executed(err), Err: err}
}

// Error implements error: "op: detail: cause", or the kind when there is
// neither.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	switch {
	case e.Detail != "" && e.Err != nil && e.Err != context.DeadlineExceeded && e.Err != context.Canceled:
		b.WriteString(e.Detail)
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	case e.Detail != "":
		b.WriteString(e.Detail)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(e.Kind.String())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches a Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf returns the kind of err: that of the outermost Error in its chain,
// Deadline and Cancelled for the two context errors, and Other else.
func KindOf(err error) Kind {
	if err == nil {
		return Other // without the allocations of errors.As: it is asked for every call
	}
	var e *Error
	var k Kind
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Cancelled
	}
	return Other
}

// RetryAfter returns the retry hint of the outermost Error in err's chain.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// Executed reports whether the call that failed with err may have been
// executed, as the outermost Error in the chain says.
func Executed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Executed
}
