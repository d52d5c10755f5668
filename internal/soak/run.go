package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/load/churn"
)

// realm is that of the mesh.
const realm = "org.example.soak"

// nodeCount is how many nodes there are.
const nodeCount = 4

// soak is one run.
type soak struct {
	o     options
	out   io.Writer
	dir   string // for the binary and the nodes' data
	bin   string
	nodes []*proc
	begun time.Time
	w     *world

	mu    sync.Mutex
	phase string
	held  []*watched
	last  []status
	err   error // the first one of the sampler
}

// run does everything. It returns a report when there is something to report,
// also when an error ended the run; the report then says so.
func run(ctx, early context.Context, o options, out io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "macula-soak-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &soak{o: o, out: out, dir: dir, bin: filepath.Join(dir, "maculanode"), phase: phaseWarm, begun: time.Now()}
	s.w = newWorld(dir)
	defer func() {
		for _, p := range s.nodes {
			p.Kill()
		}
	}()
	if err := s.build(ctx); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	counts, err := s.soak(ctx, early)
	if err == nil {
		err = s.stop(ctx)
	}
	return s.report(counts, err), nil
}

// build makes the binary of the nodes.
func (s *soak) build(ctx context.Context) error {
	s.say("building maculanode")
	args := []string{"build", "-trimpath", "-o", s.bin}
	overlay := s.o.overlay
	if s.o.plant > 0 {
		var err error
		if overlay, err = plant(s.dir, s.o.plant); err != nil {
			return err
		}
		s.say("planted a leak of %d bytes a second in every node", s.o.plant)
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/maculanode")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// config is the configuration file of a node that knows those before it.
func (s *soak) config(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "realm: %s\nlisten: 127.0.0.1:0\nopen_peers: true\nmax_peers: %d\nmax_clients: %d\ncleanup_interval: 5s\ndrain_timeout: 10s\necho:\n  - %s\n",
		realm, s.o.pool, s.o.clients, own(i))
	if i > 0 {
		fmt.Fprintf(&b, "peers:\n")
		for _, p := range s.nodes[:i] {
			fmt.Fprintf(&b, "  - %s@%s\n", p.ID, p.Addr)
		}
	}
	return b.String()
}

// own is the service that a node provides by itself.
func own(i int) string { return fmt.Sprintf("soak.own-%d", i) }

// start starts the nodes, the later ones with connections to the earlier ones.
func (s *soak) start(ctx context.Context) error {
	for i := range nodeCount {
		p, err := newProc(ctx, s.bin, s.dir, fmt.Sprintf("n%d", i), s.config(i))
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, p)
		if err := p.start(ctx); err != nil {
			return err
		}
		s.held = append(s.held, &watched{Name: p.Name, Pool: s.o.pool, Clients: s.o.clients})
		s.last = append(s.last, status{})
	}
	s.say("%d nodes at their caps: %d peers, %d clients", nodeCount, s.o.pool, s.o.clients)
	return nil
}

// soak is the load, with a rest before and after.
func (s *soak) soak(ctx, early context.Context) (churn.Counts, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var sampler sync.WaitGroup
	defer sampler.Wait()
	defer cancel()
	sampler.Go(func() { s.sample(ctx, cancel) })
	s.load(ctx, early, phaseWarm, s.o.warm)
	if err := s.rest(ctx); err != nil {
		return churn.Counts{}, errors.Join(s.failure(), err)
	}
	counts := s.load(ctx, early, phaseLoad, s.o.length)
	err := s.rest(ctx)
	return counts, errors.Join(s.failure(), err)
}

// In the warm-up whatever is remembered of those who were there, up to a cap,
// is to be filled, before it is measured. The largest such memory is that of
// the log, of 1,024 pairs of an id and a message, and a client has two.
const (
	quick      = 8   // how many times shorter a stay is
	remembered = 600 // clients that every node has had by the end
	warmWithin = 5 * time.Minute
)

