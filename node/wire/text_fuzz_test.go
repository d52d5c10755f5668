package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// FuzzReplyHead holds ReadReplyHead to ParseReply: what is a reply for the one
// is one of the same call for the other, however the bytes arrive, and not one
// byte of the body is taken.
func FuzzReplyHead(f *testing.F) {
	for _, id := range []uint64{0, 1, 1<<32 - 1, 1 << 32, 1<<64 - 1} {
		whole := AppendReply(nil, id, []byte("body"))
		f.Add(whole)
		f.Add(whole[:len(whole)/2])
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, KindReply, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(AppendPing(nil, 7))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		src := bytes.NewReader(b)
		id, err := ReadReplyHead(src)
		slow, serr := ReadReplyHead(iotest.OneByteReader(bytes.NewReader(b)))
		if id != slow || (err == nil) != (serr == nil) {
			t.Fatalf("%d, %v, and byte by byte %d, %v", id, err, slow, serr)
		}
		switch {
		case len(b) < headerSize+8:
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("of %d bytes: %v", len(b), err)
			}
		case b[4] != KindReply:
			if fault.KindOf(err) != fault.Protocol {
				t.Fatalf("of frame %d: %v", b[4], err)
			}
		default:
			want, perr := ParseReply(b[headerSize:])
			if err != nil || perr != nil || id != want.ID || src.Len() != len(want.Body) {
				t.Fatalf("%d, %v with %d bytes left; ParseReply: %d, %v", id, err, src.Len(), want.ID, perr)
			}
		}
	})
}

// FuzzPrintable demands one line of text that is as long as before in
// characters, and that stays as it is when nothing is wrong with it.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "all is well", "two\nlines", "\x1b[2J\r\x00\x7f", "\xff\xfe", "\u202eright to left\u2028", strings.Repeat("\n", 1000), "é\xe9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q of %q", got, s)
		}
		if utf8.RuneCountInString(got) != utf8.RuneCountInString(s) || Printable(got) != got {
			t.Fatalf("%q of %q, and then %q", got, s, Printable(got))
		}
		if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) && got != s {
			t.Fatalf("%q of %q", got, s)
		}
	})
}

// FuzzRefusalAndBack demands that a refusal says at the other end what was
// meant: the kind always, the time as it is rounded, and the detail as far as
// there is room.
func FuzzRefusalAndBack(f *testing.F) {
	f.Add(uint16(2), int64(1500*time.Millisecond), "all places are taken")
	f.Add(uint16(0), int64(-1), "")
	f.Add(uint16(17), int64(1<<63-1), strings.Repeat("é", 300))
	f.Add(uint16(65535), int64(1), "; retry-after=5ms: \xff\n")
	f.Add(uint16(8), int64(0), ": : ")
	f.Fuzz(func(t *testing.T, k uint16, after int64, detail string) {
		kind := fault.Kind(k)
		code, reason := CloseCode(kind), EncodeRefusal(kind, time.Duration(after), detail)
		if len(reason) > MaxRefusal || code == CodeNormal || code > transport.Code(fault.Application) {
			t.Fatalf("code %d with a reason of %d bytes", code, len(reason))
		}
		e := ParseRefusal(code, reason)
		wait := time.Duration(0)
		if after > 0 {
			wait = min((min(time.Duration(after), MaxRetryAfter)+time.Millisecond-1)/time.Millisecond*time.Millisecond, MaxRetryAfter)
		}
		if e.Kind != known(kind) || e.RetryAfter != wait {
			t.Fatalf("%v after %v, want %v after %v: %q", e.Kind, e.RetryAfter, known(kind), wait, reason)
		}
		if !strings.HasPrefix(Printable(clip(detail, len(detail)+4)), e.Detail) {
			t.Fatalf("the detail %q became %q", detail, e.Detail)
		}
	})
}

// A frame that announces what it does not hold costs no memory for it: a
// parser has what it has read and its result, and no more.
func TestAFrameThatPromisesMuchCostsLittle(t *testing.T) {
	for _, c := range codecs() {
		for _, payload := range [][]byte{nil, bytes.Repeat([]byte{0xff}, 64), bytes.Repeat([]byte{0xff}, MaxControl), bytes.Repeat([]byte{1}, MaxControl)} {
			if n := testing.AllocsPerRun(20, func() { c.parse(payload) }); n > 24 {
				t.Errorf("%s: %v allocations for %d bytes of %x", c.name, n, len(payload), payload[:min(len(payload), 1)])
			}
		}
	}
	for _, length := range []uint32{1 << 20, 1 << 31, 1<<32 - 1} {
		head := append(binary.BigEndian.AppendUint32(nil, length), KindCall)
		if n := testing.AllocsPerRun(20, func() { NewReader(bytes.NewReader(head), MaxFrame).Next() }); n > 12 {
			t.Errorf("a length of %d: %v allocations", length, n)
		}
	}
}
