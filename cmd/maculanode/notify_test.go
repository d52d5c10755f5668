package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheServiceManagerHearsWhenTheNodeIsReadyAndWhenItDrains(t *testing.T) {
	dir, err := os.MkdirTemp("", "mn") // short: a path of a socket has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "init", "--listen", "127.0.0.1:0"); code != 0 {
		t.Fatal(stderr)
	}
	at := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	manager.SetReadDeadline(time.Now().Add(30 * time.Second))
	hears := func(want string) {
		t.Helper()
		buf := make([]byte, 1024)
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(string(buf[:n]), "\n"); got != want {
			t.Errorf("the service manager hears %q, not %q", got, want)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		m := Main{Args: []string{"run", "--dir", dir}, Stdout: io.Discard, Stderr: &stderr, Environ: []string{"NOTIFY_SOCKET=" + at}}
		ended <- m.Run(ctx)
	}()
	hears("READY=1")
	// It is true: the node answers.
	if code, stderr := inProcess(t.Context(), dir, io.Discard, "status", "--ready"); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	stop()
	hears("STOPPING=1")
	if code := <-ended; code != 0 {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}
