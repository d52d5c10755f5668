package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	proc "github.com/maculamesh/macula/internal/process"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt/realrt"
)

// pressedStatus is what status says of load adaptation.
type pressedStatus struct {
	Ready    bool
	Pressure struct {
		Level   string
		Used    int64 `json:"used_bytes"`
		Limit   int64 `json:"limit_bytes"`
		Changes int
	}
	Acting struct {
		Clients int `json:"max_clients"`
	}
	Clients struct{ Now int }
}

// reaches waits until the status of a node is as wanted.
func (s *stopStage) reaches(p *proc.Proc, what string, want func(*pressedStatus) bool) pressedStatus {
	s.t.Helper()
	var st pressedStatus
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		st = pressedStatus{}
		if err := p.Status(s.ctx, &st); err == nil && want(&st) {
			return st
		}
	}
	s.t.Fatalf("%s: the status is %+v; the log ends\n%s", what, st, p.Log())
	return st
}

// holding is a client that keeps calls with large bodies open.
type holding struct {
	c     *client.Client
	r     *realrt.Runtime
	stop  context.CancelFunc
	calls sync.WaitGroup
}

// hold attaches a client and lets it make calls that nobody answers until
// release.
func (s *stopStage) hold(n *proc.Proc, calls, size int) *holding {
	h := &holding{r: realrt.New(realrt.Config{})}
	c, free, err := newVisitor(h.r, gatewayOf(s.t, n), false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		end, done := h.r.WithTimeout(context.Background(), patience)
		c.Close(end)
		done()
		free()
	})
	h.c = c
	if err := c.Attach(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := h.r.WithCancelCause(s.ctx)
	h.stop = func() { stop(context.Canceled) }
	for range calls {
		h.calls.Go(func() {
			within, cancel := h.r.WithTimeout(ctx, 2*patience)
			defer cancel()
			c.Call(within, "hang", make([]byte, size), false)
		})
	}
	return h
}

func (h *holding) release() {
	h.stop()
	h.calls.Wait()
}

// A process with a small GOMEMLIMIT gets calls with large bodies that nobody
// answers: it says that it is short of memory, takes no more clients, and is as
// before when the calls are over.
func TestANodeThatGetsShortOfMemorySaysSoAndComesBack(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "96MiB")
	s := newStopStage(t)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer web.Close()
	n := s.run("n", "--max-clients", "8", "--adapt-interval", "100ms", "--adapt-rise", "200ms", "--adapt-fall", "500ms",
		"--adapt-elevated", "45%", "--adapt-high", "55%", "--adapt-critical", "65%")
	if _, err := s.do(n, "advertise", "hang", "--http", web.URL, "--detach"); err != nil {
		t.Fatal(err)
	}
	calm := s.reaches(n, "it begins without pressure", func(st *pressedStatus) bool { return st.Pressure.Used > 0 })
	if calm.Pressure.Level != "normal" || calm.Pressure.Limit != 96<<20 || calm.Acting.Clients != 8 {
		t.Errorf("at rest: %+v", calm)
	}
	var held []*holding
	for range 3 {
		held = append(held, s.hold(n, 24, 1<<20))
	}
	short := s.reaches(n, "it gets short of memory", func(st *pressedStatus) bool { return st.Pressure.Level == "critical" })
	if short.Ready || short.Acting.Clients != 0 || short.Clients.Now != len(held) {
		t.Errorf("critical: %+v", short)
	}
	r := realrt.New(realrt.Config{})
	late, free, err := newVisitor(r, gatewayOf(t, n), true)
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	attach, cancel := r.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := late.Attach(attach); fault.KindOf(err) != fault.Overload || fault.RetryAfter(err) <= 0 {
		t.Errorf("one more client: %v", err)
	}
	late.Close(attach)
	for _, h := range held {
		h.release()
	}
	over := s.reaches(n, "it relaxes", func(st *pressedStatus) bool { return st.Pressure.Level == "normal" })
	if !over.Ready || over.Acting.Clients != 8 || over.Clients.Now != len(held) {
		t.Errorf("afterwards: %+v", over)
	}
	levels := []string{}
	for line := range strings.Lines(n.Log()) {
		if strings.Contains(line, "pressure changed") {
			levels = append(levels, line)
		}
	}
	if len(levels) == 0 || !slices.ContainsFunc(levels, func(l string) bool { return strings.Contains(l, "level=normal") }) {
		t.Errorf("the log has no line for the change to normal: %q", levels)
	}
	t.Logf("at rest %d MiB, at most %d MiB of %d MiB seen, %d changes", calm.Pressure.Used>>20, short.Pressure.Used>>20, short.Pressure.Limit>>20, over.Pressure.Changes)
	s.stop(n)
}
