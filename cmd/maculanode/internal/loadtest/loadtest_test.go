package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/load"
)

// asVictim makes this program a victim.
const asVictim = "MACULA_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		if err := Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func command() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asVictim+"=1")
	return cmd, nil
}

// patience decides nothing when things work: the machine may be busy.
const patience = 15 * time.Second

// small is every test in a few seconds.
func small() Config {
	return Config{
		Tests: load.Tests(), Command: command, Slack: patience,
		Load: load.Config{Peers: 16, Cap: 10, Clients: 8, Limit: 5, Services: 3, Leaving: 6, Callers: 4},
	}
}

func TestTheFiveHoldOverQUICAndLeaveNothing(t *testing.T) {
	var out bytes.Buffer
	rep := Play(t.Context(), small(), &Text{Out: &out})
	t.Log("\n" + out.String())
	if !rep.OK() || len(rep.Results) != 5 {
		t.Fatal("it did not hold")
	}
	for i, want := range []string{
		"16 peers, cap 10: 10 open here, 10 open there, 6 evicted",
		"8 clients, limit 5: 5 attached, 3 refused",
		"3 services", "6 clients left (2 closed, 2 superseded, 2 killed)", "4 calls each",
	} {
		if !strings.HasPrefix(rep.Results[i].Summary, want) {
			t.Errorf("got %q, want %q", rep.Results[i].Summary, want)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colours that nobody asked for")
	}
	data, err := json.Marshal(rep.JSON())
	if err != nil || !strings.Contains(string(data), `"open_there":10`) || !strings.HasPrefix(string(data), `{"ok":true`) {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestAnInterruptedTestLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := small()
	cfg.Load.Peers, cfg.Load.Cap = 60, 30
	var text bytes.Buffer
	out := &hooked{Output: &Text{Out: &text}, progress: func(p load.Progress) {
		if p.Test == "pool" && p.Done > 20 {
			cancel()
		}
	}}
	rep := Play(ctx, cfg, out)
	t.Log("\n" + text.String())
	if rep.OK() || len(rep.Results) != 1 || !rep.Results[0].Stopped || rep.Results[0].Failed != 0 || len(rep.Skipped) != 4 {
		t.Errorf("got %+v", rep)
	}
	if len(rep.Baseline.Failures) > 0 {
		t.Error("something is left")
	}
	if !strings.Contains(text.String(), "interrupted: 0 of 5 held, 4 not played") {
		t.Error("the last line does not say so")
	}
}

// hooked is an Output with somebody who listens.
type hooked struct {
	Output
	progress func(load.Progress)
}

func (h *hooked) Progress(p load.Progress) { h.progress(p) }

func TestAVictimThatCannotBeStartedIsSaid(t *testing.T) {
	cfg := small()
	cfg.Tests, _ = Select("callers")
	cfg.Command = func() (*exec.Cmd, error) { return exec.Command("/nonexistent/maculanode"), nil }
	var text bytes.Buffer
	rep := Play(t.Context(), cfg, &Text{Out: &text, Color: true})
	if rep.OK() || rep.Failed() != 1 || !strings.Contains(text.String(), "/nonexistent/maculanode") {
		t.Errorf("got %s", text.String())
	}
	if !strings.Contains(text.String(), "\x1b[31mFAILED") {
		t.Error("the verdict is not red")
	}
}

func TestAVictimEndsWithWhoeverStartedIt(t *testing.T) {
	in, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), in, io.Discard) }()
	// Nobody listens there: it is attaching when its input ends.
	tr := dead(t)
	fmt.Fprintf(w, `{"Addr":%q}`+"\n", tr)
	w.Close()
	if err := <-ended; err == nil {
		t.Error("it attached to nobody")
	}
	if err := Serve(t.Context(), strings.NewReader("what\n"), io.Discard); err == nil || !strings.Contains(err.Error(), "for maculanode loadtest") {
		t.Errorf("got %v", err)
	}
}

// dead is an address of this machine at which nobody listens.
func dead(t *testing.T) string {
	w := newWorld(Config{}, nil)
	h, err := w.Host(load.HostConfig{Name: "dead"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Transport().Close() })
	return h.Addr().String()
}

// broken is a world whose processes survive being killed.
type broken struct {
	*World
	mu    sync.Mutex
	procs []load.Process
}

func (b *broken) Start(ctx context.Context, name string, v load.Victim, near ...load.Host) (load.Process, error) {
	p, err := b.World.Start(ctx, name, v, near...)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.procs = append(b.procs, p)
	return immortal{}, nil
}

type immortal struct{}

func (immortal) Kill() error { return nil }

func TestAProcessThatSurvivesMakesATestFail(t *testing.T) {
	cfg := small()
	cfg.Slack = 100 * time.Millisecond // it is to fail
	b := &broken{World: newWorld(cfg, func(load.Progress) {})}
	lt, _ := load.Find("streams")
	res := load.Run(t.Context(), b, cfg.Load, lt)
	for _, p := range b.procs {
		p.Kill()
	}
	b.r.Wait(t.Context())
	if res.OK() {
		t.Fatal("it held")
	}
	if len(res.Failures) == 0 || res.Failures[0].Property != "clients that left are gone, and their calls with them" {
		t.Errorf("got %v", res.Failures)
	}
}

func TestWhatIsLeftIsSaid(t *testing.T) {
	w := newWorld(Config{}, nil)
	before := settled()
	let, done := make(chan struct{}), make(chan struct{})
	w.r.Go("left", func() {
		defer close(done)
		<-let
	})
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	kept := make([]byte, 8<<20)
	after := settled()
	b := Baseline{Before: before, After: after, Allowed: heapOnce, Tasks: w.r.Tasks()}
	b.judge()
	if len(b.Failures) < 3 {
		t.Errorf("got %q", b.Failures)
	}
	_ = kept[0]
	close(let)
	<-done
	file.Close()
	w.r.Wait(t.Context())
}
