package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// codec is one kind of frame: how to parse a payload, how to write what was
// parsed, and values of it.
type codec struct {
	name   string
	kind   byte
	parse  func(payload []byte) (any, error)
	append func(dst []byte, v any) []byte
	draw   func(t *rapid.T) any
}

// idKind is what a Cancel says.
type idKind struct {
	ID   uint64
	Kind fault.Kind
}

func codecs() []codec {
	return []codec{
		{"Hello", KindHello, parser(ParseHello), writer(AppendHello), func(t *rapid.T) any { return drawHello(t) }},
		{"Welcome", KindWelcome, parser(ParseWelcome), writer(AppendWelcome), func(t *rapid.T) any {
			return Welcome{Version: Version, Features: u64(t), Session: u64(t), MaxCalls: u32(t)}
		}},
		{"GoAway", KindGoAway, parser(ParseGoAway), writer(AppendGoAway), func(t *rapid.T) any {
			return GoAway{LastCall: u64(t), Kind: drawKind(t), RetryAfter: drawRetry(t)}
		}},
		{"GoAwayAck", KindGoAwayAck, func(p []byte) (any, error) { return nil, ParseGoAwayAck(p) },
			func(dst []byte, _ any) []byte { return AppendGoAwayAck(dst) }, func(t *rapid.T) any { return nil }},
		{"Ping", KindPing, parser(ParsePing), func(dst []byte, v any) []byte { return AppendPing(dst, v.(uint64)) }, func(t *rapid.T) any { return u64(t) }},
		{"Pong", KindPong, parser(ParsePong), func(dst []byte, v any) []byte { return AppendPong(dst, v.(uint64)) }, func(t *rapid.T) any { return u64(t) }},
		{"Advertise", KindAdvertise, parser(ParseAdvertise), writer(AppendAdvertise), func(t *rapid.T) any {
			return Advertise{Name: drawName(t), Provider: drawPeer(t), Version: u64(t), TTL: drawMillis(t), Hops: byte(u32(t)), Addr: drawAddr(t)}
		}},
		{"Withdraw", KindWithdraw, parser(ParseWithdraw), writer(AppendWithdraw), func(t *rapid.T) any {
			return Withdraw{Name: drawName(t), Provider: drawPeer(t), Version: u64(t)}
		}},
		{"AdvertiseAck", KindAdvertiseAck, parser(ParseAdvertiseAck), writer(AppendAdvertiseAck), func(t *rapid.T) any {
			return AdvertiseAck{Name: drawName(t), Version: u64(t), Kind: fault.Kind(rapid.IntRange(0, int(fault.Application)).Draw(t, "kind")), RetryAfter: drawRetry(t)}
		}},
		{"Query", KindQuery, parser(ParseQuery), writer(AppendQuery), func(t *rapid.T) any { return Query{ID: u32(t), Name: drawName(t)} }},
		{"Answer", KindAnswer, parser(ParseAnswer), writer(AppendAnswer), func(t *rapid.T) any { return drawAnswer(t) }},
		{"Elsewhere", KindElsewhere, parser(ParseElsewhere), writer(AppendElsewhere), func(t *rapid.T) any { return drawElsewhere(t) }},
		{"Call", KindCall, parser(ParseCall), writer(AppendCall), func(t *rapid.T) any { return drawCall(t) }},
		{"Reply", KindReply, parser(ParseReply), func(dst []byte, v any) []byte { r := v.(Reply); return AppendReply(dst, r.ID, r.Body) }, func(t *rapid.T) any {
			return Reply{ID: u64(t), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body")}
		}},
		{"Error", KindError, parser(ParseError), writer(AppendError), func(t *rapid.T) any {
			return Error{ID: u64(t), Kind: drawKind(t), RetryAfter: drawRetry(t), Executed: rapid.Bool().Draw(t, "executed"), Message: clip(rapid.String().Draw(t, "message"), MaxMessage)}
		}},
		{"Cancel", KindCancel, func(p []byte) (any, error) { id, kind, err := ParseCancel(p); return idKind{id, kind}, err },
			func(dst []byte, v any) []byte { c := v.(idKind); return AppendCancel(dst, c.ID, c.Kind) },
			func(t *rapid.T) any { return idKind{u64(t), drawKind(t)} }},
	}
}

func parser[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(p []byte) (any, error) { v, err := parse(p); return v, err }
}

func writer[T any](write func([]byte, *T) []byte) func([]byte, any) []byte {
	return func(dst []byte, v any) []byte { t := v.(T); return write(dst, &t) }
}

func u64(t *rapid.T) uint64 { return rapid.Uint64().Draw(t, "u64") }
func u32(t *rapid.T) uint32 { return rapid.Uint32().Draw(t, "u32") }

func drawName(t *rapid.T) string {
	return rapid.StringMatching(`[a-z0-9_-]{1,9}([./][a-z0-9_-]{1,9}){0,9}`).Draw(t, "name")
}

func drawPeer(t *rapid.T) (id transport.PeerID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "peer"))
	return id
}

