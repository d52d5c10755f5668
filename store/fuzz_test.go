package store

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// FuzzCheck compares what is taken as a key with a plain description of one.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"", "a", ".", "..", ".a", "a.b", "a/b", "../a", "A", "\xff", "a\n", "é", "a b", "a\x00", strings.Repeat("k", MaxKey), strings.Repeat("k", MaxKey+1)} {
		f.Add(s, 0)
		f.Add(s, MaxValue)
		f.Add(s, MaxValue+1)
	}
	key := regexp.MustCompile(`\A[a-z0-9_-][a-z0-9._-]{0,127}\z`)
	room := make([]byte, MaxValue+2)
	f.Fuzz(func(t *testing.T, s string, size int) {
		size = int(uint(size) % uint(len(room)+1))
		err := Check(s, room[:size])
		want := error(nil)
		switch {
		case !key.MatchString(s):
			want = ErrKey
		case size > MaxValue:
			want = ErrTooLarge
		}
		if (err == nil) != (want == nil) || !errors.Is(err, want) {
			t.Fatalf("%q with %d bytes: %v, want %v", s, size, err, want)
		}
		if err != nil && (len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\r\x00")) {
			t.Fatalf("%q", err.Error())
		}
	})
}
