package netsim_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// lab is a simulated network in which a test is a task that blocks.
type lab struct {
	*sim.Machine
	t     *testing.T
	w     *sim.World
	net   *netsim.Net
	seen  counter
	hosts []*netsim.Host
}

// counter is a recorder that also counts.
type counter struct {
	recorder
	delivered, dropped int
	faults             []string
}

func (c *counter) Delivered(p *netsim.Packet) {
	c.delivered++
	c.recorder.Delivered(p)
}

func (c *counter) Dropped(p *netsim.Packet) {
	c.dropped++
	c.recorder.Dropped(p)
}

func (c *counter) Fault(h *netsim.Host, text string) {
	c.faults = append(c.faults, text)
	c.recorder.Fault(h, text)
}

// labConfig has timeouts that are easy to tell from latencies.
var labConfig = transport.Config{HandshakeTimeout: time.Second, IdleTimeout: 9 * time.Second, KeepAlive: 3 * time.Second}

// inLab runs f as a task of a world, demands that nothing is left afterwards,
// and returns the hash of the run.
func inLab(t *testing.T, cfg sim.Config, link netsim.Link, f func(l *lab)) uint64 {
	t.Helper()
	w := sim.New(cfg)
	defer w.Close()
	l := &lab{Machine: w.Machine("lab"), t: t, w: w}
	l.seen.w = w
	l.net = netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: &l.seen, Link: link})
	w.AfterEach(l.net.Check)
	w.Every(10, l.net.Audit)
	l.Go("test", func() { f(l) })
	if err := w.Run(); err != nil {
		t.Errorf("%v\n%s", err, err.(*sim.Failure).Stack)
	}
	for _, k := range w.Leaks() {
		t.Error("left:", k)
	}
	audit(t, l.net)
	return w.Hash()
}

// node is a host with a transport and a listener.
type node struct {
	host *netsim.Host
	id   transport.PeerID
	tr   transport.Transport
	lis  transport.Listener
}

func (l *lab) node() node {
	h := l.net.Host(string(rune('a' + len(l.hosts))))
	l.hosts = append(l.hosts, h)
	return l.open(h)
}

// open opens a transport and a listener on a host.
func (l *lab) open(h *netsim.Host) node {
	id := transport.PeerID{byte(h.Index() + 1)}
	n := node{host: h, id: id, tr: l.net.Host(h.Name()).Transport(l, id, labConfig)}
	n.lis, _ = n.tr.Listen(transport.ListenConfig{})
	return n
}

func (l *lab) close(nodes ...node) {
	for _, n := range nodes {
		l.is(n.tr.Close(), nil, "Close")
	}
}

func (l *lab) dial(a, b node) (transport.Conn, error) {
	return a.tr.Dial(context.Background(), b.host.Addr(), b.id)
}

// connect returns both ends of a new connection.
func (l *lab) connect(a, b node) (ca, cb transport.Conn) {
	l.t.Helper()
	ca, err := l.dial(a, b)
	l.is(err, nil, "Dial")
	cb, err = b.lis.Accept(context.Background())
	l.is(err, nil, "Accept")
	return ca, cb
}

// stream returns both ends of a new stream, through which one byte has gone.
func (l *lab) stream(ca, cb transport.Conn) (sa, sb transport.Stream) {
	l.t.Helper()
	sa, err := ca.OpenStream(context.Background())
	l.is(err, nil, "OpenStream")
	l.write(sa, "!")
	sb, err = cb.AcceptStream(context.Background())
	l.is(err, nil, "AcceptStream")
	l.read(sb, "!")
	return sa, sb
}

func (l *lab) write(s transport.Stream, text string) {
	l.t.Helper()
	_, err := s.Write([]byte(text))
	l.is(err, nil, "Write")
}

func (l *lab) read(s transport.Stream, want string) {
	l.t.Helper()
	b := make([]byte, len(want))
	_, err := io.ReadFull(s, b)
	l.is(err, nil, "Read")
	l.check(string(b) == want, "read %q, want %q", b, want)
}

// silent demands that nothing arrives within d.
func (l *lab) silent(s transport.Stream, d time.Duration) {
	l.t.Helper()
	s.SetReadDeadline(l.Now().Add(d))
	n, err := s.Read(make([]byte, 1))
	l.check(n == 0 && err != nil && !errors.Is(err, io.EOF), "something came through: %d, %v", n, err)
	s.SetReadDeadline(0)
}

// silentOf demands that c neither dies nor gets a stream within d.
func (l *lab) silentOf(c transport.Conn, d time.Duration) {
	l.t.Helper()
	ctx, cancel := l.WithTimeout(context.Background(), d)
	defer cancel()
	_, err := c.AcceptStream(ctx)
	l.is(err, context.DeadlineExceeded, "AcceptStream")
}

// died waits for the end of c and returns how long it took and the cause.
func (l *lab) died(c transport.Conn) (time.Duration, error) {
	start := l.Now()
	l.NewParker().Park(c.Context())
	return l.Now().Sub(start), context.Cause(c.Context())
}

func (l *lab) sleep(d time.Duration) { rt.Sleep(context.Background(), l, d) }

func (l *lab) check(cond bool, format string, args ...any) {
	l.t.Helper()
	if !cond {
		l.t.Errorf(format, args...)
	}
}

func (l *lab) is(got, want error, what string) {
	l.t.Helper()
	if !errors.Is(got, want) {
		l.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// within demands that d lies between the bounds.
func (l *lab) within(d, least, most time.Duration, what string) {
	l.t.Helper()
	if d < least || d > most {
		l.t.Errorf("%s took %v, want %v to %v", what, d, least, most)
	}
}
