package plan

import (
	"strings"
	"testing"
	"time"
)

// FuzzParseValue gives every kind of field any word. What is taken lies within
// the bounds of the field, and is printed as a word that means the same.
func FuzzParseValue(f *testing.F) {
	for i, s := range []string{
		"", "1m30s", "0s", "-5m", "1s..2s", "2s..1s", "1s..1s", "..", "1..", "..1", "1..2..3", "NaN", "NaNs", "1e400s", "Inf%", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616",
		"512", "64KiB", "8388608TiB", "8589934592GiB", "-8589934593GiB", "1.5KiB", "64KiB/s", "/s", "1%", "0.25%", "0.00001%", "100.0001%", ".5%", "5.%", "-0.5%", "40ppm", "4294967296ppm", "yes", "no", "1", "\xff", "a\nb", strings.Repeat("9", 400), "+5", "0x10", "1_000",
	} {
		for k := range 11 {
			f.Add(uint8(k), s, int64(0), int64(0))
		}
		f.Add(uint8(i), s, int64(-1<<63), int64(1<<63-1))
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string, least, most int64) {
		field := &Field{Name: "f", Kind: Kind(kind) % (Choice + 1), Choices: []string{"one", "two"}, Least: least, Most: most}
		v, err := field.parseValue(text)
		if err != nil {
			if msg := err.Error(); msg == "" || len(msg) > 300 || strings.ContainsAny(msg, "\n\r") {
				t.Fatalf("%q", msg)
			}
			return
		}
		if !field.Kind.Numeric() {
			if v.Text != text || text == "" || field.Kind == Choice && text != "one" && text != "two" {
				t.Fatalf("%q is read as %+v", text, v)
			}
			return
		}
		lo, hi := field.bounds()
		if v.Lo < lo || v.Hi > hi || v.Lo > v.Hi || v.ranged() != strings.Contains(text, "..") {
			t.Fatalf("%q is read as %+v, the bounds are %d and %d", text, v, lo, hi)
		}
		if field.Kind == Flag && (v.Lo < 0 || v.Hi > 1) {
			t.Fatalf("%q is read as %+v", text, v)
		}
		word := formatNumber(field.Kind, v.Lo)
		if v.ranged() {
			word += ".." + formatNumber(field.Kind, v.Hi)
		}
		if again, err := field.parseValue(word); err != nil || again.Lo != v.Lo || again.Hi != v.Hi {
			t.Fatalf("%q is read as %+v, printed as %q, and that is %+v, %v", text, v, word, again, err)
		}
	})
}

// FuzzFormatNumber demands that any number is printed as a word that is read
// as that number.
func FuzzFormatNumber(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 99, 100, 10_000, 12_345, -10_000, 1 << 10, 1 << 20, 1<<30 + 1, 1 << 40, 1<<63 - 1, -1 << 63, int64(time.Minute), int64(time.Hour), int64(61 * time.Minute)} {
		for k := Duration; k <= Flag; k++ {
			f.Add(uint8(k), n)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, n int64) {
		k := Duration + Kind(kind)%(Flag-Duration+1)
		if k == Flag {
			n &= 1
		}
		word := formatNumber(k, n)
		if got, err := parseNumber(k, word); err != nil || got != n {
			t.Fatalf("%d as %v is printed as %q, and that is %d, %v", n, k, word, got, err)
		}
	})
}
