// Package link is one admitted connection between two nodes, or between a
// client and its gateway: the hello, the control stream, and calls in both
// directions.
//
// A link starts no earlier than the peer's hello was answered: a transport
// connection alone proves only who is at the other end. It ends as a whole:
// when its connection dies, every pending call fails, every call of the peer
// has its context ended, and every task of the link is over before Run
// returns.
package link

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Control hears what the peer says on the control stream. Its methods are
// called by the task that reads the stream: they must not block.
type Control interface {
	// Frame is called for a frame that the link itself does not handle. An
	// error ends the link.
	Frame(l *Link, kind byte, payload []byte) error
	// GoneAway is called when the peer asked us to stop using the link.
	GoneAway(l *Link, why fault.Kind)
}

// Server answers the calls of the peer.
type Server interface {
	// Serve starts to answer in and returns at once, or refuses. It is called
	// by the task that reads the stream and must not block. After a nil error
	// it owns in and calls in.Answer exactly once.
	Serve(in *Inbound) error
}

// Usage is told when the link is in use by a call of the peer, so that the
// pool does not evict it. A nil Usage means that nobody ever evicts it.
type Usage interface {
	Use() bool // false when the link is being evicted: the call is refused as not executed
	Done()
}

// Link is one admitted connection. All methods are safe for concurrent use.
type Link struct {
	r       rt.Runtime
	cfg     Config
	deps    Deps
	log     *slog.Logger
	conn    transport.Conn
	scope   ledger.Scope
	lease   ledger.Lease // of the connection
	dialled bool
	hello   wire.Hello // what the peer said; of a dialled link filled from the welcome

	ctx     context.Context
	cancel  context.CancelCauseFunc
	group   *rt.Group
	control *writer
	reader  *wire.Reader  // of the control stream
	heard   atomic.Uint64 // bytes read from streams of the peer
	calls   *writer       // the shared stream for our calls, opened by the first one
	greeted *rt.Event     // the peer may hear of us: of an accepted link after the welcome
	acked   *rt.Event     // the peer has acknowledged our GOAWAY
	quiet   *rt.Event     // after a GOAWAY in either direction: no call of ours is left
	going   *rt.Event     // a GOAWAY in either direction
	ended   *rt.Event     // Run is over, or the link never ran

	mu       rt.Mutex
	usage    Usage
	handler  Control
	nextID   uint64
	lastSeen uint64  // highest call id of the peer that was taken
	away     bool    // we sent GOAWAY
	told     bool    // the peer sent GOAWAY
	dead     error   // why the link ended
	answers  *writer // of the peer's shared stream, once it has opened it
	pending  *bounded.Map[uint64, *pending]
	inbound  *bounded.Map[uint64, *Inbound]
	halves   *bounded.Map[transport.Stream, mono.Time] // those that wait for the peer to end its half, since when
	pings    uint64                                    // sent
	ponged   uint64                                    // the highest one answered
	pong     *rt.Event                                 // fires at the next answer, and at the end of the link
	counts   Counts

	ours     alarm // for the deadlines of our calls that the table keeps
	theirs   alarm // for those of the peer's calls
	answered *callState
	spare    []*pending // to be used again; bound: maxSpare
}

// Counts are the totals of one link.
type Counts struct {
	Calls     uint64 // calls made
	Served    uint64 // calls taken from the peer
	Late      uint64 // replies that nobody waited for any more
	Cancelled uint64 // calls that their caller gave up
	Gone      uint64 // calls of the peer whose caller went away before the answer
}

func newLink(d Deps, cfg Config, conn transport.Conn, dialled bool) *Link {
	r := d.Runtime
	if d.Buffers == nil {
		d.Buffers = &Buffers{}
	}
	if d.Totals == nil {
		d.Totals = &Totals{}
	}
	l := &Link{
		r: r, cfg: cfg, deps: d, conn: conn, dialled: dialled,
		log:     d.Log.With("peer", shortID(conn.Peer())),
		scope:   d.Ledger.Scope(cfg.Realm, conn.Peer()),
		group:   rt.NewGroup(r),
		greeted: rt.NewEvent(r), acked: rt.NewEvent(r), quiet: rt.NewEvent(r), going: rt.NewEvent(r), ended: rt.NewEvent(r),
		pong: rt.NewEvent(r), mu: rt.NewMutex(r),
		answered: &callState{cause: context.Canceled},
		inbound:  bounded.NewMap[uint64, *Inbound]("calls in", cfg.MaxCalls),
		halves:   bounded.NewMap[transport.Stream, mono.Time]("half-closed streams", maxHalves),
	}
	l.ours, l.theirs = alarm{r: r, f: l.expireOurs}, alarm{r: r, f: l.expireCalls}
	l.ctx, l.cancel = r.WithCancelCause(conn.Context())
	l.calls = newWriter(l, nil)
	l.calls.open, l.calls.first = l.openCalls, wire.StreamCalls
	return l
}

// Peer is who is at the other end.
func (l *Link) Peer() transport.PeerID { return l.conn.Peer() }

// Dialled reports whether we opened the connection.
func (l *Link) Dialled() bool { return l.dialled }

