package link

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

func shortID(id transport.PeerID) string { return ident.Short(id) }

// Dial connects to want at addr, says hello in that role and returns when the
// peer has admitted us. It blocks for at most the transport's handshake
// timeout and cfg.HelloTimeout. A refusal comes back as the *fault.Error that
// the peer sent. On an error nothing is left behind.
func Dial(ctx context.Context, d Deps, cfg Config, t transport.Transport, addr transport.Addr, want transport.PeerID, role wire.Role) (*Link, error) {
	conn, err := t.Dial(ctx, addr, want)
	if err != nil {
		return nil, dialFault(ctx, err)
	}
	l := newLink(d, cfg, conn, true)
	if err := l.charge(); err != nil {
		l.Refuse(err)
		return nil, err
	}
	if err := l.greet(ctx, role); err != nil {
		err = l.refusal(ctx, err)
		l.Refuse(err)
		return nil, err
	}
	return l, nil
}

// greet opens the control stream, says hello and reads the welcome.
func (l *Link) greet(ctx context.Context, role wire.Role) error {
	ctx, cancel := l.r.WithTimeout(ctx, l.cfg.HelloTimeout)
	defer cancel()
	s, err := l.conn.OpenStream(ctx)
	if err != nil {
		return err
	}
	return l.bound(ctx, s, func() error { return l.sayHello(s, role) })
}

// sayHello says hello on the control stream and reads the welcome.
func (l *Link) sayHello(s transport.Stream, role wire.Role) error {
	hello := wire.Hello{
		MinVersion: wire.Version, MaxVersion: wire.Version, Role: role, Realm: l.cfg.Realm,
		Session: l.cfg.Incarnation, MaxCalls: uint32(l.cfg.MaxCalls), Listen: l.cfg.Listen,
	}
	frame := wire.AppendHello([]byte{wire.StreamControl}, &hello)
	if _, err := s.Write(frame); err != nil {
		return err
	}
	rd := l.readFrames(s, wire.MaxControl)
	kind, payload, err := rd.Next()
	if err != nil {
		return err
	}
	switch kind {
	case wire.KindWelcome:
	case wire.KindGoAway: // it has begun to leave meanwhile
		g, err := wire.ParseGoAway(payload)
		if err != nil {
			return err
		}
		return &fault.Error{Op: "peer", Kind: g.Kind, RetryAfter: g.RetryAfter, Detail: "the peer went away", Remote: true}
	default:
		return fault.New("link.Dial", fault.Protocol, "the peer answered hello with frame %d", kind)
	}
	w, err := wire.ParseWelcome(payload)
	if err != nil {
		return err
	}
	l.hello = wire.Hello{MaxCalls: w.MaxCalls, Session: w.Session, Role: wire.RolePeer, Realm: l.cfg.Realm}
	l.start(s, rd)
	l.greeted.Fire()
	return nil
}

// Accept reads the hello of an accepted connection and checks what does not
// depend on the node's tables: version and realm. The caller decides about
// admission and calls Welcome or Refuse. After an error the connection is
// closed, and the peer knows why.
func Accept(ctx context.Context, d Deps, cfg Config, conn transport.Conn) (*Link, error) {
	l := newLink(d, cfg, conn, false)
	if err := l.charge(); err != nil {
		l.Refuse(err)
		return nil, err
	}
	if err := l.hear(ctx); err != nil {
		err = l.refusal(ctx, err)
		l.Refuse(err)
		return nil, err
	}
	return l, nil
}

// hear accepts the control stream and reads the hello.
func (l *Link) hear(ctx context.Context) error {
	ctx, cancel := l.r.WithTimeout(ctx, l.cfg.HelloTimeout)
	defer cancel()
	s, err := l.conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	return l.bound(ctx, s, func() error { return l.hearHello(s) })
}

// hearHello reads the hello from the control stream.
func (l *Link) hearHello(s transport.Stream) error {
	first := make([]byte, 1)
	if _, err := io.ReadFull(s, first); err != nil {
		return err
	}
	if first[0] != wire.StreamControl {
		return fault.New("link.Accept", fault.Protocol, "the first stream has type %d, not control", first[0])
	}
	rd := l.readFrames(s, wire.MaxControl)
	kind, payload, err := rd.Next()
	if err != nil {
		return err
	}
	if kind != wire.KindHello {
		return fault.New("link.Accept", fault.Protocol, "the first frame is %d, not hello", kind)
	}
	h, err := wire.ParseHello(payload)
	if err != nil {
		return err
	}
	if err := l.check(h); err != nil {
		return err
	}
	l.hello = h
	l.start(s, rd)
	return nil
}

