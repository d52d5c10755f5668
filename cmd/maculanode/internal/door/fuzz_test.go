package door

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzLocalName demands of a host that is taken for this machine that another
// parser, which is as lenient as those of browsers, finds the same in it.
func FuzzLocalName(f *testing.F) {
	for _, s := range []string{"localhost", "127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]", "127.0.0.1.evil", "localhost:80@evil", "a:b:c", "[::1]evil", "[::1%25lo]:1", "127.0.0.1:0x1", "LOCALHOST:", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !localName(host) {
			return
		}
		u, err := url.Parse("http://" + strings.Trim(host, "\x00") + "/")
		if err != nil && !strings.Contains(host, ":") || err == nil && u.User != nil {
			t.Fatalf("%q is taken: %v", host, err)
		}
		if err != nil {
			return // a bare address of IPv6: no browser sends it
		}
		name := u.Hostname()
		if a, err := netip.ParseAddr(name); !strings.EqualFold(name, "localhost") && (err != nil || !a.Unmap().IsLoopback()) {
			t.Fatalf("%q is taken, and is %q", host, name)
		}
	})
}
