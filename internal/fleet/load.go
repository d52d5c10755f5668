package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// LoadConfig is how much load there is. Zero fields take the default beside
// them.
type LoadConfig struct {
	Service string        // what is called; demo.some
	Clients int           // each with one call at a time; 8
	Pause   time.Duration // of a client between two calls; 10 ms, so that the load is no benchmark
	Timeout time.Duration // of a call; 10 s
	Calls   int           // of all clients together, at most; 100,000
}

// Load is clients of this process that call a service one call after the
// other. Each knows all nodes as gateways, and starts at another one.
//
// A call is lost when its caller, who says that it is idempotent, has no right
// answer at the end of the call's deadline. Within it the caller may ask
// again when its own gateway went away, because it broke off or said that it
// drains: nobody else can do that for it. Such a call counts as repeated. Any
// other failure loses it at once: to try the other providers is the business
// of the mesh.
type Load struct {
	cfg     LoadConfig
	r       *realrt.Runtime
	done    chan struct{}
	workers sync.WaitGroup
	clients []*caller

	calls    atomic.Int64
	repeated atomic.Int64
	mu       sync.Mutex
	lost     []string // bound: maxLost
	total    int      // of those lost
	slowest  time.Duration
}

// maxLost bounds how many lost calls are described.
const maxLost = 10

// Result is how the calls of a load went.
type Result struct {
	Calls    int           // begun
	Repeated int           // asked again by the caller after its gateway went away
	Lost     int           // see Load
	Why      []string      // of the first ten lost
	Slowest  time.Duration // the longest call that was answered
}

// caller is a client with its socket.
type caller struct {
	c  *client.Client
	tr *quic.Transport
}

// StartLoad attaches the clients and begins. Stop ends it, also after the
// error of another one.
func StartLoad(ctx context.Context, s Stage, cfg LoadConfig) (*Load, error) {
	if cfg.Service == "" {
		cfg.Service = ofSome
	}
	if cfg.Clients == 0 {
		cfg.Clients = 8
	}
	if cfg.Pause == 0 {
		cfg.Pause = 10 * time.Millisecond
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Calls == 0 {
		cfg.Calls = 100_000
	}
	l := &Load{cfg: cfg, r: realrt.New(realrt.Config{}), done: make(chan struct{})}
	for i := range cfg.Clients {
		if err := l.attach(ctx, s, i); err != nil {
			l.Stop()
			return nil, fmt.Errorf("client %d: %w", i, err)
		}
	}
	for i := range l.clients {
		l.workers.Go(func() { l.work(i) })
	}
	return l, nil
}

func (l *Load) attach(ctx context.Context, s Stage, i int) error {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		return err
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), Clock: l.r})
	if err != nil {
		return err
	}
	cfg := client.Config{Realm: Realm}
	for k := range Size {
		cfg.Gateways = append(cfg.Gateways, s.Gateway((i+k)%Size))
	}
	// Gateways that are restarted one after the other end many sessions, none
	// of them for a fault of the gateway.
	cfg.Backoff.Max = time.Second
	c, err := client.New(cfg, client.Deps{Runtime: l.r, Transport: tr, ID: tr.ID()})
	if err != nil {
		tr.Close()
		return err
	}
	l.clients = append(l.clients, &caller{c, tr})
	return c.Attach(ctx)
}

func (l *Load) work(i int) {
	pause := time.NewTicker(l.cfg.Pause)
	defer pause.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-pause.C:
		}
		n := l.calls.Add(1)
		if n > int64(l.cfg.Calls) {
			l.calls.Add(-1)
			return
		}
		begun := time.Now()
		err := l.call(l.clients[i].c, fmt.Appendf(nil, "call %d of client %d", n, i))
		l.note(i, time.Since(begun), err)
	}
}

// call is one call to its end.
func (l *Load) call(c *client.Client, body []byte) error {
	ctx, cancel := l.r.WithTimeout(context.Background(), l.cfg.Timeout)
	defer cancel()
	for again := false; ; again = true {
		if again {
			l.repeated.Add(1)
		}
		answer, err := c.Call(ctx, l.cfg.Service, body, true)
		switch {
		case err == nil && !bytes.Equal(answer, body):
			return fmt.Errorf("asked %q, answered %q", body, answer)
		case err == nil:
			return nil
		case ctx.Err() != nil || !gatewayGone(err):
			return err
		}
		time.Sleep(l.cfg.Pause)
	}
}

// gatewayGone reports whether err is about the way to the gateway, not about
// what is behind it.
func gatewayGone(err error) bool {
	var f *fault.Error
	remote := errors.As(err, &f) && f.Remote
	switch fault.KindOf(err) {
	case fault.Draining:
		return true
	case fault.Unreachable:
		return !remote
	}
	return false
}

func (l *Load) note(client int, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.slowest = max(l.slowest, took)
		return
	}
	l.total++
	if len(l.lost) < maxLost {
		l.lost = append(l.lost, fmt.Sprintf("client %d, after %v: %v", client, took.Round(time.Millisecond), err))
	}
}

// Calls is how many calls were begun so far.
func (l *Load) Calls() int { return int(l.calls.Load()) }

// Stop ends the load: calls in progress end, the clients leave. It waits for
// all of them. Call it once.
func (l *Load) Stop() Result {
	close(l.done)
	l.workers.Wait()
	for _, c := range l.clients {
		ctx, cancel := l.r.WithTimeout(context.Background(), 2*time.Second)
		c.c.Close(ctx)
		cancel()
		c.tr.Close()
	}
	return Result{
		Calls: l.Calls(), Repeated: int(l.repeated.Load()),
		Lost: l.total, Why: l.lost, Slowest: l.slowest,
	}
}
