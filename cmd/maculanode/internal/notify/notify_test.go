package notify

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// manager listens as the service manager does.
func manager(t *testing.T) (Socket, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return Socket(path), func() string {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	s, next := manager(t)
	for _, c := range []struct {
		say  func() error
		want string
	}{
		{func() error { return s.Ready("listening on\n127.0.0.1:4433") }, "READY=1\nSTATUS=listening on 127.0.0.1:4433"},
		{func() error { return s.Stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
	} {
		if err := c.say(); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != c.want {
			t.Errorf("the service manager got %q, not %q", got, c.want)
		}
	}
}

func TestWithoutAServiceManagerNothingHappens(t *testing.T) {
	if err := Socket("").Ready("x"); err != nil {
		t.Error(err)
	}
	if err := Socket(filepath.Join(t.TempDir(), "gone")).Ready("x"); err == nil {
		t.Error("a socket that nobody listens at is no error")
	}
}
