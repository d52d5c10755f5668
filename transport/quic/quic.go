// Package quic implements transport over QUIC, on quic-go, whose types nobody
// outside of this package sees.
//
// A connection is TLS 1.3 with a certificate on both sides that carries the
// Ed25519 key of the node and is signed with it. Nothing else in it means
// anything: no name, no issuer, no server name indication. The id of a node
// follows from its key (node/ident), and the handshake proves that the other
// end holds that key. There are no session tickets and no 0-RTT data.
//
// Two things of QUIC show through the contract. The code 2^62-1 is how a late
// refusal travels, so an application must not close with it. And a handshake
// that a peer abandoned is forgotten after half of HandshakeTimeout without a
// packet.
package quic

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config says who a transport is and where it is.
type Config struct {
	transport.Config
	Key   ed25519.PrivateKey // the node's key
	Addr  netip.AddrPort     // UDP address to bind; port 0 is any free port; the address :: takes IPv4 too
	Conn  net.PacketConn     // used in place of a socket that is bound, and closed at the end; its addresses are *net.UDPAddr; usually nil
	Clock rt.Clock           // for deadlines and the dates of certificates; handshake, idle timeout and keep-alive follow the system clock
	Log   *slog.Logger       // nil logs nothing
}

// Transport is a transport.Transport on one UDP socket, which both dials and
// listens.
type Transport struct {
	cfg   Config
	id    transport.PeerID
	addr  transport.Addr
	certs *certificates
	udp   net.PacketConn
	q     *quic.Transport
	books books

	admission atomic.Pointer[admission] // of the listener that is open

	mu       sync.Mutex
	closed   bool
	listener *listener
	dials    map[*dial]uint64 // with their numbers, for Close
	conns    map[*conn]uint64
	last     uint64         // the last number that was given
	dialling sync.WaitGroup // one for each of dials
	ending   sync.WaitGroup // one for each connection and accepted handshake
	done     chan struct{}  // closed at the end of Close
}

var _ transport.Transport = (*Transport)(nil)

// New binds the UDP socket and returns a transport that neither listens nor
// dials yet. Its errors say what is wrong with the address (in use, not
// permitted, not of this machine) or with the configuration.
func New(cfg Config) (*Transport, error) {
	cfg.Config = cfg.Config.WithDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	id, err := ident.FromPublicKey(cfg.Key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	certs := &certificates{key: cfg.Key, clock: cfg.Clock}
	if _, err := certs.get(); err != nil {
		return nil, err
	}
	udp := cfg.Conn
	if udp == nil {
		if udp, err = bind(cfg.Addr, cfg.Log); err != nil {
			return nil, err
		}
	}
	t := &Transport{
		cfg:   cfg,
		id:    id,
		addr:  unmap(udp.LocalAddr()),
		certs: certs,
		udp:   udp,
		dials: map[*dial]uint64{},
		conns: map[*conn]uint64{},
		done:  make(chan struct{}),
	}
	t.q = &quic.Transport{
		Conn: udp,
		// With quic-go's 4 bytes, a node with 10,000 connections would meet a
		// collision once in 100,000 connections.
		ConnectionIDLength:  8,
		VerifySourceAddress: t.verifySource,
		ConnContext:         t.connContext,
	}
	return t, nil
}

func (c *Config) validate() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(c.Key) != ed25519.PrivateKeySize:
		return errors.New("quic: no key in the configuration")
	case !c.Addr.IsValid() && c.Conn == nil:
		return errors.New("quic: no address to bind in the configuration")
	case c.Clock == nil:
		return errors.New("quic: no clock in the configuration")
	case c.HandshakeTimeout < 0, c.IdleTimeout < 0, c.StreamWindow < 0, c.ConnWindow < 0, c.MaxStreams < 0, c.AcceptQueue < 0:
		return errors.New("quic: a negative limit in the configuration")
	}
	return nil
}

// ID is the id of this node, which others dial it by.
func (t *Transport) ID() transport.PeerID { return t.id }

// Addr is the address that the socket is bound to.
func (t *Transport) Addr() transport.Addr { return t.addr }

// Stats counts what is open. It never blocks for long: it takes one lock that
// is held for the length of an addition.
func (t *Transport) Stats() transport.Stats { return t.books.stats() }

// Close ends everything: the listener, dials under way, connections, and then
// the socket. It waits until all of it is gone. The close of a connection is
// sent once; a peer that misses it hears of it by its idle timeout. The error
// is always nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		<-t.done
		return nil
	}
	t.closed = true
	l, dials, conns := t.listener, inOrder(t.dials), inOrder(t.conns)
	t.mu.Unlock()

	if l != nil {
		l.Close()
	}
	for _, d := range dials {
		d.giveUp(transport.ErrClosed)
	}
	t.dialling.Wait()
	for _, c := range conns {
		c.CloseWithError(0, "")
	}
	t.q.Close()
	t.ending.Wait()
	t.udp.Close()
	close(t.done)
	return nil
}

// inOrder returns the keys of m by their numbers: whoever plays this transport
// over simulated packets sees the same ones in every run.
func inOrder[K comparable](m map[K]uint64) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Compare(m[a], m[b]) })
}

// adopt makes a connection out of one of quic-go whose handshake is complete.
// When the transport is closed it ends q and returns nil.
func (t *Transport) adopt(q *quic.Conn, h *handshake) *conn {
	c := newConn(t, q)
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.books.endHandshake(h)
		q.CloseWithError(0, "")
		return nil
	}
	t.last++
	t.conns[c] = t.last
	t.ending.Add(1)
	t.mu.Unlock()
	t.books.open(h)
	context.AfterFunc(q.Context(), c.ended)
	return c
}

// forget is the end of a connection.
func (t *Transport) forget(c *conn) {
	t.mu.Lock()
	delete(t.conns, c)
	t.mu.Unlock()
	t.ending.Done()
}

// config returns quic-go's configuration. A handshake lasts at most twice
// idle.
func (t *Transport) config(dialling bool) *quic.Config {
	c := &quic.Config{
		HandshakeIdleTimeout:           t.cfg.HandshakeTimeout,
		MaxIdleTimeout:                 t.cfg.IdleTimeout,
		KeepAlivePeriod:                max(t.cfg.KeepAlive, 0),
		InitialStreamReceiveWindow:     uint64(t.cfg.StreamWindow),
		MaxStreamReceiveWindow:         uint64(t.cfg.StreamWindow),
		InitialConnectionReceiveWindow: uint64(t.cfg.ConnWindow),
		MaxConnectionReceiveWindow:     uint64(t.cfg.ConnWindow),
		MaxIncomingStreams:             int64(t.cfg.MaxStreams),
		MaxIncomingUniStreams:          -1,
	}
	if !dialling {
		// A dial has a timer of its own. Of an accepted handshake quic-go
		// gives out no handle, and ends it after twice this.
		c.HandshakeIdleTimeout = t.cfg.HandshakeTimeout / 2
	}
	return c
}

// unmap returns the address of a net.Addr of this package's socket, where an
// IPv4 address is one.
func unmap(a net.Addr) transport.Addr {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		panic(fmt.Sprintf("quic: an address of the type %T", a))
	}
	p := u.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