// check refuses what can never work.
func (l *Link) check(h wire.Hello) error {
	if h.MinVersion > wire.Version || h.MaxVersion < wire.Version {
		return fault.New("hello", fault.Version, "this node speaks version %d, the peer %d to %d", wire.Version, h.MinVersion, h.MaxVersion)
	}
	if h.Realm != l.cfg.Realm {
		return fault.New("hello", fault.RealmMismatch, "this node is in realm %q, the peer in %q", l.cfg.Realm, h.Realm)
	}
	if l.conn.Peer() == l.cfg.Self {
		return fault.New("hello", fault.Invalid, "the peer has this node's own id")
	}
	return nil
}

// start makes the link ready to run on its control stream.
func (l *Link) start(s transport.Stream, rd *wire.Reader) {
	l.control = newWriter(l, s)
	l.reader = rd
	l.pending = bounded.NewMap[uint64, *pending]("calls out", int(min(l.hello.MaxCalls, 1<<20)))
}

// Welcome admits the peer. It does not wait for the answer to arrive.
func (l *Link) Welcome() error {
	w := wire.Welcome{Version: wire.Version, MaxCalls: uint32(l.cfg.MaxCalls), Session: l.cfg.Incarnation}
	err := l.Tell(func(b []byte) []byte { return wire.AppendWelcome(b, &w) })
	l.greeted.Fire()
	return err
}

// Refuse ends a link that does not run, and tells the peer why. It may block
// for as long as closing a connection does.
func (l *Link) Refuse(err error) {
	kind := fault.KindOf(err)
	detail := ""
	var f *fault.Error
	if errors.As(err, &f) && !f.Remote {
		detail = f.Detail
	}
	l.conn.CloseWithError(wire.CloseCode(kind), wire.EncodeRefusal(kind, fault.RetryAfter(err), detail))
	l.cancel(err)
	if l.control != nil {
		l.control.stop(err)
	}
	l.greeted.Fire() // whoever waits for the welcome finds the link ended
	l.group.Close()
	l.group.Wait(context.Background())
	l.lease.Release()
	l.ended.Fire()
}

// charge takes the lease of the connection from its peer.
func (l *Link) charge() (err error) {
	l.lease, err = l.deps.Ledger.Acquire(l.scope, "connection", ledger.Claim{Class: ledger.Conn, Count: 1, Bytes: connBytes})
	if err != nil {
		return &fault.Error{Op: "link", Kind: fault.Overload, Detail: "too many connections", RetryAfter: overloadRetry, Err: err}
	}
	return nil
}

// connBytes is what a connection without streams holds: the state of QUIC and
// TLS, three goroutines and ours.
const connBytes = 64 << 10

// bound calls f with reads and writes of s that end with ctx. When ctx has
// ended it fails, also if f did not: the stream's deadlines may be set still.
func (l *Link) bound(ctx context.Context, s transport.Stream, f func() error) error {
	if left, ok := rt.Remaining(l.r, ctx); ok {
		at := l.r.Now().Add(max(left, time.Nanosecond))
		s.SetReadDeadline(at)
		s.SetWriteDeadline(at)
	}
	stop := l.r.AfterDone(ctx, func() {
		s.SetReadDeadline(l.r.Now())
		s.SetWriteDeadline(l.r.Now())
	})
	err := f()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	s.SetReadDeadline(0)
	s.SetWriteDeadline(0)
	return err
}

// refusal turns what a handshake saw into the reason behind it: the peer's
// refusal, the caller's context, or the error itself.
func (l *Link) refusal(ctx context.Context, err error) error {
	if cause := context.Cause(l.conn.Context()); cause != nil {
		return endFault(cause)
	}
	return dialFault(ctx, err)
}

// dialFault classifies an error of the transport before the link is up.
func dialFault(ctx context.Context, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		return &fault.Error{Op: "link", Kind: fault.KindOf(cause), Detail: "no answer in time", Err: cause}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Op: "hello", Kind: fault.Unreachable, Detail: "the peer did not answer in time", Err: err}
	}
	return &fault.Error{Op: "link", Kind: fault.Unreachable, Err: err}
}

// endFault turns the cause of a connection's end into a fault: the peer's own
// words when it closed with a refusal, else Unreachable.
func endFault(cause error) error {
	var c *transport.CloseError
	if errors.As(cause, &c) && c.Remote {
		return wire.ParseRefusal(c.Code, c.Reason)
	}
	var f *fault.Error
	if errors.As(cause, &f) {
		return cause
	}
	return &fault.Error{Op: "link", Kind: fault.Unreachable, Detail: "the connection ended", Err: cause}
}
