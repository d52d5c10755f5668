package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// fakeVar makes this test binary play maculanode; it says in which manner.
const fakeVar = "MACULA_PROCESS_TEST_NODE"

func TestMain(m *testing.M) {
	if manner := os.Getenv(fakeVar); manner != "" {
		os.Exit(fake(manner, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// fake is maculanode as far as these tests need one.
func fake(manner string, args []string) int {
	switch args[0] {
	case "init":
		if manner == "no-init" {
			fmt.Fprintln(os.Stderr, "the disk is full")
			return 3
		}
	case "id":
		fmt.Println("id-of-" + filepath.Base(args[2]))
	case "status":
		fmt.Println(`{"leases":7}`)
	case "hang":
		time.Sleep(time.Hour)
	case "say":
		fmt.Print(strings.Join(args[1:], " "))
	case "run":
		return fakeRun(manner, args)
	}
	return 0
}

func fakeRun(manner string, args []string) int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Fprintln(os.Stderr, "log of", args)
	if manner == "dies" {
		return 4
	}
	fmt.Println("no JSON")
	fmt.Println(`{"event":"other","addr":"wrong"}`)
	if manner != "silent" {
		fmt.Println(`{"event":"listening","addr":"127.0.0.1:4"}`)
	}
	<-asked
	fmt.Println(`{"event":"closed","clean":true,"timers":3}`)
	if manner == "unclean" {
		return 5
	}
	return 0
}

// made is a node of fake programs.
func made(t *testing.T, manner string) *Proc {
	t.Helper()
	p, err := New(t.Context(), configOf(t, manner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func configOf(t *testing.T, manner string) Config {
	t.Helper()
	t.Setenv(fakeVar, manner)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a second for every process otherwise
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Bin: bin, Dir: filepath.Join(t.TempDir(), "n1")}
}

// says fails the test unless err holds every one of the texts.
func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

func TestANodeStartsIsReadAndStops(t *testing.T) {
	p := made(t, "works")
	if p.Name != "n1" || p.ID != "id-of-n1" {
		t.Errorf("name %q, id %q", p.Name, p.ID)
	}
	if err := p.Start(t.Context(), "--more"); err != nil {
		t.Fatal(err)
	}
	if p.Addr != "127.0.0.1:4" || p.Dead() != nil {
		t.Errorf("address %q, dead: %v", p.Addr, p.Dead())
	}
	var st struct{ Leases int }
	if err := p.Status(t.Context(), &st); err != nil || st.Leases != 7 {
		t.Errorf("status %+v, %v", st, err)
	}
	var closed struct {
		Clean  bool
		Timers int
	}
	if err := p.Stop(t.Context(), &closed); err != nil || !closed.Clean || closed.Timers != 3 {
		t.Errorf("closed %+v, %v", closed, err)
	}
	says(t, p.Dead(), "n1 has ended", "--json --more]")
	p.Kill()
}

func TestACommandThatFailsSaysWhy(t *testing.T) {
	_, err := New(t.Context(), configOf(t, "no-init"), "--realm", "r")
	says(t, err, "maculanode init --dir", "--realm r", "the disk is full")
}

func TestACommandThatHangsIsEnded(t *testing.T) {
	p := made(t, "works")
	if out, err := p.Do(t.Context(), "say", "a", "b"); err != nil || out != "a b" {
		t.Errorf("%q, %v", out, err)
	}
	p.c.Timeout = 50 * time.Millisecond
	_, err := p.Do(t.Context(), "hang")
	says(t, err, "maculanode hang", "killed")
}

func TestANodeThatEndsBeforeItIsReadyIsAnErrorWithItsLog(t *testing.T) {
	p := made(t, "dies")
	says(t, p.Start(t.Context()), `n1 ended before it said "listening"`, "log of [run")
	says(t, p.Dead(), "exit status 4")
}

func TestANodeThatSaysNothingIsAwaitedUntilTheContextEnds(t *testing.T) {
	p := made(t, "silent")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	says(t, p.Start(ctx), `n1 did not say "listening" in time`)
	if err := p.Dead(); err != nil {
		t.Error(err)
	}
	p.Kill()
	says(t, p.Dead(), "n1 has ended: signal: killed")
}

func TestAnExitCodeIsAnErrorOfStop(t *testing.T) {
	p := made(t, "unclean")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var closed struct{ Clean bool }
	err := p.Stop(t.Context(), &closed)
	says(t, err, "n1: exit status 5", "log of [run")
	if exit := new(exec.ExitError); !errors.As(err, &exit) || !closed.Clean {
		t.Errorf("%T, closed %+v", err, closed)
	}
}

func TestANodeThatIsDeadCannotBeStopped(t *testing.T) {
	p := made(t, "works")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	says(t, p.Stop(t.Context(), &struct{}{}), `n1 ended before it said "closed"`)
}

func TestOfALogTheEndIsKept(t *testing.T) {
	var l tail
	for i := range 3000 {
		fmt.Fprintf(&l, "%d\n", i)
	}
	if got := l.String(); len(got) != maxTail || !strings.HasSuffix(got, "2998\n2999\n") {
		t.Errorf("%d bytes, the end is %q", len(got), got[max(0, len(got)-10):])
	}
}
