package wire

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// CodeNormal closes a connection or resets a stream for no particular reason.
// Every other code is the number of a fault.Kind.
const CodeNormal transport.Code = 0

// CloseCode is the code with which a connection or stream ends because of
// kind. It is never CodeNormal.
func CloseCode(kind fault.Kind) transport.Code { return transport.Code(known(kind)) }

// MaxRefusal is the longest close reason in bytes.
const MaxRefusal = transport.MaxReason

const (
	retryPrefix = "; retry-after="
	retryUnit   = "ms"
	detailSep   = ": "
)

// EncodeRefusal returns a close reason that ParseRefusal understands and a
// person can read: "overload; retry-after=1500ms: 10000 clients, the limit".
// The time and the detail are left out when they are zero; the detail is cut
// so that all fits into MaxRefusal bytes. It goes with CloseCode(kind).
func EncodeRefusal(kind fault.Kind, retryAfter time.Duration, detail string) string {
	head := known(kind).String()
	if ms := retryMillis(retryAfter); ms > 0 {
		head += retryPrefix + strconv.FormatUint(uint64(ms), 10) + retryUnit
	}
	if detail == "" {
		return head
	}
	head += detailSep
	return head + clip(detail, MaxRefusal-len(head))
}

// ParseRefusal returns what the code and reason say with which the other side
// closed. It is never nil and Remote is set. CodeNormal becomes Unreachable:
// the peer went away and did not say why. Of an unknown code only the reason
// is kept, as Internal. The reason is untrusted text: it is cut to
// MaxRefusal, and what cannot be printed is replaced.
func ParseRefusal(code transport.Code, reason string) *fault.Error {
	e := &fault.Error{Op: "peer", Remote: true}
	reason = Printable(clip(reason, MaxRefusal))
	if code == CodeNormal {
		e.Kind, e.Detail = fault.Unreachable, "closed the connection"
		if reason != "" {
			e.Detail += detailSep + reason
		}
		return e
	}
	e.Kind = fault.Internal
	if code <= transport.Code(fault.Application) {
		e.Kind = fault.Kind(code)
	}
	rest, ok := strings.CutPrefix(reason, e.Kind.String())
	if !ok {
		e.Detail = reason
		return e
	}
	if after, ok := strings.CutPrefix(rest, retryPrefix); ok {
		num, tail, found := strings.Cut(after, retryUnit)
		ms, err := strconv.ParseUint(num, 10, 32)
		if !found || err != nil {
			e.Detail = reason
			return e
		}
		e.RetryAfter = min(time.Duration(ms)*time.Millisecond, MaxRetryAfter)
		rest = tail
	}
	switch detail, ok := strings.CutPrefix(rest, detailSep); {
	case ok:
		e.Detail = detail
	case rest != "":
		e.Detail, e.RetryAfter = reason, 0
	}
	return e
}

// Shown is Printable for a text that may be long: of more than most bytes it
// shows the first ones.
func Shown(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return Printable(s)
}

// Printable replaces what cannot be printed, so that a peer cannot write lines
// of its own into a log or move the cursor of a terminal. Whoever shows text of
// a peer, such as the message of an Error, shows it through this.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
