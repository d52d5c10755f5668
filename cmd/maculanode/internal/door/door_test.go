package door

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc, cfg Config) (*Server, string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return Serve(lis, h, slog.New(slog.DiscardHandler), cfg), lis.Addr().String()
}

// dial sends text and returns the first line of the answer.
func dial(t *testing.T, addr, text string) (net.Conn, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, text)
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return conn, strings.TrimSpace(line)
}

const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

func TestTooManyConnectionsAreRefusedAndPlacesComeBack(t *testing.T) {
	s, addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, Config{Conns: 2})
	defer s.Close()
	first, line := dial(t, addr, get)
	_, second := dial(t, addr, get)
	if line != "HTTP/1.1 200 OK" || second != line {
		t.Fatalf("%q, %q", line, second)
	}
	if _, third := dial(t, addr, ""); third != "HTTP/1.1 503 Service Unavailable" {
		t.Errorf("one too many is told %q", third)
	}
	first.Close()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, line := dial(t, addr, get); line == "HTTP/1.1 200 OK" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the place of a connection that has ended does not come back")
		}
	}
}

func TestWhoOnlyHoldsAPlaceMakesRoomForANewcomer(t *testing.T) {
	s, addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {}, Config{Conns: 3})
	defer s.Close()
	for i, text := range []string{get, "GET / HTTP/1.1\r\nHo", get} { // two have got an answer, one has half a request
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, text)
		if text == get {
			bufio.NewReader(conn).ReadString('\n')
		}
		for end := time.Now().Add(30 * time.Second); len(s.lis.free) < i+1 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	for range 5 {
		if _, line := dial(t, addr, get); line != "HTTP/1.1 200 OK" {
			t.Fatalf("somebody with a request is told %q", line)
		}
	}
	if n := len(s.lis.free); n > 3 {
		t.Errorf("%d connections, the limit is 3", n)
	}
}

func TestCloseWaitsForRequestsAndEndsThem(t *testing.T) {
	begun := make(chan struct{})
	ended := false
	s, addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		time.Sleep(lastWords + 50*time.Millisecond) // longer than it is given to say something
		ended = true
	}, Config{})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, get)
	<-begun
	s.Close()
	if !ended {
		t.Error("Close has returned before the request had")
	}
}

func TestWhoSendsNothingIsClosed(t *testing.T) {
	cfg := Config{HeaderTime: 20 * time.Millisecond, BodyTime: 20 * time.Millisecond, IdleTime: 20 * time.Millisecond, HeaderBytes: 1024}
	s, addr := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("x")) }, cfg)
	defer s.Close()
	for name, text := range map[string]string{
		"half a head":                      "GET / HTTP/1.1\r\nHost: x\r\n",
		"a body that nobody reads":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
		"a second request that never came": get,
		"a head without an end":            "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 8192),
	} {
		conn, _ := dial(t, addr, text)
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection is still open after 30 s", name)
		}
	}
}

func TestOnlyNamesOfThisMachineAreLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:4434": true, "127.0.0.1": true, "127.0.0.1:4434": true, "127.8.9.1:1": true, "[::1]": true, "[::1]:4434": true, "[::ffff:127.0.0.1]:1": true,
		"": false, "evil.example": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "127.0.0.1:evil": false, "0.0.0.0": false, "[::]:1": false,
		"10.0.0.1:80": false, "2130706433": false, "0x7f.1": false, "127.1": false, "[::1%lo]": false, "[::1": false, "localhost@evil.example": false, "localhost:": false,
		strings.Repeat("1", 300): false,
	} {
		if got := localName(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestOnlyTheTokenIsTheToken(t *testing.T) {
	for given, want := range map[string]bool{"Bearer t0ken": true, "BEARER  t0ken": true, "Bearer t0ke": false, "Bearer t0kenx": false, "Bearer ": false, "": false, "t0ken": false, "Basic t0ken": false} {
		r := &http.Request{Header: http.Header{"Authorization": {given}}}
		if got := Bearer(r, "t0ken"); got != want {
			t.Errorf("%q: %v", given, got)
		}
	}
	if Derived("a", "x") == Derived("a", "y") || Derived("a", "x") == Derived("b", "x") || strings.Contains(Derived("a-long-token", "x"), "token") {
		t.Error("derived secrets are not apart")
	}
}

func TestWhatAPageOfAnotherSiteAsksForIsForeign(t *testing.T) {
	for _, c := range []struct {
		site, mode, dest string
		want             bool
	}{
		{"", "", "", false}, {"none", "navigate", "document", false}, {"same-origin", "cors", "empty", false}, {"cross-site", "navigate", "document", false},
		{"cross-site", "no-cors", "image", true}, {"same-site", "cors", "empty", true}, {"cross-site", "navigate", "iframe", true},
	} {
		h := http.Header{"Sec-Fetch-Site": {c.site}, "Sec-Fetch-Mode": {c.mode}, "Sec-Fetch-Dest": {c.dest}}
		if got := Foreign(&http.Request{Header: h}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