func drawKind(t *rapid.T) fault.Kind {
	return fault.Kind(rapid.IntRange(1, int(fault.Application)).Draw(t, "kind"))
}

func drawMillis(t *rapid.T) time.Duration { return time.Duration(u32(t)) * time.Millisecond }
func drawRetry(t *rapid.T) time.Duration  { return min(drawMillis(t), MaxRetryAfter) }

func drawAddr(t *rapid.T) transport.Addr {
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip")
	ip, _ := netip.AddrFromSlice(b)
	switch rapid.IntRange(0, 2).Draw(t, "family") {
	case 0:
		return transport.Addr{}
	case 1:
		ip, _ = netip.AddrFromSlice(b[:4])
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(u32(t)))
}

func drawHello(t *rapid.T) Hello {
	return Hello{
		MinVersion: 1, MaxVersion: 1, Features: u64(t), Role: Role(rapid.IntRange(1, 2).Draw(t, "role")), Session: u64(t), MaxCalls: u32(t),
		Realm:  rapid.StringMatching(`[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9}){0,9}`).Draw(t, "realm"),
		Listen: rapid.SliceOfN(rapid.StringMatching(`[!-~]{1,64}`), 0, MaxListen).Draw(t, "listen"),
	}
}

func drawAnswer(t *rapid.T) Answer {
	a := Answer{ID: u32(t), Name: drawName(t)}
	for range rapid.IntRange(0, MaxProviders).Draw(t, "providers") {
		a.Found = append(a.Found, Provider{ID: drawPeer(t), Version: u64(t), TTL: drawMillis(t), Hops: byte(u32(t)), Addr: drawAddr(t)})
	}
	return a
}

func drawElsewhere(t *rapid.T) (e Elsewhere) {
	for range rapid.IntRange(0, MaxElsewhere).Draw(t, "gateways") {
		if a := drawAddr(t); a.IsValid() {
			e.Gateways = append(e.Gateways, Gateway{ID: drawPeer(t), Addr: a})
		}
	}
	return e
}

func drawCall(t *rapid.T) Call {
	c := Call{
		ID: max(u64(t), 1), Flags: Flags(rapid.IntRange(0, 7).Draw(t, "flags")), Hops: byte(u32(t)),
		Budget: time.Duration(rapid.Int64Range(0, int64(MaxBudget/time.Microsecond)).Draw(t, "budget")) * time.Microsecond,
		Name:   drawName(t), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
	}
	if c.Flags&FlagForwarded != 0 {
		c.Caller = drawPeer(t)
	}
	return c
}

// same compares values, with nil and empty lists alike.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprint(a) == fmt.Sprint(b)
}

func TestEveryFrameComesBackAsItWasWritten(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, rapid.MakeCheck(func(t *rapid.T) {
			v := c.draw(t)
			before := rapid.SliceOf(rapid.Byte()).Draw(t, "before")
			b := c.append(bytes.Clone(before), v)
			if !bytes.HasPrefix(b, before) {
				t.Fatal("what was in the buffer has changed")
			}
			kind, payload, err := NewReader(bytes.NewReader(b[len(before):]), 1<<20).Next()
			if err != nil || kind != c.kind {
				t.Fatalf("kind %d, %v", kind, err)
			}
			got, err := c.parse(payload)
			if err != nil || !same(got, v) {
				t.Fatalf("wrote %+v, read %+v, %v", v, got, err)
			}
		}))
	}
}

