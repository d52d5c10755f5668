package transporttest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

const (
	// patience bounds every wait of the suite. Nothing that works takes so
	// long; it decides no case, it only turns a hang into a failure.
	patience = 30 * time.Second
	// while is how long a case waits to see that something does not happen.
	while = 30 * time.Millisecond
)

type suite struct {
	name  string
	cases []testCase
}

type testCase struct {
	name  string
	needs need
	f     func(p *probe)
}

// need is what a World must be able to do for a case.
type need uint8

const (
	cut need = 1 << iota
	delay
)

var suites = []suite{
	{"Dial", dialCases},
	{"Admit", admitCases},
	{"Listener", listenerCases},
	{"Conn", connCases},
	{"Close", closeCases},
	{"Timeout", timeoutCases},
	{"Stream", streamCases},
	{"Reset", resetCases},
	{"Credit", creditCases},
	{"Deadline", deadlineCases},
	{"Flow", flowCases},
	{"Load", loadCases},
}

func run(t *testing.T, w World, c testCase) {
	t.Helper()
	cutter, canCut := w.(Cutter)
	delayer, canDelay := w.(Delayer)
	switch {
	case c.needs&cut != 0 && !canCut:
		t.Skip("this world cannot cut its links")
	case c.needs&delay != 0 && !canDelay:
		t.Skip("this world cannot delay its packets")
	}
	w.Run(func() {
		ctx, cancel := w.WithTimeout(context.Background(), patience)
		defer cancel()
		p := &probe{World: w, Cutter: cutter, Delayer: delayer, t: t, ctx: ctx, tasks: rt.NewGroup(w), mu: rt.NewMutex(w)}
		// Read and Write take no context: they end with their host.
		stop := w.AfterDone(ctx, p.hung)
		defer stop()
		p.try(func() { c.f(p) })
		p.end()
	})
}

// Two causes that no implementation makes up.
var (
	errCause = errors.New("the cause")
	errOther = errors.New("another cause")
)

// aborted is what a task of a case panics with, and recovers from, when it
// cannot go on.
type aborted struct{}

// probe is what a case works with: the world, and checks that mark the test as
// failed and go on.
type probe struct {
	World
	Cutter
	Delayer
	t     *testing.T
	ctx   context.Context // ends when patience does
	tasks *rt.Group

	mu    rt.Mutex
	hosts []Host           // guarded by mu
	conns []transport.Conn // guarded by mu
}

// try runs f, which must may end.
func (p *probe) try(f func()) {
	defer func() {
		if r := recover(); r != nil && r != (aborted{}) {
			panic(r)
		}
	}()
	f()
}

// hung ends a case that does not end by itself.
func (p *probe) hung() {
	p.t.Errorf("the case does not end")
	p.closeHosts()
}

// end closes every connection and every host, and demands that each host is
// left with nothing, first by its own books and then by its Close.
func (p *probe) end() {
	p.t.Helper()
	if p.Cutter != nil {
		p.Heal()
	}
	p.mu.Lock()
	hosts, conns := p.hosts, p.conns
	p.mu.Unlock()
	for _, c := range conns {
		p.is(c.CloseWithError(0, ""), nil, "CloseWithError")
	}
	p.join()
	for _, h := range hosts {
		p.empty(h)
	}
	p.closeHosts()
	for i, h := range hosts {
		p.check(h.Stats() == transport.Stats{}, "host %d holds %+v after Close", i, h.Stats())
	}
}

func (p *probe) closeHosts() {
	p.t.Helper()
	p.mu.Lock()
	hosts := p.hosts
	p.mu.Unlock()
	for _, h := range hosts {
		p.is(h.Close(), nil, "Close of a host")
	}
}

// spawn starts a task that join waits for.
func (p *probe) spawn(f func()) { p.tasks.Go("transporttest", func() { p.try(f) }) }

// join waits for every task that spawn started.
func (p *probe) join() {
	p.t.Helper()
	if p.tasks.Wait(p.ctx) != nil {
		p.t.Errorf("%d tasks of this case do not end", p.tasks.Count())
	}
}

func (p *probe) check(cond bool, format string, args ...any) {
	p.t.Helper()
	if !cond {
		p.t.Errorf(format, args...)
	}
}

