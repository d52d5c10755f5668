// Package hosts lets a node know others by host name, although its transport
// dials addresses only: a name is looked up each time it is dialled, because
// the machine behind it may have moved since.
package hosts

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// Resolver looks a host name up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// maxAddrs bounds how many addresses of one name are tried in a dial.
const maxAddrs = 4

// Names are the host names of a configuration. All methods are safe for
// concurrent use.
type Names struct {
	mu     sync.Mutex
	last   uint64
	byAddr map[transport.Addr]name // bound: the configuration, and what Keep has not dropped yet
}

type name struct {
	host string
	port uint16
}

// Add returns an address that stands for host:port, the same one each time. It
// is in 100::/64 (RFC 6666), where nobody is, and means nothing outside of this
// process.
func (n *Names) Add(host string, port uint16) transport.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, known := range n.byAddr {
		if known == (name{host, port}) {
			return a
		}
	}
	if n.byAddr == nil {
		n.byAddr = map[transport.Addr]name{}
	}
	n.last++
	var b [16]byte
	b[0] = 1
	binary.BigEndian.PutUint64(b[8:], n.last)
	a := netip.AddrPortFrom(netip.AddrFrom16(b), port)
	n.byAddr[a] = name{host, port}
	return a
}

// Keep forgets all names but those that the addresses stand for.
func (n *Names) Keep(addrs []transport.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a := range n.byAddr {
		if !slices.Contains(addrs, a) {
			delete(n.byAddr, a)
		}
	}
}

func (n *Names) get(a transport.Addr) (name, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h, ok := n.byAddr[a]
	return h, ok
}

// Rename writes the name instead of its stand-in into the log.
func (n *Names) Rename(a slog.Attr) slog.Attr {
	if a.Key != "addr" || a.Value.Kind() != slog.KindString {
		return a
	}
	addr, err := netip.ParseAddrPort(a.Value.String())
	if err != nil {
		return a
	}
	if h, ok := n.get(addr); ok {
		a.Value = slog.StringValue(net.JoinHostPort(h.host, fmt.Sprint(h.port)))
	}
	return a
}

// Transport is a transport that also dials the stand-ins of Names.
type Transport struct {
	transport.Transport
	names    *Names
	resolver Resolver
	failed   atomic.Uint32 // dials of names
}

// New wraps t.
func New(t transport.Transport, names *Names, r Resolver) *Transport {
	return &Transport{Transport: t, names: names, resolver: r}
}

// Dial implements transport.Transport: it tries the addresses of a name one
// after the other. An address that does not answer may take all the time that
// there is, so after a failure the next dial begins with the next address.
func (t *Transport) Dial(ctx context.Context, addr transport.Addr, want transport.PeerID) (transport.Conn, error) {
	n, ok := t.names.get(addr)
	if !ok {
		return t.Transport.Dial(ctx, addr, want)
	}
	addrs, err := t.resolver.LookupNetIP(ctx, "ip", n.host)
	if err != nil {
		return nil, lookupFailed(ctx, n.host, err)
	}
	err = fault.New("hosts", fault.Unreachable, "%s has no address", n.host)
	addrs = addrs[:min(len(addrs), maxAddrs)]
	first := int(t.failed.Load() % uint32(max(1, len(addrs))))
	for i := range addrs {
		a := addrs[(first+i)%len(addrs)]
		var conn transport.Conn
		conn, err = t.Transport.Dial(ctx, netip.AddrPortFrom(a.Unmap(), n.port), want)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	t.failed.Add(1)
	return nil, err
}

func lookupFailed(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d, ok := err.(*net.DNSError); ok && d.IsNotFound {
		return fault.New("hosts", fault.Unreachable, "%s: no such host", host) // the cause says no more than that
	}
	return &fault.Error{Op: "hosts", Kind: fault.Unreachable, Detail: host + ": lookup failed", Err: err}
}

// Lookup returns the first address of a host for listening.
func Lookup(ctx context.Context, r Resolver, host string, port uint16) (netip.AddrPort, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, lookupFailed(ctx, host, err)
	}
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return netip.AddrPortFrom(a.Unmap(), port), nil
		}
	}
	if len(addrs) == 0 {
		return netip.AddrPort{}, fault.New("hosts", fault.Unreachable, "%s has no address", host)
	}
	return netip.AddrPortFrom(addrs[0], port), nil
}
