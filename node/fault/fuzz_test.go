package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/maculamesh/macula/node/fault"
)

// FuzzKind demands that any number that came over the wire is a kind that can
// be named, compared and found again under other errors.
func FuzzKind(f *testing.F) {
	for _, k := range []uint16{0, 1, 2, 17, 18, 255, 256, 65535} {
		f.Add(k, "why")
	}
	f.Add(uint16(3), "")
	f.Fuzz(func(t *testing.T, n uint16, detail string) {
		k := fault.Kind(n)
		if s := k.String(); s == "" || len(s) > 20 || strings.ContainsAny(s, "\n\r") || s != k.Error() {
			t.Fatalf("kind %d is called %q", n, s)
		}
		if k > fault.Application && k.Retryable() {
			t.Fatalf("kind %d is not known and would be tried elsewhere", n)
		}
		e := fault.New("op", k, "%s", detail)
		deep := fmt.Errorf("outer: %w", fault.Wrap("wrapped", fmt.Errorf("inner: %w", e)))
		if fault.KindOf(deep) != k || !errors.Is(deep, k) || k != fault.Kind(n+1) && errors.Is(deep, fault.Kind(n+1)) {
			t.Fatalf("%v has kind %v, want %v", deep, fault.KindOf(deep), k)
		}
		if detail != "" && e.Detail != detail {
			t.Fatalf("the detail %q became %q", detail, e.Detail)
		}
	})
}
