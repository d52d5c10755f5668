package main

import (
	"context"
	"crypto/ed25519"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	proc "github.com/maculamesh/macula/internal/process"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// drainFor is the drain timeout of the nodes here: long enough that whatever
// can end in good order does.
const drainFor = "700ms"

const stopRealm = "org.example.stop"

// stopped is the last line of a node.
type stopped struct {
	Leftovers struct{ Abandoned, Leases, Conns, Streams, Tasks int }
	Ours      *int `json:"goroutines_of_ours"`
	Timers    int
	Hooks     int
	Clean     bool
}

// stopStage is where the processes of a test run.
type stopStage struct {
	t   *testing.T
	ctx context.Context
	bin string
	dir string
	log io.Writer // of the nodes made from now on; may be nil
}

func newStopStage(t *testing.T) *stopStage {
	bin, err := exec.LookPath("maculanode")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mn") // short, because a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return &stopStage{t: t, ctx: ctx, bin: bin, dir: dir}
}

// node makes a node that is not started yet.
func (s *stopStage) node(name string) *proc.Proc {
	s.t.Helper()
	p, err := proc.New(s.ctx, proc.Config{Bin: s.bin, Dir: filepath.Join(s.dir, name), Timeout: patience, Log: s.log}, "--realm", stopRealm, "--listen", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Kill)
	return p
}

// run makes a node and starts it.
func (s *stopStage) run(name string, flags ...string) *proc.Proc {
	s.t.Helper()
	p := s.node(name)
	if err := p.Start(s.ctx, append([]string{"--open-peers", "--drain-timeout", drainFor}, flags...)...); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// do runs a command about a node to its end.
func (s *stopStage) do(p *proc.Proc, args ...string) (string, error) {
	return p.Do(s.ctx, append(args, "--dir", filepath.Join(s.dir, p.Name))...)
}

// stop ends a node by SIGTERM: it is gone soon after its deadline, with exit
// code 0, and nothing of it is left.
func (s *stopStage) stop(p *proc.Proc) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	var end stopped
	if err := p.Stop(ctx, &end); err != nil {
		s.t.Fatal(err)
	}
	if l := end.Leftovers; l.Leases+l.Conns+l.Streams+l.Tasks+l.Abandoned != 0 || end.Ours == nil || *end.Ours != 0 || end.Timers != 0 || end.Hooks != 0 || !end.Clean {
		s.t.Errorf("something was left: %+v; the log ends\n%s", end, p.Log())
	}
}

// eventually waits until the status of a node in JSON has a text.
func (s *stopStage) eventually(p *proc.Proc, want string) {
	s.t.Helper()
	var out string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if out, err = s.do(p, "status", "--json"); err == nil && strings.Contains(out, want) {
			return
		}
	}
	s.t.Fatalf("the status of %s never had %s: %s", p.Name, want, out)
}

// at is how others name a node.
func at(p *proc.Proc) string { return p.ID + "@" + p.Addr }

func TestANodeThatDialsWhoNeverAnswersIsGoneByItsDeadline(t *testing.T) {
	s := newStopStage(t)
	mute, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	other := s.node("other")
	n := s.run("n", "--peer", other.ID+"@"+mute.LocalAddr().String())
	s.eventually(n, `"dialling":1`)
	s.stop(n)
}

func TestANodeWithAFullPoolIsGoneByItsDeadline(t *testing.T) {
	s := newStopStage(t)
	n := s.run("n", "--max-peers", "1")
	for _, name := range []string{"a", "b", "c"} {
		defer s.stop(s.run(name, "--peer", at(n)))
	}
	s.eventually(n, `"pool":{"now":1,`)
	s.stop(n)
}

func TestANodeWhosePeersStandStillIsGoneByItsDeadline(t *testing.T) {
	s := newStopStage(t)
	a := s.run("a", "--echo", "demo.echo")
	n := s.run("n", "--peer", at(a))
	s.eventually(n, `"demo.echo"`)
	if err := syscall.Kill(a.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := s.do(n, "call", "demo.echo", "--data", "x", "--timeout", "1m")
		asked <- err
	}()
	s.eventually(n, `"calls_out":1`)
	s.stop(n)
	if err := <-asked; err == nil {
		t.Error("a call to a node that stands still was answered")
	}
	if err := syscall.Kill(a.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.stop(a)
}

func TestANodeIsGoneByItsDeadlineWhileClientsComeInAStorm(t *testing.T) {
	s := newStopStage(t)
	n := s.run("n", "--max-clients", "10", "--echo", "demo.echo")
	gate := gatewayOf(t, n)
	ctx, cancel := context.WithCancel(s.ctx)
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			for ctx.Err() == nil {
				r := realrt.New(realrt.Config{})
				c, free, err := newVisitor(r, gate, true)
				if err != nil {
					t.Error(err)
					return
				}
				visit(ctx, r, c)
				free()
			}
		})
	}
	s.eventually(n, `"clients":{"now":10,`)
	s.stop(n)
	cancel()
	clients.Wait()
}

