package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// lossy are the frames that are read more kindly than they are written: an
// unknown kind of failure becomes Internal and a long retry-after is cut.
var lossy = map[string]bool{"GoAway": true, "AdvertiseAck": true, "Error": true, "Cancel": true, "Hello": true}

func codecOf(name string) codec {
	for _, c := range codecs() {
		if c.name == name {
			return c
		}
	}
	panic("no codec " + name)
}

// seed adds payloads of that frame: as they should be, cut, longer, with text
// that is not UTF-8 and with lengths that promise more than there is.
func seed(f *testing.F, c codec) {
	type drawn struct{ v any }
	example := rapid.Custom(func(t *rapid.T) drawn {
		rapid.Bool().Draw(t, "some frames have no fields to draw")
		return drawn{c.draw(t)}
	})
	for i := range 8 {
		payload := c.append(nil, example.Example(i).v)[headerSize:]
		f.Add(payload)
		f.Add(payload[:len(payload)/2])
		f.Add(append(bytes.Clone(payload), 0))
		f.Add(append(bytes.Clone(payload), bytes.Repeat([]byte{'a'}, MaxControl)...))
		for _, b := range []byte{0xff, 0x80, 0} {
			bad := bytes.Clone(payload)
			for j := range bad {
				if bad[j] >= 'a' && bad[j] <= 'z' || j%7 == i%7 {
					bad[j] = b
				}
			}
			f.Add(bad)
		}
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
}

func fuzz(f *testing.F, name string) {
	c := codecOf(name)
	greeting := name == "Hello" || name == "Welcome"
	seed(f, c)
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		v, err := c.parse(payload)
		if !bytes.Equal(payload, before) {
			t.Fatal("the parser has changed its input")
		}
		if err != nil {
			if k := fault.KindOf(err); k != fault.Protocol && k != fault.Invalid && (k != fault.Version || !greeting) {
				t.Fatalf("an error of kind %s: %v", k, err)
			}
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		frame := c.append(nil, v)
		if !lossy[name] && !bytes.Equal(frame[headerSize:], payload) {
			t.Fatalf("a second spelling: %x is written as %x", payload, frame[headerSize:])
		}
		again, err := c.parse(frame[headerSize:])
		if err != nil || !same(again, v) {
			t.Fatalf("read %+v, and written and read again %+v, %v", v, again, err)
		}
	})
}

func FuzzHello(f *testing.F)        { fuzz(f, "Hello") }
func FuzzWelcome(f *testing.F)      { fuzz(f, "Welcome") }
func FuzzGoAway(f *testing.F)       { fuzz(f, "GoAway") }
func FuzzGoAwayAck(f *testing.F)    { fuzz(f, "GoAwayAck") }
func FuzzPing(f *testing.F)         { fuzz(f, "Ping") }
func FuzzPong(f *testing.F)         { fuzz(f, "Pong") }
func FuzzAdvertise(f *testing.F)    { fuzz(f, "Advertise") }
func FuzzWithdraw(f *testing.F)     { fuzz(f, "Withdraw") }
func FuzzAdvertiseAck(f *testing.F) { fuzz(f, "AdvertiseAck") }
func FuzzQuery(f *testing.F)        { fuzz(f, "Query") }
func FuzzAnswer(f *testing.F)       { fuzz(f, "Answer") }
func FuzzElsewhere(f *testing.F)    { fuzz(f, "Elsewhere") }
func FuzzCall(f *testing.F)         { fuzz(f, "Call") }
func FuzzReply(f *testing.F)        { fuzz(f, "Reply") }
func FuzzError(f *testing.F)        { fuzz(f, "Error") }
func FuzzCancel(f *testing.F)       { fuzz(f, "Cancel") }

// FuzzReader compares a Reader, fed byte by byte and all at once, with the
// plain meaning of the format.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 9}, uint16(100))
	f.Add(append(frame(3, 50), frame(200, 5000)...), uint16(5000))
	f.Add([]byte{0, 0, 0, 0}, uint16(100))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1}, uint16(100))
	f.Add([]byte{0, 0, 0, 9, 1, 2}, uint16(0))
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16) {
		one := NewReader(iotest.OneByteReader(bytes.NewReader(stream)), int(limit))
		all := NewReader(bytes.NewReader(stream), int(limit))
		for rest := stream; ; {
			n := 0
			var want error
			switch {
			case len(rest) == 0:
				want = io.EOF
			case len(rest) < 4:
				want = fault.Protocol
			default:
				n = int(binary.BigEndian.Uint32(rest))
				switch {
				case n == 0:
					want = fault.Protocol
				case n+4 > int(limit):
					want = fault.TooLarge
				case len(rest) < n+4:
					want = fault.Protocol
				}
			}
			for _, r := range []*Reader{one, all} {
				kind, payload, err := r.Next()
				if want != nil {
					if !errors.Is(err, want) {
						t.Fatalf("error %v, want %v", err, want)
					}
					continue
				}
				if err != nil || kind != rest[4] || !bytes.Equal(payload, rest[5:4+n]) {
					t.Fatalf("kind %d, %d bytes, %v, want the frame %x", kind, len(payload), err, rest[:4+n])
				}
				if r.Held() > max(busyBuffer, 3*(n+4), 3*int(limit)) {
					t.Fatalf("%d bytes are held for a frame of %d", r.Held(), n+4)
				}
			}
			if want != nil {
				return
			}
			rest = rest[4+n:]
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(uint64(2), "overload, retry after 100 ms: all places are taken")
	f.Add(uint64(2), "overload, retry after 99999999999999999999 ms")
	f.Add(uint64(0), "\x1b[2J\n\xff")
	f.Add(uint64(1<<62-1), strings.Repeat("\xff", 5000))
	f.Fuzz(func(t *testing.T, code uint64, reason string) {
		e := ParseRefusal(transport.Code(code), reason)
		switch {
		case e == nil || !e.Remote || e.Kind == fault.Other || e.Kind > fault.Application:
			t.Fatalf("%+v", e)
		case e.RetryAfter < 0 || e.RetryAfter > MaxRetryAfter:
			t.Fatalf("retry after %v", e.RetryAfter)
		case len(e.Detail) > 3*MaxRefusal || !utf8.ValidString(e.Detail) || strings.ContainsAny(e.Detail, "\n\r\x1b"):
			t.Fatalf("detail %q", e.Detail)
		}
	})
}

func FuzzNames(f *testing.F) {
	name := regexp.MustCompile(`\A[a-z0-9_-]+([./][a-z0-9_-]+)*\z`)
	realm := regexp.MustCompile(`\A[a-z0-9-]+(\.[a-z0-9-]+)*\z`)
	for _, s := range []string{"", "a", "org.demo/echo_1", ".a", "a.", "a..b", "a/b", "A", "a b", "é", "\xff", strings.Repeat("a", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := ValidName(s) == nil, len(s) <= MaxName && name.MatchString(s); got != want {
			t.Fatalf("ValidName(%q) is %v", s, got)
		}
		if got, want := ValidRealm(s) == nil, len(s) <= MaxRealm && realm.MatchString(s); got != want {
			t.Fatalf("ValidRealm(%q) is %v", s, got)
		}
		var n Names
		for range 2 { // the second time from the cache, if it is in there
			got, err := n.intern([]byte(s))
			if (err == nil) != (ValidName(s) == nil) || (err == nil && got != s) {
				t.Fatalf("remembered %q as %q, %v", s, got, err)
			}
		}
	})
}
