package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// patience is how long anything may take before a test gives up on it. It
// decides nothing when things work.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"maculanode": main})
}

// leakChecked fails when a test leaves a goroutine behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// TestScripts runs the conversations of testdata/script. Beside the usual
// commands they have:
//
//	start NAME ARGS...      runs maculanode ARGS until it says that it listens;
//	                        sets $NAME_ID, $NAME_ADDR and $NAME_PORT
//	end NAME SIGNAL CODE    signals it and waits for that exit code; its output
//	                        is in NAME.out and NAME.err
//	until ARGS...           runs maculanode ARGS again and again until it succeeds
//	shows DIR REGEXP        waits until the status of the node of $D/DIR, in JSON, matches
//	signal NAME SIGNAL      signals it and does not wait
//	hangingweb VAR          runs a web server that never answers; sets $VAR to its URL
//	asked                   waits until that web server was asked
//	code N ARGS...          runs maculanode ARGS, which must exit with N and, if
//	                        N is not 0, say why in one line; its output is in
//	                        code.out and code.err
//	busyport VAR            takes a UDP port and sets $VAR to its address
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Short, because a socket's path is.
			dir, err := os.MkdirTemp("", "mn")
			if err != nil {
				return err
			}
			p := &processes{byName: map[string]*process{}, asked: make(chan struct{}, 8)}
			env.Values[processesKey{}] = p
			env.Setenv("HOME", dir)
			env.Setenv("D", dir)
			env.Defer(func() {
				p.killAll()
				os.RemoveAll(dir)
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": cmdStart, "end": cmdEnd, "until": cmdUntil, "code": cmdCode, "busyport": cmdBusyPort, "shows": cmdShows,
			"signal": cmdSignal, "hangingweb": cmdHangingWeb, "asked": cmdAsked,
		},
	})
}

type processesKey struct{}

type processes struct {
	mu     sync.Mutex
	byName map[string]*process
	asked  chan struct{} // of the hanging web server
}

type process struct {
	cmd    *exec.Cmd
	out    bytes.Buffer // complete after done
	err    bytes.Buffer
	done   chan struct{}
	result error
}

func (p *processes) killAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.byName {
		x.cmd.Process.Kill()
		<-x.done
	}
}

// command makes a run of maculanode in the environment of the script.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	bin := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "maculanode"); exists(p) {
			bin = p
			break
		}
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "MACULA_DIR", "MACULA_REALM", "MACULA_LISTEN", "MACULA_LOG_LEVEL"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARGS...")
	}
	name := args[0]
	p := &process{cmd: command(ts, args[1:]), done: make(chan struct{})}
	stdout, err := p.cmd.StdoutPipe()
	ts.Check(err)
	p.cmd.Stderr = &p.err
	ts.Check(p.cmd.Start())
	first := make(chan string, 1)
	go func() {
		defer close(p.done)
		r := bufio.NewReader(stdout)
		line, _ := r.ReadString('\n')
		p.out.WriteString(line)
		first <- line
		r.WriteTo(&p.out)
		p.result = p.cmd.Wait()
	}()
	all := ts.Value(processesKey{}).(*processes)
	all.mu.Lock()
	all.byName[name] = p
	all.mu.Unlock()
	select {
	case line := <-first:
		for _, f := range strings.Fields(line) {
			if v, ok := strings.CutPrefix(f, "id="); ok {
				ts.Setenv(name+"_ID", v)
			}
			if v, ok := strings.CutPrefix(f, "addr="); ok {
				ts.Setenv(name+"_ADDR", v)
				ts.Setenv(name+"_PORT", v[strings.LastIndexByte(v, ':')+1:])
			}
		}
		if line == "" {
			<-p.done
			ts.Fatalf("%s ended: %v: %s", name, p.result, p.err.String())
		}
	case <-time.After(patience):
		ts.Fatalf("%s printed no line", name)
	}
}

func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: end NAME SIGNAL CODE")
	}
	sig := signals[args[1]]
	all := ts.Value(processesKey{}).(*processes)
	p := all.byName[args[0]]
	if sig != 0 {
		ts.Check(p.cmd.Process.Signal(sig))
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s did not end", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), p.out.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), p.err.Bytes(), 0o600))
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[2] {
		ts.Fatalf("%s ended with %s, want %s:\n%s%s", args[0], got, args[2], p.out.String(), p.err.String())
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := command(ts, args).CombinedOutput()
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v: %s", err, out)
		}
	}
}

func cmdShows(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[1])
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := command(ts, []string{"status", "--json", "--dir", filepath.Join(ts.Getenv("D"), args[0])}).Output()
		ts.Check(err)
		if want.Match(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("the status does not show it: %s", out)
		}
	}
}

func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Value(processesKey{}).(*processes).byName[args[0]].cmd.Process.Signal(signals[args[1]]))
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "-": 0}

func cmdHangingWeb(ts *testscript.TestScript, _ bool, args []string) {
	asked := ts.Value(processesKey{}).(*processes).asked
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the end of the connection is seen after the body only
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	ts.Defer(srv.Close)
	ts.Setenv(args[0], srv.URL)
}

func cmdAsked(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-ts.Value(processesKey{}).(*processes).asked:
	case <-time.After(patience):
		ts.Fatalf("the backend was not asked")
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N ARGS...")
	}
	cmd := command(ts, args[1:])
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run()
	got := strconv.Itoa(cmd.ProcessState.ExitCode())
	ts.Logf("exit %s\n%s%s", got, stdout.String(), stderr.String())
	ts.Check(os.WriteFile(ts.MkAbs("code.out"), stdout.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("code.err"), stderr.Bytes(), 0o600))
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
	if n := bytes.Count(stderr.Bytes(), []byte("\n")); got != "0" && n != 1 {
		ts.Fatalf("the reason has %d lines, want 1", n)
	}
}

func cmdBusyPort(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Setenv(args[0], conn.LocalAddr().String())
}