func gatewayOf(t *testing.T, p *proc.Proc) client.Gateway {
	id, err := ident.Parse(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return client.Gateway{ID: id, Addr: netip.MustParseAddrPort(p.Addr)}
}

// newVisitor is a client with a key and a socket of its own; free closes that.
func newVisitor(r *realrt.Runtime, gate client.Gateway, once bool) (c *client.Client, free func() error, err error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	c, err = client.New(client.Config{Realm: stopRealm, Gateways: []client.Gateway{gate}, NoReconnect: once}, client.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	return c, tr.Close, err
}

// visit is a client that comes, calls and leaves.
func visit(ctx context.Context, r *realrt.Runtime, c *client.Client) {
	attach, cancel := r.WithTimeout(ctx, time.Second)
	defer cancel()
	if c.Attach(attach) == nil {
		c.Call(attach, "demo.echo", []byte("x"), true)
	}
	end, done := r.WithTimeout(context.Background(), patience)
	defer done()
	c.Close(end)
}

func TestANodeThatIsToldToStopInTheMiddleOfADrainIsGoneByItsDeadline(t *testing.T) {
	s := newStopStage(t)
	web := newHangingWeb(t)
	n := s.run("n")
	if _, err := s.do(n, "advertise", "hang", "--http", web.url, "--detach"); err != nil {
		t.Fatal(err)
	}
	var commands sync.WaitGroup
	commands.Go(func() { s.do(n, "call", "hang", "--data", "x", "--timeout", "5m") })
	web.wasAsked(t)
	commands.Go(func() { s.do(n, "drain", "--timeout", "5m") })
	s.eventually(n, `"draining":true`)
	s.stop(n)
	commands.Wait()
}

func TestADrainedNodeIsGoneAtOnce(t *testing.T) {
	s := newStopStage(t)
	n := s.run("n", "--echo", "demo.echo", "--drain-timeout", "10m")
	if out, err := s.do(n, "drain", "--json"); err != nil || !strings.Contains(out, `"left":0`) {
		t.Fatalf("%s, %v", out, err)
	}
	if out, err := s.do(n, "call", "demo.echo", "--data", "x"); err == nil {
		t.Errorf("a drained node still provides: %s", out)
	}
	s.stop(n)
}

func TestANodeThatReloadsIsGoneByItsDeadline(t *testing.T) {
	s := newStopStage(t)
	n := s.run("n")
	for range 20 {
		syscall.Kill(n.PID(), syscall.SIGHUP)
	}
	s.stop(n)
}

// Before it listens a node ends as well: by the signal itself, if that comes
// before anything else, else in good order.
func TestANodeThatIsNotReadyYetEndsToo(t *testing.T) {
	s := newStopStage(t)
	n := s.node("n")
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		cmd := exec.CommandContext(s.ctx, s.bin, "run", "--json", "--dir", filepath.Join(s.dir, n.Name), "--drain-timeout", drainFor)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after) // any moment will do
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if s.ctx.Err() != nil {
			t.Fatalf("it did not end: %s", errs.String())
		}
		if strings.Contains(out.String(), `"closed"`) && !strings.Contains(out.String(), `"clean":true`) {
			t.Errorf("after %v: %s%s", after, out.String(), errs.String())
		}
	}
}

// hangingWeb is a backend that never answers.
type hangingWeb struct {
	url   string
	asked chan struct{}
}

func newHangingWeb(t *testing.T) *hangingWeb {
	w := &hangingWeb{asked: make(chan struct{}, 8)}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the end of the connection is seen after the body only
		w.asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

func (w *hangingWeb) wasAsked(t *testing.T) {
	t.Helper()
	receive(t, w.asked)
}

func TestAClientOfANodeThatIsDrainedGoesOnWhereItIsSent(t *testing.T) {
	s := newStopStage(t)
	b := s.run("b", "--echo", "demo.echo")
	a := s.run("a", "--peer", at(b))
	s.eventually(a, `"demo.echo"`)
	r := realrt.New(realrt.Config{})
	c, free, err := newVisitor(r, gatewayOf(t, a), false)
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	if err := c.Attach(s.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.do(a, "drain"); err != nil {
		t.Error(err)
	}
	// Only a was in its configuration.
	s.eventually(b, `"clients":{"now":1,`)
	if answer, err := c.Call(s.ctx, "demo.echo", []byte("x"), false); err != nil || string(answer) != "x" {
		t.Errorf("%q, %v", answer, err)
	}
	c.Close(s.ctx)
	s.stop(a)
	s.stop(b)
}
