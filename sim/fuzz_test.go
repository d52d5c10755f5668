package sim_test

import (
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim"
)

// FuzzParseDecision demands that what is taken is written as it was read, to
// the last byte, and that what is refused is told in one line.
func FuzzParseDecision(f *testing.F) {
	for _, s := range []string{
		"", "a/reader#1:4<b/writer#2:7", "a/reader#1:4<b/writer#2:7+0", `"a b"/"\n"#1:1<"é"/""#2:2+3`, "a/b#1:4<a/b#1:4",
		"a/b#18446744073709551615:18446744073709551615<a/b#0:0+18446744073709551615", "a/b#18446744073709551616:1<a/b#1:1", "a/b#4294967296:1<a/b#1:1",
		"a/b#01:1<a/b#1:1", "a/b#-1:1<a/b#1:1", "a/b#+1:1<a/b#1:1", "a/b#NaN:1<a/b#1:1", "a/b#1:4", "a/b#1:4<", "a/b#1:4<b/w#2:7+", "a/b#1:4<b/w#2:7+0 ", "\xff/b#1:4<b/w#2:7",
		`"\xff"/b#1:4<b/w#2:7`, `"a"/b#1:4<b/w#2:7`, "`a`/b#1:4<b/w#2:7", `"\u0061b c"/b#1:4<b/w#2:7`, `"unended/b#1:4<b/w#2:7`, "a/b#1:4<b/w#2:7\n", strings.Repeat(`"`, 400), strings.Repeat("a/", 400), strings.Repeat("9", 400),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sim.ParseDecision(text)
		if err != nil {
			if msg := err.Error(); strings.ContainsAny(msg, "\n\r") || len(msg) > 1500 || d != (sim.Decision{}) {
				t.Fatalf("%q", msg)
			}
			return
		}
		if d.String() != text {
			t.Fatalf("%q is read as %+v, which is written %q", text, d, d.String())
		}
	})
}

// FuzzDecision demands that any decision is written in one line and read as it
// was.
func FuzzDecision(f *testing.F) {
	f.Add("a", "reader", uint64(1), uint64(4), "b", "writer", uint64(2), uint64(7), true, uint64(0))
	f.Add("", "\n", uint64(0), uint64(1<<32), "\xff", "a/b#1:1<", uint64(1<<64-1), uint64(1<<63), false, uint64(0))
	f.Add(`"`, "`", uint64(3), uint64(3), "\u2028", "+", uint64(3), uint64(3), true, uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, m1, n1 string, k1, s1 uint64, m2, n2 string, k2, s2 uint64, timer bool, passed uint64) {
		d := sim.Decision{Task: sim.TaskKey{Machine: m1, Name: n1, N: k1}, Step: s1, Over: sim.TaskKey{Machine: m2, Name: n2, N: k2}, OverStep: s2, Timer: timer}
		if timer {
			d.Passed = passed
		}
		text := d.String()
		if got, err := sim.ParseDecision(text); err != nil || got != d || strings.ContainsAny(text, "\n\r") {
			t.Fatalf("%+v is written %q, and read as %+v, %v", d, text, got, err)
		}
	})
}

// FuzzKindByName demands that exactly the names of kinds are names of kinds.
func FuzzKindByName(f *testing.F) {
	for k := range 64 {
		f.Add(sim.Kind(k).String())
	}
	f.Add("")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, name string) {
		if k, ok := sim.KindByName(name); ok && k.String() != name || !ok && k != 0 {
			t.Fatalf("%q is kind %d, %v", name, k, ok)
		}
	})
}
