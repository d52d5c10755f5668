package top

import (
	"strings"
	"testing"
)

// FuzzKeys takes what a terminal sends apart: nothing is lost or made up, and
// what is kept for later stays short.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"", "q", "\x1b", "\x1b[", "\x1b[A", "\x1bOA", "\x1bO", "j\x1b[6~k", "\x1b[200~pasted\x1b[201~", "\x1b\x1b[A", "\x1b[" + strings.Repeat(";", 100), "\xff\x00\x03"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		found, rest := keys(in)
		if got := strings.Join(found, "") + string(rest); got != string(in) {
			t.Fatalf("%q became %q and %q", in, found, rest)
		}
		if len(rest) > maxSequence+2 {
			t.Fatalf("%d bytes are kept for later: %q", len(rest), rest)
		}
		var s State
		for _, k := range found {
			if k == "" {
				t.Fatal("an empty key")
			}
			if s.Press(k, 10, 30); s.Scroll < 0 || s.Scroll > 20 {
				t.Fatalf("scrolled to %d", s.Scroll)
			}
		}
	})
}