func TestEveryFrameFitsTheLimitOfItsStream(t *testing.T) {
	long, addr := strings.Repeat("a", MaxName), netip.MustParseAddrPort("[2001:db8::1]:65535")
	listen := slicesRepeat(strings.Repeat("a", MaxAddr), MaxListen)
	control := map[string][]byte{
		"Hello":        AppendHello(nil, &Hello{Realm: long, Listen: listen}),
		"Answer":       AppendAnswer(nil, &Answer{Name: long, Found: slicesRepeat(Provider{Addr: addr}, MaxProviders)}),
		"Advertise":    AppendAdvertise(nil, &Advertise{Name: long, Addr: addr}),
		"AdvertiseAck": AppendAdvertiseAck(nil, &AdvertiseAck{Name: long}),
	}
	for name, b := range control {
		if len(b) > MaxControl {
			t.Errorf("%s has %d bytes, MaxControl is %d", name, len(b), MaxControl)
		}
	}
	if n := len(control["Answer"]); n != MaxControl {
		t.Errorf("the largest answer has %d bytes, MaxControl is %d", n, MaxControl)
	}
	if n := len(AppendCall(nil, &Call{Flags: FlagForwarded, Name: long, Body: make([]byte, MaxSmall)})); n != MaxFrame {
		t.Errorf("the largest call has %d bytes, MaxFrame is %d", n, MaxFrame)
	}
	if n := len(AppendError(nil, &Error{Message: strings.Repeat("a", MaxMessage)})); n > MaxFrame {
		t.Errorf("the largest error has %d bytes", n)
	}
	if got := (Limits{}).LargeFrame(); got != 1<<20+Overhead {
		t.Errorf("LargeFrame by default: %d", got)
	}
	if got := (Limits{MaxBody: 5}).LargeFrame(); got != 5+Overhead {
		t.Errorf("LargeFrame of 5: %d", got)
	}
}

func slicesRepeat[T any](v T, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func TestDurationsAreRoundedTheSafeWay(t *testing.T) {
	for _, c := range []struct{ in, ttl, retry, budget time.Duration }{
		{0, 0, 0, 0},
		{1, time.Millisecond, time.Millisecond, 0},
		{1500 * time.Microsecond, 2 * time.Millisecond, 2 * time.Millisecond, 1500 * time.Microsecond},
		{-5, time.Millisecond, 0, 0},
		{1<<63 - 1, MaxTTL, MaxRetryAfter, MaxBudget},
	} {
		a, _ := ParseAdvertise(AppendAdvertise(nil, &Advertise{Name: "a", TTL: c.in})[headerSize:])
		e, _ := ParseError(AppendError(nil, &Error{RetryAfter: c.in})[headerSize:])
		call, _ := ParseCall(AppendCall(nil, &Call{ID: 1, Name: "a", Budget: c.in})[headerSize:])
		if a.TTL != c.ttl || e.RetryAfter != c.retry || call.Budget != c.budget {
			t.Errorf("%v: TTL %v, retry-after %v, budget %v; want %v, %v, %v", c.in, a.TTL, e.RetryAfter, call.Budget, c.ttl, c.retry, c.budget)
		}
	}
}

func TestMessagesAreCutBetweenCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.OneOf(
			rapid.StringN(200, 400, -1),
			rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "bytes")) }),
		).Draw(t, "message")
		e, err := ParseError(AppendError(nil, &Error{Message: msg})[headerSize:])
		switch {
		case err != nil:
			t.Fatal(err)
		case utf8.ValidString(msg) && !strings.HasPrefix(msg, e.Message):
			t.Fatalf("%q became %q", msg, e.Message)
		case utf8.ValidString(msg) && len(e.Message) < min(len(msg), MaxMessage-utf8.UTFMax+1):
			t.Fatalf("%d bytes were cut to %d", len(msg), len(e.Message))
		}
	})
}

func TestAnIPv4AddressHasOneSpelling(t *testing.T) {
	plain, mapped := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("[::ffff:192.0.2.1]:443")
	one := AppendAdvertise(nil, &Advertise{Name: "a", Addr: plain})
	two := AppendAdvertise(nil, &Advertise{Name: "a", Addr: mapped})
	if !bytes.Equal(one, two) {
		t.Error("the mapped address is written differently")
	}
}

func TestEncodersPanicOverALimitThatTheCallerChecks(t *testing.T) {
	for name, f := range map[string]func(){
		"name":      func() { AppendCall(nil, &Call{Name: strings.Repeat("a", MaxName+1)}) },
		"realm":     func() { AppendHello(nil, &Hello{Realm: strings.Repeat("a", MaxRealm+1)}) },
		"address":   func() { AppendHello(nil, &Hello{Listen: []string{strings.Repeat("a", MaxAddr+1)}}) },
		"addresses": func() { AppendHello(nil, &Hello{Listen: make([]string, MaxListen+1)}) },
		"providers": func() { AppendAnswer(nil, &Answer{Found: make([]Provider, MaxProviders+1)}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s over its limit was written", name)
				}
			}()
			f()
		}()
	}
}