// warm reports whether every node has seen enough.
func (s *soak) warm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.last {
		if s.last[i].Clients.Admitted < remembered {
			return false
		}
	}
	return true
}

// load churns for so long, or until early ends.
func (s *soak) load(ctx, early context.Context, phase string, d time.Duration) churn.Counts {
	if ctx.Err() != nil || early.Err() != nil && phase == phaseWarm {
		return churn.Counts{}
	}
	s.say("load for %v (%s)", d, phase)
	begun := time.Now()
	s.enter(phase)
	var gateways []client.Gateway
	for _, p := range s.nodes {
		gateways = append(gateways, p.gateway)
	}
	stay := s.o.stay
	if phase == phaseWarm {
		stay /= quick
	}
	l := churn.Start(s.w, churn.Config{
		Realm: realm, Nodes: gateways, Rate: s.o.rate, Stay: stay, Most: s.o.most,
		Clients: s.o.clients + s.o.clients/3 + 1, Peers: s.o.pool + s.o.pool/2 - nodeCount + 1,
	})
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(max(d/10, 30*time.Second))
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-tick.C:
			s.progress(l.Counts())
		case <-end.C:
			// A machine that is too slow for it is measured nevertheless.
			over = phase != phaseWarm || s.warm() || time.Since(begun) > warmWithin
			end.Reset(time.Second)
		case <-early.Done():
			over = true
		case <-ctx.Done():
			over = true
		}
	}
	s.enter(phaseSettle)
	l.Stop()
	return l.Counts()
}

// enter begins a phase.
func (s *soak) enter(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

// sample reads every node again and again until ctx ends, or one cannot be
// read: that ends the run.
func (s *soak) sample(ctx context.Context, cancel func()) {
	tick := time.NewTicker(s.o.every)
	defer tick.Stop()
	for {
		for i := range s.nodes {
			s.mu.Lock()
			phase := s.phase
			s.mu.Unlock()
			if phase == phaseRest || phase == phaseKnock {
				continue // they take their own
			}
			if _, err := s.take(ctx, i, phase); err != nil && ctx.Err() == nil {
				s.fail(err)
				cancel()
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// take reads one node once and keeps the sample.
func (s *soak) take(ctx context.Context, i int, phase string) (status, error) {
	x, st, err := s.nodes[i].sample(ctx, time.Since(s.begun), phase)
	if err != nil {
		return st, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[i].Samples = append(s.held[i].Samples, x)
	s.last[i] = st
	return st, nil
}

func (s *soak) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

func (s *soak) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// stop ends every node and demands that nothing of it is left.
func (s *soak) stop(ctx context.Context) error {
	var errs []error
	for _, p := range s.nodes {
		errs = append(errs, p.stop(ctx))
	}
	return errors.Join(errs...)
}

// progress prints a line of what the nodes hold.
func (s *soak) progress(c churn.Counts) {
	s.mu.Lock()
	var heap, rss, clients, pool []string
	for _, w := range s.held {
		if n := len(w.Samples); n > 0 {
			x := &w.Samples[n-1]
			heap = append(heap, fmt.Sprintf("%.1f", x.HeapLive/(1<<20)))
			rss = append(rss, fmt.Sprintf("%.0f", x.RSS/(1<<20)))
			clients = append(clients, fmt.Sprintf("%.0f", x.Clients))
			pool = append(pool, fmt.Sprintf("%.0f", x.Pool))
		}
	}
	s.mu.Unlock()
	s.say("live heap %s MiB, resident %s MiB, clients %s, pool %s; %d calls, %d clients refused",
		strings.Join(heap, " "), strings.Join(rss, " "), strings.Join(clients, " "), strings.Join(pool, " "), c.Calls, c.Refused)
}

func (s *soak) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%7s  %s\n", time.Since(s.begun).Round(time.Second), fmt.Sprintf(format, args...))
}
