package control

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/node/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits before it gives up; it decides nothing
// when things work.
const patience = 20 * time.Second

// fake is a node that does what a test tells it.
type fake struct {
	call func(ctx context.Context, req *Request) ([]byte, error)

	mu      sync.Mutex
	adverts []*fakeAdvert
}

func (f *fake) Status() Status { return Status{ID: "me", PID: 7} }
func (f *fake) Call(ctx context.Context, req *Request) ([]byte, error) {
	return f.call(ctx, req)
}
func (f *fake) Withdraw(name string) error { return fault.New("", fault.NotFound, "no %s", name) }
func (f *fake) Advertise(req *Request) (Advert, error) {
	if req.Name == "taken" {
		return nil, fault.New("", fault.Overload, "taken")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &fakeAdvert{done: make(chan struct{}), withdrawn: make(chan struct{})}
	f.adverts = append(f.adverts, a)
	return a, nil
}

type fakeAdvert struct {
	once      sync.Once
	done      chan struct{}
	withdrawn chan struct{}
}

func (a *fakeAdvert) Done() <-chan struct{} { return a.done }
func (a *fakeAdvert) Err() error            { return fault.New("", fault.Cancelled, "withdrawn elsewhere") }
func (a *fakeAdvert) Withdraw()             { a.once.Do(func() { close(a.withdrawn) }) }

func start(t *testing.T, f *fake, cfg Config) (*Server, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c.sock")
	lis, release, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(lis, f, slog.New(slog.DiscardHandler), cfg)
	t.Cleanup(func() {
		s.Close()
		release()
		os.RemoveAll(dir)
	})
	return s, path
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
}

// until waits for a condition that another goroutine makes true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestACallGetsItsAnswerOrTheErrorWithItsKind(t *testing.T) {
	f := &fake{call: func(_ context.Context, r *Request) ([]byte, error) {
		if r.Name == "bad" {
			return nil, &fault.Error{Kind: fault.Overload, Detail: "full", RetryAfter: 3 * time.Second}
		}
		return append([]byte(r.Name+" "), r.Body...), nil
	}}
	_, path := start(t, f, Config{})
	resp, err := Do(t.Context(), path, &Request{Verb: VerbCall, Name: "n", Body: []byte{0, 255}})
	if err != nil || string(resp.Body) != "n \x00\xff" {
		t.Errorf("got %v, %v", resp, err)
	}
	_, err = Do(t.Context(), path, &Request{Verb: VerbCall, Name: "bad"})
	if fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) != 3*time.Second || !strings.HasPrefix(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	if _, err = Do(t.Context(), path, &Request{Verb: "dance"}); err == nil || !strings.Contains(err.Error(), `the verb "dance"`) {
		t.Errorf("got %v", err)
	}
	resp, err = Do(t.Context(), path, &Request{Verb: VerbCall, Name: "n", Body: make([]byte, MaxBody)})
	if err != nil || len(resp.Body) != MaxBody+2 {
		t.Errorf("a body of the largest size must pass: %v", err)
	}
}

func TestTheEndOfTheCommandEndsItsCall(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	f := &fake{call: func(ctx context.Context, _ *Request) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		if fault.KindOf(context.Cause(ctx)) == fault.CallerGone {
			close(ended)
		}
		return nil, ctx.Err()
	}}
	s, path := start(t, f, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-begun
		cancel()
	}()
	if _, err := Do(ctx, path, &Request{Verb: VerbCall}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wait(t, ended, "the end of the call")
	until(t, "the end of the connection", func() bool { return s.Conns() == 0 })
}

func TestAMessageOverTheLimitIsRefusedBeforeItIsRead(t *testing.T) {
	_, path := start(t, &fake{}, Config{})
	conn := dial(t, path)
	conn.Write(binary.BigEndian.AppendUint32(nil, MaxFrame+1))
	var resp Response
	if err := read(conn, &resp); err != nil || fault.KindOf(resp.Error.Err()) != fault.TooLarge {
		t.Errorf("got %+v, %v", resp.Error, err)
	}
	if _, err := Do(t.Context(), path, &Request{Verb: VerbCall, Body: make([]byte, MaxFrame)}); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("the command must not send it either: %v", err)
	}
}

