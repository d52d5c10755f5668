package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// resolve finds the address of an endpoint of this machine.
func (d *running) resolve(ctx context.Context, key string, e config.Endpoint) (netip.AddrPort, error) {
	if a, ok := e.Literal(); ok {
		return a, nil
	}
	a, err := hosts.Lookup(ctx, net.DefaultResolver, e.Host, e.Port)
	if err != nil {
		// Not Unreachable, as if it were about another node. Nor is it certain
		// that the name is wrong: it may come to be known in a moment.
		return a, &fault.Error{Kind: fault.Other, Detail: d.cfg.Place(key), Err: err}
	}
	return a, nil
}

func (d *running) cannotListen(at netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the UDP port %s is in use by another program: choose another with --listen (this one comes from: %s)", at, d.cfg.Origin("listen"))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the address %s is not one of this machine: choose another with --listen (this one comes from: %s)", at, d.cfg.Origin("listen"))
	case errors.Is(err, fs.ErrPermission):
		return fault.New("", fault.Invalid, "the UDP port %s may not be used by this user: choose one above 1023 with --listen (this one comes from: %s)", at, d.cfg.Origin("listen"))
	}
	return fmt.Errorf("cannot listen on %s: %w", at, err)
}

// advertised is where others dial the node. An address that stands for all
// those of the machine tells nobody anything, so one of them is chosen.
func (d *running) advertised(ctx context.Context) (transport.Addr, error) {
	if d.cfg.Advertised.Host != "" {
		return d.resolve(ctx, "advertised", d.cfg.Advertised)
	}
	at := d.quic.Addr()
	if !at.Addr().IsUnspecified() {
		return transport.Addr{}, nil
	}
	chosen := netip.AddrPortFrom(outward(), at.Port())
	d.opt.Log.Info("others are told to dial an address of this machine; set \"advertised\" if that is wrong", "advertised", chosen.String())
	return chosen, nil
}

// outward returns an address of this machine that others may reach.
func outward() netip.Addr {
	best := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return best
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().IsGlobalUnicast() {
			continue
		}
		if p.Addr().Is4() {
			return p.Addr()
		}
		if best.IsLoopback() {
			best = p.Addr()
		}
	}
	return best
}
