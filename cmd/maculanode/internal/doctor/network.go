package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// How long others may take.
const (
	lookupTime    = 3 * time.Second
	refusedTime   = 300 * time.Millisecond // for the answer of a machine where nobody listens
	handshakeTime = 5 * time.Second
	maxPeers      = 32 // that are asked
)

// minMTU is the smallest packet size in bytes over which QUIC works: RFC 9000,
// section 14, demands 1,200 bytes of payload, which is 1,280 with the headers
// of IPv6 and some room.
const minMTU = 1280

// port checks that the UDP port is free, or that our node has it.
func (in *Input) port(ctx context.Context) []Line {
	const check = "UDP port"
	c := &in.Config
	at, ok1 := c.Listen.Literal()
	if !ok1 {
		look, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		var err error
		if at, err = hosts.Lookup(look, in.Resolver, c.Listen.Host, c.Listen.Port); err != nil {
			return []Line{fail(check, "listen on an address, or mend the name", "listen: %v", err)}
		}
	}
	if s := in.Status; s != nil {
		if port := fmt.Sprintf(":%d", at.Port()); at.Port() != 0 && !strings.HasSuffix(s.Addr, port) {
			return []Line{warn(check, "restart it for the configuration to count", "the node listens on %s, the configuration says %s", s.Addr, c.Listen)}
		}
		return []Line{ok(check, "%s, our node has it", s.Addr)}
	}
	network := "udp"
	if at.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err == nil {
		conn.Close()
		return []Line{ok(check, "%s is free", c.Listen)}
	}
	return []Line{cannotListen(check, c.Listen.String(), "listen", err)}
}

func cannotListen(check, at, key string, err error) Line {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fail(check, "end that program, or choose another port for "+key, "%s is in use by another program", at)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fail(check, "choose an address of this machine for "+key, "%s is no address of this machine", at)
	case errors.Is(err, fs.ErrPermission):
		return fail(check, "choose a port above 1023 for "+key, "%s may not be used by this user", at)
	}
	return fail(check, "choose another for "+key, "%s: %v", at, err)
}

// doors checks the TCP addresses of the admin pages and of the API.
func (in *Input) doors(ctx context.Context) []Line {
	var lines []Line
	for _, d := range []struct {
		key string
		at  config.Address
	}{{"admin", in.Config.Admin}, {"api", in.Config.API}} {
		switch {
		case !d.at.On:
		case d.at.Unix != "":
			lines = append(lines, ok(d.key, "%s", d.at))
		default:
			lines = append(lines, in.door(ctx, d.key, d.at.At))
		}
	}
	return lines
}

func (in *Input) door(ctx context.Context, key string, at config.Endpoint) Line {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if in.Status != nil && at.Port != 0 {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
		if err != nil {
			return warn(key, "restart it for the configuration to count", "the node does not answer at %s: %v", at, err)
		}
		conn.Close()
		return ok(key, "%s answers", at)
	}
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return cannotListen(key, at.String(), key, err)
	}
	lis.Close()
	return ok(key, "%s is free", at)
}

// interfaces checks the packet size of those that the node uses.
func (in *Input) interfaces() []Line {
	const check = "packet size"
	all, err := net.Interfaces()
	if err != nil {
		return []Line{ok(check, "the system does not tell: %v", err)}
	}
	var only netip.Addr
	if len(in.Mistakes) == 0 {
		if at, ok := in.Config.Listen.Literal(); ok && !at.Addr().IsUnspecified() {
			only = at.Addr()
		}
	}
	var seen []string
	var lines []Line
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || !only.IsValid() && i.Flags&net.FlagLoopback != 0 || only.IsValid() && !has(i, only) {
			continue
		}
		if i.MTU < minMTU {
			lines = append(lines, fail(check, fmt.Sprintf("raise its MTU: ip link set dev %s mtu 1500", i.Name), "%s takes %d bytes in a packet, QUIC needs %d", i.Name, i.MTU, minMTU))
			continue
		}
		seen = append(seen, fmt.Sprintf("%s %d", i.Name, i.MTU))
	}
	switch {
	case len(lines) > 0:
		return lines
	case len(seen) == 0:
		return []Line{warn(check, "bring the interface up, or choose another address for listen", "no interface that is up has the address to listen on")}
	}
	return []Line{ok(check, "%s bytes", strings.Join(seen, ", "))}
}