func TestGarbageGetsAnErrorAndTheServerLives(t *testing.T) {
	_, path := start(t, &fake{}, Config{ReadTimeout: 50 * time.Millisecond})
	for _, garbage := range []string{"\x00\x00\x00\x03{]}", "\x00\x00\x00\x00", "\x00\x00\x00\x04null", "\x00\x00\x00\x02[]"} {
		conn := dial(t, path)
		io.WriteString(conn, garbage)
		var resp Response
		if err := read(conn, &resp); err != nil || resp.Error == nil {
			t.Errorf("%q: got %+v, %v", garbage, resp, err)
		}
	}
	if resp, err := Do(t.Context(), path, &Request{Verb: VerbStatus}); err != nil || resp.Status.PID != 7 {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestACommandThatSaysNothingIsCutAtTheDeadline(t *testing.T) {
	s, path := start(t, &fake{}, Config{ReadTimeout: 20 * time.Millisecond})
	for _, part := range []string{"", "\x00", "\x00\x00\x00\x09{\"verb"} {
		conn := dial(t, path)
		io.WriteString(conn, part)
		var resp Response
		if err := read(conn, &resp); err != nil || fault.KindOf(resp.Error.Err()) != fault.Deadline {
			t.Errorf("%q: got %+v, %v", part, resp.Error, err)
		}
	}
	until(t, "the end of the connections", func() bool { return s.Conns() == 0 })
}

func TestOneConnectionTooManyIsRefusedAndTheOthersLive(t *testing.T) {
	s, path := start(t, &fake{}, Config{Conns: 3})
	var idle []net.Conn
	for range 3 {
		idle = append(idle, dial(t, path))
	}
	until(t, "three connections", func() bool { return s.Conns() == 3 })
	if _, err := Do(t.Context(), path, &Request{Verb: VerbStatus}); fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) == 0 {
		t.Errorf("got %v", err)
	}
	idle[0].Close()
	until(t, "room", func() bool { return s.Conns() == 2 })
	if _, err := Do(t.Context(), path, &Request{Verb: VerbStatus}); err != nil {
		t.Error(err)
	}
}

func TestAServiceLivesAsLongAsItsCommandUnlessItIsDetached(t *testing.T) {
	f := &fake{}
	s, path := start(t, f, Config{Attached: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(name string, detach bool) (*Session, error) {
		c, err := Open(ctx, path, &Request{Verb: VerbAdvertise, Name: name, Detach: detach})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.Next()
		return c, err
	}
	first, err := open("one", false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := open("two", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open("three", false); fault.KindOf(err) != fault.Overload {
		t.Errorf("more than the limit: %v", err)
	}
	if _, err := open("taken", true); fault.KindOf(err) != fault.Overload {
		t.Errorf("what the node refuses is refused: %v", err)
	}
	if _, err := open("detached", true); err != nil {
		t.Errorf("a detached one takes no place: %v", err)
	}
	first.Close()
	wait(t, f.adverts[0].withdrawn, "the withdrawal")
	close(f.adverts[1].done)
	if _, err := second.Next(); err == nil || !strings.Contains(err.Error(), "withdrawn elsewhere") {
		t.Errorf("the command must learn that its service ended: %v", err)
	}
	until(t, "the end of the connections", func() bool { return s.Conns() == 0 })
	select {
	case <-f.adverts[2].withdrawn:
		t.Error("the detached service ended with its command")
	default:
	}
}

func TestCloseEndsWhateverIsInProgress(t *testing.T) {
	begun := make(chan struct{}, 1)
	f := &fake{call: func(ctx context.Context, _ *Request) ([]byte, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}
	s, path := start(t, f, Config{})
	dial(t, path) // silent
	ad, err := Open(t.Context(), path, &Request{Verb: VerbAdvertise, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer ad.Close()
	if _, err := ad.Next(); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := Do(context.Background(), path, &Request{Verb: VerbCall})
		result <- err
	}()
	<-begun
	s.Close()
	if err := <-result; fault.KindOf(err) != fault.Draining {
		t.Errorf("the call: %v", err)
	}
	if _, err := ad.Next(); fault.KindOf(err) != fault.Draining {
		t.Errorf("the service: %v", err)
	}
	wait(t, f.adverts[0].withdrawn, "the withdrawal")
	if n := s.Conns(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestTheSocketOfADeadNodeIsReplacedAndThatOfALivingOneIsNot(t *testing.T) {
	_, path := start(t, &fake{}, Config{})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, _, err := Listen(path)
	if err == nil || fault.KindOf(err) != fault.Overload || !strings.Contains(err.Error(), "already running with "+path+" (process 7, id me)") {
		t.Errorf("got %v", err)
	}
	dead := filepath.Join(filepath.Dir(path), "d.sock")
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	lis.SetUnlinkOnClose(false)
	lis.Close()
	if _, err := Do(t.Context(), dead, &Request{Verb: VerbStatus}); fault.KindOf(err) != fault.Unreachable {
		t.Errorf("a dead node is unreachable: %v", err)
	}
	next, release, err := Listen(dead)
	if err != nil {
		t.Fatalf("the socket of a dead node was not replaced: %v", err)
	}
	defer release()
	next.Close()
}

func TestAFullStatusFitsIntoOneMessage(t *testing.T) {
	long := strings.Repeat("x", 255)
	var s Status
	for i := range MaxListed {
		s.PeerList = append(s.PeerList, Conn{ID: long[:56], Addr: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", Served: 1 << 62, Asked: 1 << 62})
		s.ServiceList = append(s.ServiceList, Service{Name: fmt.Sprint(i, long), Provider: long[:56], Addr: s.PeerList[0].Addr})
	}
	s.ClientList = s.PeerList
	if err := write(io.Discard, &Response{Status: &s}); err != nil {
		t.Error(err)
	}
}