// is demands that got is want, by errors.Is.
func (p *probe) is(got, want error, what string) {
	p.t.Helper()
	if !errors.Is(got, want) {
		p.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// must ends the task when err is not nil.
func (p *probe) must(err error, what string) {
	p.t.Helper()
	if err != nil {
		p.t.Errorf("%s: %v", what, err)
		panic(aborted{})
	}
}

// isClose demands that err is a CloseError of that content.
func (p *probe) isClose(err error, want transport.CloseError, what string) {
	p.t.Helper()
	var got *transport.CloseError
	if !errors.As(err, &got) || *got != want {
		p.t.Errorf("%s: got %v (%T), want %v", what, err, err, &want)
	}
}

// isReset demands that err is a StreamError of that content.
func (p *probe) isReset(err error, want transport.StreamError, what string) {
	p.t.Helper()
	var got *transport.StreamError
	if !errors.As(err, &got) || *got != want {
		p.t.Errorf("%s: got %v (%T), want %v", what, err, err, &want)
	}
}

// eventually waits until cond holds.
func (p *probe) eventually(cond func() bool, what string) {
	p.t.Helper()
	for !cond() {
		if rt.Sleep(p.ctx, p, time.Millisecond) != nil {
			p.t.Errorf("waited in vain until %s", what)
			panic(aborted{})
		}
	}
}

// sleep lets d pass.
func (p *probe) sleep(d time.Duration) {
	p.t.Helper()
	p.is(rt.Sleep(p.ctx, p, d), nil, "Sleep")
}

// jitter lets none, some yields or some microseconds pass, so that repeated
// rounds of a race meet in different orders.
func (p *probe) jitter() {
	r := p.Rand("transporttest")
	switch r.IntN(3) {
	case 0:
		for range r.IntN(8) {
			p.Yield()
		}
	case 1:
		p.sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
	}
}

// ended returns a context that has ended with errCause.
func (p *probe) ended() context.Context {
	ctx, cancel := p.WithCancelCause(p.ctx)
	cancel(errCause)
	return ctx
}

// brief runs f with a context that ends after while, and demands that f
// returns its cause.
func (p *probe) brief(f func(ctx context.Context) error, what string) {
	p.t.Helper()
	ctx, cancel := p.WithTimeout(p.ctx, while)
	defer cancel()
	if err := f(ctx); err != context.DeadlineExceeded {
		p.t.Errorf("%s: got %v, want the end of its context", what, err)
	}
}

// host makes a host that end closes.
func (p *probe) host(cfg transport.Config) Host {
	h := p.Host(cfg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, h)
	return h
}

// keep makes end close c.
func (p *probe) keep(c transport.Conn) transport.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return c
}

// empty waits until h holds nothing.
func (p *probe) empty(h Host) {
	p.t.Helper()
	for h.Stats() != (transport.Stats{}) {
		if rt.Sleep(p.ctx, p, time.Millisecond) != nil {
			p.t.Errorf("a host is left with %+v", h.Stats())
			return
		}
	}
}

// noStreams waits until no host holds a stream, while their connections live.
func (p *probe) noStreams(hosts ...Host) {
	p.t.Helper()
	for _, h := range hosts {
		p.eventually(func() bool { return h.Stats().Streams == 0 }, "every stream is finished at both ends")
		p.check(h.Stats().Conns > 0, "the connection is gone: %+v", h.Stats())
	}
}

func (p *probe) listen(h Host) transport.Listener {
	p.t.Helper()
	l, err := h.Listen(transport.ListenConfig{})
	p.must(err, "Listen")
	return l
}

func (p *probe) dial(from, to Host) transport.Conn {
	p.t.Helper()
	c, err := from.Dial(p.ctx, to.Addr, to.ID)
	p.must(err, "Dial")
	return p.keep(c)
}

func (p *probe) accept(l transport.Listener) transport.Conn {
	p.t.Helper()
	c, err := l.Accept(p.ctx)
	p.must(err, "Accept")
	return p.keep(c)
}

// pair is two hosts with a connection that the first one dialled.
type pair struct {
	a, b   Host
	ca, cb transport.Conn
	l      transport.Listener
}

// connect makes two hosts of one configuration and a connection between them.
func (p *probe) connect(cfg transport.Config) pair {
	p.t.Helper()
	a, b := p.host(cfg), p.host(cfg)
	l := p.listen(b)
	ca := p.dial(a, b)
	return pair{a, b, ca, p.accept(l), l}
}

// died waits for the end of c and returns its cause.
func (p *probe) died(c transport.Conn) error {
	p.t.Helper()
	e := rt.NewEvent(p)
	stop := p.AfterDone(c.Context(), e.Fire)
	defer stop()
	if e.Wait(p.ctx) != nil {
		p.t.Errorf("the connection does not end")
		panic(aborted{})
	}
	return context.Cause(c.Context())
}

func (p *probe) open(c transport.Conn) transport.Stream {
	p.t.Helper()
	s, err := c.OpenStream(p.ctx)
	p.must(err, "OpenStream")
	return s
}

func (p *probe) acceptStream(c transport.Conn) transport.Stream {
	p.t.Helper()
	s, err := c.AcceptStream(p.ctx)
	p.must(err, "AcceptStream")
	return s
}

// streams opens a stream over which one byte has gone to the other end.
func (p *probe) streams(n pair) (sa, sb transport.Stream) {
	p.t.Helper()
	sa = p.open(n.ca)
	p.write(sa, "!")
	sb = p.acceptStream(n.cb)
	p.read(sb, "!")
	return sa, sb
}

func (p *probe) write(s transport.Stream, data string) {
	p.t.Helper()
	n, err := s.Write([]byte(data))
	p.must(err, "Write")
	p.check(n == len(data), "Write of %d bytes returned %d", len(data), n)
}

// read reads as many bytes as want has, and no more.
func (p *probe) read(s transport.Stream, want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(s, got)
	p.must(err, "Read")
	p.check(string(got[:n]) == want, "read %.40q, want %.40q", got[:n], want)
}

// readAll reads to the end, which must be a FIN.
func (p *probe) readAll(s transport.Stream, want string) {
	p.t.Helper()
	got, err := io.ReadAll(s)
	p.must(err, "Read to the end")
	p.check(string(got) == want, "read %d bytes (%.40q), want %d (%.40q)", len(got), got, len(want), want)
}

// echo proves that a connection works in both directions.
func (p *probe) echo(n pair) {
	p.t.Helper()
	s := p.open(n.ca)
	defer s.Close()
	p.write(s, "ping")
	p.must(s.CloseWrite(), "CloseWrite")
	t := p.acceptStream(n.cb)
	defer t.Close()
	p.readAll(t, "ping")
	p.write(t, "pong")
	p.must(t.CloseWrite(), "CloseWrite")
	p.readAll(s, "pong")
}