// RemoteAddr is where the peer's packets come from.
func (l *Link) RemoteAddr() transport.Addr { return l.conn.RemoteAddr() }

// Hello is what the peer said of itself.
func (l *Link) Hello() wire.Hello { return l.hello }

// Context ends when the link does; context.Cause says why.
func (l *Link) Context() context.Context { return l.ctx }

// Ended fires when nothing of the link is left.
func (l *Link) Ended() *rt.Event { return l.ended }

// Counts returns the totals so far.
func (l *Link) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Calls returns the calls in flight, ours and the peer's.
func (l *Link) Calls() (ours, theirs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending != nil {
		ours = l.pending.Len()
	}
	return ours, l.inbound.Len()
}

// Run serves an admitted link until its connection is dead and returns why it
// ended. When it returns, no task of the link is left and every call in
// flight has failed; handlers that have not returned yet still hold their
// permits.
//
// control hears what the peer says on the control stream; usage may be nil.
func (l *Link) Run(control Control, usage Usage) error {
	defer l.finish()
	l.mu.Lock()
	l.usage, l.handler = usage, control
	l.mu.Unlock()
	if !l.group.Go("link/accept", l.acceptStreams) {
		return transport.ErrClosed
	}
	for {
		kind, payload, err := l.reader.Next()
		if err == nil {
			err = l.onControl(kind, payload)
		}
		if err != nil {
			l.fail(err)
			return l.cause()
		}
	}
}

func (l *Link) onControl(kind byte, payload []byte) error {
	switch kind {
	case wire.KindGoAway:
		g, err := wire.ParseGoAway(payload)
		if err != nil {
			return err
		}
		l.onGoAway(g)
		return nil
	case wire.KindGoAwayAck:
		l.acked.Fire()
		return nil
	case wire.KindPing:
		id, err := wire.ParsePing(payload)
		if err != nil {
			return err
		}
		return l.Tell(func(b []byte) []byte { return wire.AppendPong(b, id) })
	case wire.KindPong:
		id, err := wire.ParsePong(payload)
		if err != nil {
			return err
		}
		l.onPong(id)
		return nil
	}
	return l.handler.Frame(l, kind, payload)
}

func (l *Link) onPong(id uint64) {
	l.mu.Lock()
	l.ponged = max(l.ponged, min(id, l.pings))
	ev := l.pong
	l.pong = rt.NewEvent(l.r)
	l.mu.Unlock()
	ev.Fire()
}

// Tell puts a frame on the control stream without waiting. A peer that does
// not read what it asked for makes it fail, and loses the link.
func (l *Link) Tell(frame func(buf []byte) []byte) error {
	buf, ok := l.control.beginNow()
	if !ok {
		return fault.New("link.Tell", fault.Overload, "the peer does not read its control stream")
	}
	l.control.end(frame(buf))
	return nil
}

// Send puts a frame on the control stream, waiting for room.
func (l *Link) Send(ctx context.Context, frame func(buf []byte) []byte) error {
	buf, err := l.control.begin(ctx)
	if err != nil {
		return err
	}
	l.control.end(frame(buf))
	return nil
}

// Drained waits until no frame waits to be written on the control stream: what
// is put there next has nothing of the same kind before it.
func (l *Link) Drained(ctx context.Context) error { return l.control.drained(ctx) }

// Queued is how many bytes wait to be written to the peer, or are being
// written, on the streams that calls share and on the control stream; most is
// the most that there may be.
func (l *Link) Queued() (now, most int) {
	l.mu.Lock()
	answers := l.answers
	l.mu.Unlock()
	for _, w := range []*writer{l.control, l.calls, answers} {
		if w != nil {
			now += w.held()
		}
	}
	return now, 3 * l.cfg.mostQueued()
}

// fail ends the link because of err. Safe to call at any time, by any task of
// the link that holds no lock.
func (l *Link) fail(err error) {
	if cause := context.Cause(l.conn.Context()); cause != nil {
		err = cause // the connection died first: what we saw is a consequence
	}
	l.mu.Lock()
	if l.dead == nil {
		l.dead = err
	}
	l.mu.Unlock()
	kind := fault.KindOf(err)
	if kind == fault.Other {
		kind = fault.Protocol
	}
	l.conn.CloseWithError(wire.CloseCode(kind), wire.EncodeRefusal(kind, 0, ""))
}

func (l *Link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// RetryAfter is what the end of the link said of when to come back, whichever
// side ended it; 0 when it said nothing, or has not ended.
func (l *Link) RetryAfter() time.Duration { return fault.RetryAfter(endFault(l.cause())) }

// finish is the end of a link, in this order: no new frame, no pending call,
// no task.
func (l *Link) finish() {
	l.fail(transport.ErrClosed)
	why := l.cause()
	l.cancel(fault.New("link", fault.CallerGone, "the connection of the caller ended"))
	l.control.stop(why)
	l.calls.stop(why)
	l.failPending(0, endFault(why), true)
	l.mu.Lock()
	pong := l.pong
	l.ours.stop()
	l.theirs.stop()
	l.mu.Unlock()
	pong.Fire()
	l.group.Close()
	l.group.Wait(context.Background())
	l.lease.Release()
	l.ended.Fire()
}
