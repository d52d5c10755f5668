package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// A node that is told to stop while somebody follows its page and a call hangs
// in its API ends all the same, and leaves nothing.
func TestOpenDoorsEndWithTheNode(t *testing.T) {
	dir, err := os.MkdirTemp("", "mn")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "init", "--listen", "127.0.0.1:0"); code != 0 {
		t.Fatal(stderr)
	}
	begun := make(chan struct{}, 1)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer web.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code, stderr := inProcess(ctx, dir, in, "run", "--json", "--admin", "127.0.0.1:0", "--api", "127.0.0.1:0",
			"--http", "hang="+web.URL, "--drain-timeout", "200ms",
			"--admin-connections", "7", "--api-connections", "9", "--control-connections", "11")
		if code != 0 {
			t.Error(stderr)
		}
		in.Close()
		ended <- code
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("no line that it listens")
	}
	var ready struct{ Admin, API string }
	if err := json.Unmarshal(lines.Bytes(), &ready); err != nil || !strings.HasPrefix(ready.Admin, "http://127.0.0.1:") || !strings.HasPrefix(ready.API, "http://127.0.0.1:") {
		t.Fatalf("%s, %v", lines.Text(), err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(ready.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(text), "macula_ready 1\n") {
		t.Errorf("/metrics does not say that the node is ready: %d bytes", len(text))
	}
	for _, limit := range []string{`{table="admin_connections"} 7`, `{table="api_connections"} 9`, `{table="control_connections"} 11`} {
		if !strings.Contains(string(text), "macula_table_limit"+limit+"\n") {
			t.Errorf("/metrics does not have the limit %s", limit)
		}
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		req, err := http.NewRequest("POST", ready.API+"/v1/call/hang", strings.NewReader("x"))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Macula-Api", "1") // without a token
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 == 2 {
			t.Errorf("a call that nobody answered ended with %s", resp.Status)
		}
	}()
	receive(t, begun)
	stop()
	if !lines.Scan() {
		t.Fatal("no closed line")
	}
	var closed struct{ Clean bool }
	if err := json.Unmarshal(lines.Bytes(), &closed); err != nil || !closed.Clean {
		t.Errorf("%s, %v", lines.Text(), err)
	}
	receive(t, called)
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
}
