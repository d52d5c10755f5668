package wire

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

func TestRefusalsComeBackAsTheyWereSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, retry := drawKind(t), drawRetry(t)
		detail := rapid.StringMatching(`[ -~äöü→]{0,60}`).Draw(t, "detail")
		reason := EncodeRefusal(kind, retry, detail)
		e := ParseRefusal(CloseCode(kind), reason)
		if e.Kind != kind || e.RetryAfter != retry || e.Detail != detail || !e.Remote {
			t.Fatalf("sent %v %v %q as %q, got %+v", kind, retry, detail, reason, e)
		}
	})
}

func TestARefusalIsForPeopleToo(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{EncodeRefusal(fault.Overload, 1500*time.Millisecond, "10000 clients, the limit"), "overload; retry-after=1500ms: 10000 clients, the limit"},
		{EncodeRefusal(fault.Draining, 0, ""), "draining"},
		{EncodeRefusal(fault.Other, 0, ""), "internal"},
		{ParseRefusal(2, "overload; retry-after=1500ms: 10000 clients, the limit").Error(), "peer: 10000 clients, the limit (retry after 1.5s)"},
		{ParseRefusal(10, "draining").Error(), "peer: draining"},
		{ParseRefusal(0, "").Error(), "peer: closed the connection"},
		{ParseRefusal(0, "bye").Error(), "peer: closed the connection: bye"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestARefusalFitsTheCloseReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		detail := rapid.OneOf(rapid.StringN(100, 300, -1), rapid.Just(strings.Repeat("→", 200))).Draw(t, "detail")
		reason := EncodeRefusal(drawKind(t), drawRetry(t), detail)
		if len(reason) > transport.MaxReason || !utf8.ValidString(reason) {
			t.Fatalf("%d bytes: %q", len(reason), reason)
		}
	})
}

func TestAnyReasonIsUnderstoodSomehow(t *testing.T) {
	for _, c := range []struct {
		code   transport.Code
		reason string
		kind   fault.Kind
		detail string
		retry  time.Duration
	}{
		{2, "overload; retry-after=99999999999ms: full", fault.Overload, "overload; retry-after=99999999999ms: full", 0},
		{2, "overload; retry-after=4000000000ms", fault.Overload, "", MaxRetryAfter},
		{2, "overload; retry-after=-5ms", fault.Overload, "overload; retry-after=-5ms", 0},
		{2, "overload; retry-after=5s", fault.Overload, "overload; retry-after=5s", 0},
		{2, "overload; retry-after=5ms and more", fault.Overload, "overload; retry-after=5ms and more", 0},
		{2, "overloaded", fault.Overload, "overloaded", 0},
		{2, "draining: no", fault.Overload, "draining: no", 0},
		{18, "what is this", fault.Internal, "what is this", 0},
		{1 << 61, "", fault.Internal, "", 0},
		{7, "unauthorized: a\nb\x1b[2J\xff", fault.Unauthorized, "a?b?[2J?", 0},
		{0, "", fault.Unreachable, "closed the connection", 0},
	} {
		e := ParseRefusal(c.code, c.reason)
		if e.Kind != c.kind || e.Detail != c.detail || e.RetryAfter != c.retry {
			t.Errorf("%d %q: kind %v, detail %q, retry after %v", c.code, c.reason, e.Kind, e.Detail, e.RetryAfter)
		}
	}
}

func TestCloseCodesAreTheKinds(t *testing.T) {
	for k := fault.Internal; k <= fault.Application; k++ {
		if CloseCode(k) != transport.Code(k) {
			t.Errorf("%v closes with code %d", k, CloseCode(k))
		}
	}
	if CloseCode(fault.Other) != transport.Code(fault.Internal) {
		t.Error("an error that is not classified closes like a normal end")
	}
}
