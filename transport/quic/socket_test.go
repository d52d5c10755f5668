package quic

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

func TestNewSaysWhatIsWrong(t *testing.T) {
	clock := realrt.New(realrt.Config{})
	taken := newTransport(t, Config{}).Addr()
	for _, c := range []struct {
		name string
		cfg  Config
		want string
		is   error
	}{
		{"no key", Config{Addr: loopback, Clock: clock}, "no key", nil},
		{"no address", Config{Key: newKey(t), Clock: clock}, "no address", nil},
		{"no clock", Config{Key: newKey(t), Addr: loopback}, "no clock", nil},
		{"a negative limit", Config{Key: newKey(t), Addr: loopback, Clock: clock, Config: transport.Config{MaxStreams: -1}}, "negative", nil},
		{"a port in use", Config{Key: newKey(t), Addr: taken, Clock: clock}, "in use by another process", syscall.EADDRINUSE},
		{"an address of another machine", Config{Key: newKey(t), Addr: netip.MustParseAddrPort("192.0.2.1:0"), Clock: clock}, "no address of this machine", syscall.EADDRNOTAVAIL},
	} {
		tr, err := New(c.cfg)
		if err == nil {
			tr.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestACloseFreesTheAddress(t *testing.T) {
	a := newTransport(t, Config{})
	addr := a.Addr()
	for range 5 {
		a.Close()
		a = newTransport(t, Config{Addr: addr})
		if a.Addr() != addr {
			t.Fatalf("bound %v, want %v", a.Addr(), addr)
		}
	}
}

func TestSmallBuffersAreLoggedWithWhatToDoAndNotPrinted(t *testing.T) {
	t.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "")
	udp, err := bind(loopback, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	receive, send := growBuffers(udp, wantedBuffer)
	udp.Close()
	var out bytes.Buffer
	udp, err = bind(loopback, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	udp.Close()
	small := receive < wantedBuffer || send < wantedBuffer
	if got := strings.Contains(out.String(), "level=WARN") && strings.Contains(out.String(), "sysctl -w net.core.rmem_max"); got != small {
		t.Errorf("the buffers are small: %v; logged: %q", small, out.String())
	}
	if got := os.Getenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING") == "true"; got != small {
		t.Errorf("the buffers are small: %v; quic-go is silenced: %v", small, got)
	}
}

func TestDeadlinesAreOnTheGivenClock(t *testing.T) {
	a := newTransport(t, Config{})
	now := a.cfg.Clock.Now()
	if got := a.systemTime(0); !got.IsZero() {
		t.Errorf("no deadline is %v", got)
	}
	if got := a.systemTime(now); got.IsZero() || got.After(time.Now()) {
		t.Errorf("now is %v", got)
	}
	if got := a.systemTime(-1 << 63); got.IsZero() || got.After(time.Now()) {
		t.Errorf("the first instant is %v", got)
	}
	if d := time.Until(a.systemTime(now.Add(time.Hour))); d > time.Hour || d < 50*time.Minute {
		t.Errorf("an hour is %v", d)
	}
	if d := time.Until(a.systemTime(1<<63 - 1)); d < 1000*time.Hour {
		t.Errorf("the last instant is %v from now", d)
	}
}
