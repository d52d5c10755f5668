package client

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// stopped is the world at a time that the test sets.
type stopped struct {
	*realrt.Runtime
	now mono.Time
}

func (s *stopped) Now() mono.Time { return s.now }

func gateway(n byte) Gateway {
	return Gateway{ID: transport.PeerID{n}, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 4433)}
}

func newTold(t *testing.T, told ...Gateway) (*Client, *stopped) {
	w := &stopped{Runtime: realrt.New(realrt.Config{}), now: 1}
	c, err := New(Config{Realm: "org.example", Gateways: []Gateway{gateway(1), gateway(2), gateway(3)}}, Deps{Runtime: w, Transport: struct{ transport.Transport }{}, ID: transport.PeerID{99}}) // it is never attached
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	c.moves.told = told
	return c, w
}

func TestWhatAGatewayNamesIsTriedFirstWhenItSendsTheClientAwayAndElseLast(t *testing.T) {
	c, _ := newTold(t, gateway(7), gateway(3), gateway(8))
	for moving, want := range map[bool][]byte{true: {3, 7, 8, 2, 1}, false: {2, 3, 1, 7, 8}} {
		var got []byte
		for _, g := range c.choices(1, moving) {
			got = append(got, g.ID[0])
		}
		if string(got) != string(want) {
			t.Errorf("moving %v: %v, want %v", moving, got, want)
		}
	}
	for _, g := range c.choices(1, true) {
		if want := map[byte]int{1: 1, 2: 2, 3: 3, 7: 1, 8: 1}[g.ID[0]]; g.next != want {
			t.Errorf("after %d comes the configured gateway %d, want %d", g.ID[0], g.next, want)
		}
	}
}

func TestAClientThatIsSentToAndFroPauses(t *testing.T) {
	c, w := newTold(t)
	if c.move() {
		t.Error("it moved without being asked")
	}
	at := func() (moved int) {
		for range 3 * movesPerMinute {
			c.askedToMove()
			if c.move() {
				moved++
			}
		}
		return moved
	}
	if n := at(); n != movesPerMinute {
		t.Errorf("%d moves at once, want %d", n, movesPerMinute)
	}
	w.now = w.now.Add(time.Minute)
	if n := at(); n != movesPerMinute {
		t.Errorf("%d moves a minute later, want %d", n, movesPerMinute)
	}
	if c.move() {
		t.Error("it moved twice for one goodbye")
	}
}
