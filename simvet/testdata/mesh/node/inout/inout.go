package inout

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // want `net/http/pprof is the real network: use transport \[io\]`
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
)

type T struct {
	client *http.Client // want `net/http.Client is the real network`
	addr   netip.AddrPort
	page   *url.URL
}

func touch() {
	_, _ = os.ReadFile("x")     // want `os.ReadFile is input or output past the injected world.*\[io\]`
	_ = os.Stdout               // want `os.Stdout`
	_, _ = net.Dial("udp", "x") // want `net.Dial is the real network: use transport, and net/netip for addresses \[io\]`
	_, _ = net.Pipe()           // want `net.Pipe is the real network`
	_ = exec.Command("x")       // want `os/exec.Command`
	_ = syscall.Getpid()        // want `syscall.Getpid`
	_, _ = io.Pipe()            // want `io.Pipe .* use rt.Queue \[io\]`
	runtime.ReadMemStats(nil)   // want `runtime.ReadMemStats reads the process.*\[io\]`
	_ = runtime.NumGoroutine()  // want `runtime.NumGoroutine`
	debug.SetGCPercent(1)       // want `runtime/debug.SetGCPercent`
	fmt.Println("x")            // want `fmt.Println writes to the process's output: write to an injected io.Writer \[io\]`
	println("x")                // want `println writes to the process's output`
	log.Print("x")              // want `log.Print uses the process's logger`
	slog.Info("x")              // want `log/slog.Info uses the process's logger: use the injected \*slog.Logger \[io\]`
}

func fine(w io.Writer, l *slog.Logger, err error) bool {
	fmt.Fprintln(w, "x")
	l.Info("x")
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) || errors.Is(err, net.ErrClosed)
}
