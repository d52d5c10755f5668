package plan

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var numeric = []Kind{Duration, Count, Bytes, Speed, Ratio, Flag}

// numberOf draws a number that a field of the kind can have, short ones and
// long ones.
func numberOf(k Kind) *rapid.Generator[int64] {
	f := Field{Kind: k}
	least, most := f.bounds()
	any := rapid.Int64Range(least, most)
	round := rapid.Map(rapid.SampledFrom([]int64{1, 100, 1 << 10, 1 << 20, 1 << 30, 10_000, int64(time.Millisecond), int64(time.Minute), int64(time.Hour)}),
		func(unit int64) int64 { return min(most, 7*unit) })
	return rapid.OneOf(any, round)
}

func TestANumberIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(numeric).Draw(t, "kind")
		a, b := numberOf(k).Draw(t, "a"), numberOf(k).Draw(t, "b")
		f := Field{Kind: k}
		text, want := formatNumber(k, a), Value{Lo: a, Hi: a}
		if a < b {
			text, want.Hi = text+".."+formatNumber(k, b), b
		}
		got, err := f.parseValue(text)
		if err != nil || got.Lo != want.Lo || got.Hi != want.Hi {
			t.Fatalf("%v %q is read as %+v, %v; want %+v", k, text, got, err, want)
		}
	})
}

func TestANegativeNumberIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom([]Kind{Duration, Count, Bytes, Speed, Ratio}).Draw(t, "kind")
		n := -numberOf(k).Draw(t, "n")
		f := Field{Kind: k, Least: math.MinInt64}
		if got, err := f.parseValue(formatNumber(k, n)); err != nil || got.Lo != n {
			t.Fatalf("%v %q is read as %d, %v; want %d", k, formatNumber(k, n), got.Lo, err, n)
		}
	})
}

func TestTextIsReadAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Field{Kind: rapid.SampledFrom([]Kind{Text, Name, Node, Nodes}).Draw(t, "kind")}
		text := words.Filter(func(s string) bool { return s != "" }).Draw(t, "text")
		if v, err := f.parseValue(text); err != nil || v.Text != text || v.ranged() {
			t.Fatalf("%q is read as %+v, %v", text, v, err)
		}
	})
}

func TestValuesArePrintedShort(t *testing.T) {
	for _, c := range []struct {
		k    Kind
		n    int64
		want string
	}{
		{Duration, 0, "0s"},
		{Duration, int64(time.Minute), "1m"},
		{Duration, int64(2 * time.Hour), "2h"},
		{Duration, int64(10 * time.Hour), "10h"},
		{Duration, int64(time.Hour + time.Second), "1h0m1s"},
		{Duration, int64(90 * time.Second), "1m30s"},
		{Duration, int64(20 * time.Minute), "20m"},
		{Duration, int64(1500 * time.Microsecond), "1.5ms"},
		{Duration, -int64(time.Hour), "-1h"},
		{Duration, 1, "1ns"},
		{Count, 10, "10"},
		{Bytes, 0, "0"},
		{Bytes, 1000, "1000"},
		{Bytes, 3 << 10, "3KiB"},
		{Bytes, 1536 << 10, "1536KiB"},
		{Bytes, 2 << 30, "2GiB"},
		{Speed, 0, "0/s"},
		{Speed, 1 << 20, "1MiB/s"},
		{Ratio, 0, "0%"},
		{Ratio, 1_000_000, "100%"},
		{Ratio, 15_000, "1.5%"},
		{Ratio, 40, "40ppm"},
		{Ratio, 100, "0.01%"},
		{Ratio, 123_456, "12.3456%"},
		{Flag, 0, "no"},
		{Flag, 1, "yes"},
	} {
		if got := formatNumber(c.k, c.n); got != c.want {
			t.Errorf("%v %d is printed as %q, want %q", c.k, c.n, got, c.want)
		}
	}
}

func TestValuesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		f          Field
		text, want string
	}{
		{Field{Kind: Duration}, "5", "want a duration such as 250ms"},
		{Field{Kind: Duration}, "", "want a duration such as 250ms"},
		{Field{Kind: Duration}, "-5s", "want at least 0s"},
		{Field{Kind: Duration, Least: int64(time.Second)}, "1ms", "want at least 1s"},
		{Field{Kind: Duration}, "24001h", "want at most 24000h"},
		{Field{Kind: Duration, Most: int64(time.Minute)}, "2m", "want at most 1m"},
		{Field{Kind: Duration}, "9s..2s", "a range goes from a smaller value to a greater one"},
		{Field{Kind: Duration}, "2s..2s", "a range goes from a smaller value to a greater one"},
		{Field{Kind: Duration}, "2s..", "want a duration such as 250ms"},
		{Field{Kind: Duration}, "..2s", "want a duration such as 250ms"},
		{Field{Kind: Duration}, "1s..2s..3s", "want a duration such as 250ms"},
		{Field{Kind: Count}, "1.5", "want a whole number"},
		{Field{Kind: Count}, "0x10", "want a whole number"},
		{Field{Kind: Count}, "-1", "want at least 0"},
		{Field{Kind: Count}, "3000000000", "want at most 2147483647"},
		{Field{Kind: Count}, "99999999999999999999", "the number is too large"},
		{Field{Kind: Count}, "-99999999999999999999", "the number is too large"},
		{Field{Kind: Bytes}, "64KB", "want a size such as 64KiB"},
		{Field{Kind: Bytes}, "KiB", "want a size such as 64KiB"},
		{Field{Kind: Bytes}, "1.5MiB", "want a size such as 64KiB"},
		{Field{Kind: Bytes}, "1025GiB", "want at most 1024GiB"},
		{Field{Kind: Bytes}, "9999999999GiB", "the number is too large"},
		{Field{Kind: Bytes}, "-9999999999GiB", "the number is too large"},
		{Field{Kind: Speed}, "64KiB", "want a speed such as 1MiB/s"},
		{Field{Kind: Speed}, "/s", "want a speed such as 1MiB/s"},
		{Field{Kind: Ratio}, "0.5", "want a share such as 1% or 50ppm"},
		{Field{Kind: Ratio}, "%", "want a share such as 1% or 50ppm"},
		{Field{Kind: Ratio}, "-%", "want a share such as 1% or 50ppm"},
		{Field{Kind: Ratio}, "1.%", "want a share such as 1% or 50ppm"},
		{Field{Kind: Ratio}, "1.-5%", "want a share such as 1% or 50ppm"},
		{Field{Kind: Ratio}, "1.00001%", "want a share such as 1% or 50ppm, with at most four decimals"},
		{Field{Kind: Ratio}, "-0.5%", "want at least 0%"},
		{Field{Kind: Ratio}, "101%", "want at most 100%"},
		{Field{Kind: Ratio}, "1000001ppm", "want at most 100%"},
		{Field{Kind: Ratio}, "999999999999999999%", "the number is too large"},
		{Field{Kind: Flag}, "true", "want yes or no"},
		{Field{Kind: Flag}, "yes..no", "a range goes from a smaller value to a greater one"},
		{Field{Kind: Choice, Choices: []string{"a", "b"}}, "c", "want one of a, b"},
		{Field{Kind: Name}, "", "want a name"},
	} {
		if v, err := c.f.parseValue(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%v %q is read as %+v, %v; want the error %q", c.f.Kind, c.text, v, err, c.want)
		}
	}
}

func TestEveryKindSaysWhatItLooksLike(t *testing.T) {
	for k := Text; k <= Choice; k++ {
		if k.String() == "" || k.short() == "" || strings.Contains(k.short(), " ") {
			t.Errorf("kind %d is %q, in a usage %q", k, k, k.short())
		}
	}
}

func TestDistanceCountsLetters(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"call", "call", 0}, {"cal", "call", 1}, {"cull", "call", 1}, {"kitten", "sitting", 3}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("from %q to %q it is %d, and back %d; want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestTheNearestNameIsNotJustAnyOne(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"cal", "call"}, {"partitoin", "partition"}, {"n9", "n1"}, {"x", ""}, {"", ""}, {"elephant", ""}, {strings.Repeat("x", 1<<20), ""},
	} {
		if got := Nearest(c.name, []string{"call", "partition", "n1", "b"}); got != c.want {
			t.Errorf("nearest to %.20q is %q, want %q", c.name, got, c.want)
		}
	}
}
