package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// inProcess runs a command in this process.
func inProcess(ctx context.Context, dir string, stdout io.Writer, args ...string) (code int, stderr string) {
	var errs bytes.Buffer
	m := Main{Args: append(args, "--dir", dir), Stdout: stdout, Stderr: &errs}
	return m.Run(ctx), errs.String()
}

func TestANodeInThisProcessServesAnHTTPBackendAndLeavesNothingBehind(t *testing.T) {
	dir, err := os.MkdirTemp("", "mn")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var id bytes.Buffer
	if code, stderr := inProcess(t.Context(), dir, &id, "init", "--listen", "127.0.0.1:0"); code != 0 {
		t.Fatal(stderr)
	}
	begun, cancelled := make(chan struct{}, 1), make(chan struct{}, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == "wait" {
			begun <- struct{}{}
			<-r.Context().Done()
			cancelled <- struct{}{}
			return
		}
		w.Write(bytes.ToUpper(body))
	}))
	defer web.Close()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code, stderr := inProcess(ctx, dir, in, "run", "--json")
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
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "advertise", "up", "--http", web.URL, "--detach"); code != 0 {
		t.Fatal(stderr)
	}
	var answer bytes.Buffer
	if code, stderr := inProcess(t.Context(), dir, &answer, "call", "up", "--data", "hello"); code != 0 || answer.String() != "HELLO" {
		t.Errorf("got %q: %s", &answer, stderr)
	}
	// A deadline, and the end of the command, reach the backend.
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "call", "up", "--data", "wait", "--timeout", "50ms"); code != exitDeadline || stderr != "maculanode: up has not answered within 50ms\n" {
		t.Errorf("exit %d: %s", code, stderr)
	}
	<-begun
	receive(t, cancelled)
	callCtx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if code, stderr := inProcess(callCtx, dir, io.Discard, "call", "up", "--data", "wait", "--timeout", "1m"); code != exitFailed {
		t.Errorf("exit %d: %s", code, stderr)
	}
	receive(t, cancelled)

	stop()
	if !lines.Scan() {
		t.Fatal("no closed line")
	}
	var closed struct {
		Event      string
		Clean      bool
		Goroutines *int `json:"goroutines_of_ours"`
	}
	if err := json.Unmarshal(lines.Bytes(), &closed); err != nil || closed.Event != "closed" || !closed.Clean || closed.Goroutines == nil || *closed.Goroutines != 0 {
		t.Errorf("got %s, %v", lines.Text(), err)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
}

func receive(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("the backend was not told")
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestWhatCannotBePrintedIsAFailure(t *testing.T) {
	dir := t.TempDir()
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "init", "--realm", "org.example.test"); code != exitOK {
		t.Fatal(code, stderr)
	}
	for _, args := range [][]string{{"id"}, {"config", "check"}, {"config", "show"}} {
		if code, stderr := inProcess(t.Context(), dir, full{}, args...); code != exitFailed || strings.Count(stderr, "no room") != 1 {
			t.Errorf("%q: exit code %d, want %d and a line that says why, got %q", args, code, exitFailed, stderr)
		}
	}
}
