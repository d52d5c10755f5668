package hosts

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// fake resolves from a table and dials what is up.
type fake struct {
	transport.Transport
	table  map[string][]netip.Addr
	up     transport.Addr
	dialed []string
}

func (f *fake) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := f.table[host]; ok {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (f *fake) Dial(_ context.Context, a transport.Addr, _ transport.PeerID) (transport.Conn, error) {
	f.dialed = append(f.dialed, a.String())
	if a == f.up {
		return nil, nil
	}
	return nil, errors.New("down")
}

func TestANameIsLookedUpAtEveryDial(t *testing.T) {
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	f := &fake{table: map[string][]netip.Addr{"n1": {one, two}}, up: netip.AddrPortFrom(two, 4433)}
	var names Names
	a, b := names.Add("n1", 4433), names.Add("n2", 4433)
	if a == b {
		t.Fatal("two names have one address")
	}
	tr := New(f, &names, f)
	if _, err := tr.Dial(t.Context(), a, transport.PeerID{}); err != nil || strings.Join(f.dialed, " ") != "10.0.0.1:4433 10.0.0.2:4433" {
		t.Errorf("dialled %v, %v", f.dialed, err)
	}
	if _, err := tr.Dial(t.Context(), b, transport.PeerID{}); fault.KindOf(err) != fault.Unreachable || !strings.Contains(err.Error(), "n2: no such host") {
		t.Errorf("got %v", err)
	}
	moved := netip.MustParseAddr("10.0.0.9")
	f.table["n2"], f.up = []netip.Addr{moved}, netip.AddrPortFrom(moved, 4433)
	if _, err := tr.Dial(t.Context(), b, transport.PeerID{}); err != nil {
		t.Errorf("the name must be looked up again: %v", err)
	}
	plain := netip.MustParseAddrPort("192.0.2.1:1")
	f.up = plain
	if _, err := tr.Dial(t.Context(), plain, transport.PeerID{}); err != nil {
		t.Errorf("an address is dialled as it is: %v", err)
	}
}

func TestAnAddressThatTakesAllTheTimeIsNotFirstAgain(t *testing.T) {
	hole, good := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	f := &fake{table: map[string][]netip.Addr{"n1": {hole, good}}, up: netip.AddrPortFrom(good, 1)}
	var names Names
	a := names.Add("n1", 1)
	tr := New(f, &names, f)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Dial(over, a, transport.PeerID{}); err == nil || len(f.dialed) != 1 {
		t.Fatalf("dialled %v, %v", f.dialed, err)
	}
	f.dialed = nil
	if _, err := tr.Dial(t.Context(), a, transport.PeerID{}); err != nil || f.dialed[0] != "10.0.0.2:1" {
		t.Errorf("dialled %v, %v", f.dialed, err)
	}
}

func TestTheLogShowsTheName(t *testing.T) {
	var names Names
	a := names.Add("n1", 4433)
	if got := names.Rename(slog.String("addr", a.String())); got.Value.String() != "n1:4433" {
		t.Errorf("got %v", got)
	}
	for _, other := range []slog.Attr{slog.String("addr", "10.0.0.1:1"), slog.String("x", a.String()), slog.Int("addr", 1), slog.String("addr", "?")} {
		if got := names.Rename(other); !got.Equal(other) {
			t.Errorf("%v became %v", other, got)
		}
	}
}

func TestANameHasOneStandInUntilItIsDropped(t *testing.T) {
	var n Names
	a, b := n.Add("a.example", 1), n.Add("b.example", 1)
	if again := n.Add("a.example", 1); again != a || a == b {
		t.Errorf("got %v, %v and %v", a, b, again)
	}
	n.Keep([]transport.Addr{b})
	if _, ok := n.get(a); ok {
		t.Error("a name that was dropped is still there")
	}
	if c := n.Add("c.example", 1); c == a || c == b {
		t.Errorf("a stand-in was given again: %v", c)
	}
	if h, ok := n.get(b); !ok || h.host != "b.example" {
		t.Errorf("got %v", h)
	}
}
