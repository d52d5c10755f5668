package hosts

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// FuzzRename demands that only the stand-ins of names are renamed, to the name
// and port that they stand for, and that nothing else of a log is touched.
func FuzzRename(f *testing.F) {
	for _, s := range []string{"", "100::1", "[100::1]:4433", "[100::2]:4433", "[100::3]:4433", "[100::1%a]:4433", "[100::1]:99999", "127.0.0.1:4433", "[0100:0:0:0::1]:4433", "\xff", strings.Repeat("[", 500)} {
		f.Add("addr", s, "node-1.example.org", uint16(4433))
		f.Add("other", s, "a\nb", uint16(0))
	}
	f.Fuzz(func(t *testing.T, key, value, host string, port uint16) {
		n := &Names{}
		one, two := n.Add(host, port), n.Add("second", port)
		if one == two || one.Port() != port || two.Port() != port {
			t.Fatalf("%v and %v", one, two)
		}
		got := n.Rename(slog.String(key, value))
		want := value
		if a, err := netip.ParseAddrPort(value); err == nil && key == "addr" {
			switch a {
			case one:
				want = n.Rename(slog.String("addr", one.String())).Value.String()
				if !strings.Contains(want, host) {
					t.Fatalf("%v is called %q", one, want)
				}
			case two:
				want = n.Rename(slog.String("addr", two.String())).Value.String()
			}
		}
		if got.Key != key || got.Value.String() != want {
			t.Fatalf("%s=%q became %s=%q, want %q", key, value, got.Key, got.Value, want)
		}
	})
}