func has(i net.Interface, want netip.Addr) bool {
	addrs, err := i.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		// All of 127/8 is there, though only one address of it is listed.
		if p, err := netip.ParsePrefix(a.String()); err == nil && (p.Addr() == want || want.IsLoopback() && p.Contains(want)) {
			return true
		}
	}
	return false
}

// peers looks the peers of the configuration up, sends something to each, and
// shakes hands with them if that was asked for.
func (in *Input) peers(ctx context.Context) []Line {
	list := in.Config.Peers
	asked := list[:min(len(list), maxPeers)]
	lines := make([]Line, len(asked))
	var wg sync.WaitGroup
	for i, p := range asked {
		wg.Go(func() { lines[i] = in.peer(ctx, p) })
	}
	wg.Wait()
	if left := len(list) - len(asked); left > 0 {
		lines = append(lines, ok("peer", "%d more are not asked", left))
	}
	return lines
}

func (in *Input) peer(ctx context.Context, p config.Peer) Line {
	check := "peer " + ident.Short(p.ID)
	at, literal := p.At.Literal()
	if !literal {
		look, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		var err error
		if at, err = hosts.Lookup(look, in.Resolver, p.At.Host, p.At.Port); err != nil {
			return fail(check, "mend the name in the configuration, or the resolver of this machine", "%v", err)
		}
	}
	where := p.At.String()
	if !literal {
		where += " (" + at.String() + ")"
	}
	if refused(at) {
		return fail(check, "start the node there, or mend the port in the configuration", "nobody listens at UDP %s", where)
	}
	if !in.Handshake {
		return ok(check, "%s can be sent to; --peers asks it for a handshake", where)
	}
	took, err := handshake(ctx, at, p)
	switch {
	case err == nil && in.without(p):
		return warn(check, "is the id of this node in its allow_peers, and the realm the same? The log of this node says why",
			"%s has shaken hands in %v, with a key made for that, but the node that runs here is not connected to it", where, took.Round(time.Microsecond*100))
	case err == nil:
		return ok(check, "%s has shaken hands in %v", where, took.Round(time.Microsecond*100))
	case errors.Is(err, transport.ErrPeerMismatch):
		return fail(check, "compare with \"maculanode id\" over there", "somebody else answers at %s: %v", where, err)
	}
	return fail(check, "is the node up, and does a firewall let UDP through, in both directions?", "no handshake with %s: %v", where, err)
}

// without reports whether the node that runs has no connection to the peer. Of
// a node that does not list all its connections, or gives them up, it is not
// known.
func (in *Input) without(p config.Peer) bool {
	s := in.Status
	if s == nil || s.Draining || len(s.PeerList) < s.Pool.Now {
		return false
	}
	id := ident.String(p.ID)
	return s.ID != id && !slices.ContainsFunc(s.PeerList, func(c control.Conn) bool { return c.ID == id })
}

// refused sends a datagram that no QUIC server answers, and reports whether
// the machine says that nobody listens. Silence means nothing.
func refused(at netip.AddrPort) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{0}); err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	conn.SetReadDeadline(time.Now().Add(refusedTime))
	_, err = conn.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNREFUSED)
}

// handshake connects with a key of its own: with that of the node, the peer
// might take it for a newer session of the one that runs.
func handshake(ctx context.Context, at netip.AddrPort, p config.Peer) (time.Duration, error) {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		return 0, err
	}
	local := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	if at.Addr().Is4() {
		local = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: local, Clock: realrt.New(realrt.Config{})})
	if err != nil {
		return 0, err
	}
	defer tr.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTime, fault.New("", fault.Deadline, "no answer within %v", handshakeTime))
	defer cancel()
	begun := time.Now()
	conn, err := tr.Dial(ctx, at, p.ID)
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	conn.CloseWithError(0, "doctor")
	return took, nil
}
