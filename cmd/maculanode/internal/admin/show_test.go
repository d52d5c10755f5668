//go:build ops

package admin

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestShow serves the page of a node for a browser until its standard input
// ends; a line of that says why the node is not ready. Without MACULA_SHOW,
// which is "busy" or "new", it does nothing: the tests of the page in a browser
// start it.
func TestShow(t *testing.T) {
	kind := os.Getenv("MACULA_SHOW")
	if kind == "" {
		return
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := busy()
	if kind == "new" {
		f = &fake{}
		f.status.ID, f.status.Realm, f.status.Addr, f.status.Version = selfID, "example.net", "127.0.0.1:4433", "v0.4.1"
		f.why = "joining: none of 2 bootstrap peers has answered yet"
	}
	s := Serve(lis, f, Config{Refresh: 200 * time.Millisecond, Token: func() string { return os.Getenv("MACULA_SHOW_TOKEN") }})
	if kind == "busy" {
		s.history.mu.Lock()
		s.history.samples = hour(&f.status)
		s.history.mu.Unlock()
	}
	fmt.Printf("listening on http://%s/\n", lis.Addr())
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				f.set(func(f *fake) { f.status.Uptime += 0.1; f.status.Server.Served += 31 })
			}
		}
	}()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f.set(func(f *fake) { f.why = strings.TrimSpace(in.Text()) })
	}
	close(stop)
	<-done
	s.Close()
}
