package admin

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// FuzzParseLimit demands that whatever stands in an address, a list is sorted
// as it says and no longer than it may be, or the reason is one line.
func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "1000", "1001", "9223372036854775808", "+7", " 7", "1_0", "\n"} {
		for _, by := range []string{"", "asked", "id", "no"} {
			f.Add(s, by)
		}
	}
	conns := busy().status.ClientList
	f.Fuzz(func(t *testing.T, limit, by string) {
		l, wrong := cut(url.Values{"limit": {limit}, "sort": {by}}, conns, 5000, connOrders)
		if wrong != "" {
			if strings.ContainsAny(wrong, "\r\n") || len(wrong) > 200 {
				t.Fatalf("%q", wrong)
			}
			return
		}
		if l.Shown != len(l.List) || l.Shown < 1 || l.Shown > control.MaxListed || l.Total != 5000 {
			t.Fatalf("%d of %d", l.Shown, l.Total)
		}
		for i := 1; i < len(l.List); i++ {
			if by == "asked" && l.List[i].Asked > l.List[i-1].Asked {
				t.Fatalf("row %d is not in order", i)
			}
		}
	})
}
