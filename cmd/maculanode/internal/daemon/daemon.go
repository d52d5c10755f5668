// Package daemon is a node as a process: it takes the key, the control socket
// and the port, builds the node, keeps it alive until it is told to stop, and
// counts what is left when everything was closed.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// Options are what Run needs beside the configuration.
type Options struct {
	Log     *slog.Logger
	Names   *hosts.Names // renames in the log; Run fills it
	Version string
	// Ready is told once, when the node answers.
	Ready func(Ready)
	// OwnsProcess says that nothing else of this module runs in the process,
	// so that every goroutine of it that is left at the end is a leak.
	OwnsProcess bool
}

// Ready is where a node can be reached.
type Ready struct {
	ID      string
	Addr    string
	Control string
}

// maxHandlers is the default of rpc.ServerConfig, stated because status shows
// it.
const maxHandlers = 10_000

// running is what a node is made of, in the order in which it is taken.
type running struct {
	cfg     config.Config
	opt     Options
	r       *realrt.Runtime
	socket  net.Listener
	release func() // of the socket
	quic    *quic.Transport
	node    *node.Node
	host    *host
}

// Run keeps a node alive until ctx ends, then drains it. The error says in one
// line what kept it from starting; Closed is what was left at the end.
func Run(ctx context.Context, cfg config.Config, opt Options) (Closed, error) {
	d := &running{cfg: cfg, opt: opt, r: realrt.New(realrt.Config{})}
	if err := cfg.CheckRun(); err != nil {
		return Closed{}, err
	}
	if err := d.open(ctx); err != nil {
		d.close()
		return Closed{}, err
	}
	err := d.serve(ctx)
	d.close()
	return d.count(), err
}

// open takes everything that the node needs. What it took is in d, also when
// it fails.
func (d *running) open(ctx context.Context) (err error) {
	key, err := keyfile.Load(d.cfg.Key)
	if err != nil {
		return KeyError(d.cfg.Key, err)
	}
	if d.socket, d.release, err = control.Listen(d.cfg.Control); err != nil {
		return err
	}
	at, err := d.resolve(ctx, "listen", d.cfg.Listen)
	if err != nil {
		return err
	}
	d.quic, err = quic.New(quic.Config{Key: key, Addr: at, Clock: d.r, Log: d.opt.Log})
	if err != nil {
		return d.cannotListen(at, err)
	}
	nc, err := d.nodeConfig(ctx)
	if err != nil {
		return err
	}
	d.node, err = node.New(nc, node.Deps{
		Runtime: d.r, ID: d.quic.ID(), Log: d.opt.Log,
		Transport: hosts.New(d.quic, d.opt.Names, net.DefaultResolver),
	})
	if err != nil {
		return err
	}
	d.host = newHost(d.node, d.r, hostConfig{
		version: d.opt.Version,
		limits:  control.Limits{Handlers: maxHandlers, Services: nc.Registry.PerOwner, Conns: d.node.MaxConns()},
	})
	for _, name := range d.cfg.Echo {
		if _, err := d.host.add(name, backend.Echo, nil, 0); err != nil {
			return fmt.Errorf("%s: echo: %w", d.cfg.Origin("echo"), err)
		}
	}
	return nil
}

// resolve finds the address of an endpoint of this machine.
func (d *running) resolve(ctx context.Context, key string, e config.Endpoint) (netip.AddrPort, error) {
	if a, ok := e.Literal(); ok {
		return a, nil
	}
	a, err := hosts.Lookup(ctx, net.DefaultResolver, e.Host, e.Port)
	if err != nil {
		return a, fmt.Errorf("%s: %s: %w", d.cfg.Origin(key), key, err)
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
		return fmt.Errorf("the UDP port %s may not be used by this user: choose one above 1023 with --listen (this one comes from: %s)", at, d.cfg.Origin("listen"))
	}
	return fmt.Errorf("cannot listen on %s: %w", at, err)
}

func (d *running) nodeConfig(ctx context.Context) (node.Config, error) {
	c := &d.cfg
	nc := node.Config{
		Realm: c.Realm, Peers: c.AllowPeers, OpenPeers: c.OpenPeers,
		CleanupInterval: c.CleanupInterval, DrainTimeout: c.DrainTimeout,
		Server: rpc.ServerConfig{MaxHandlers: maxHandlers},
	}
	nc.Pool.Cap, nc.Clients.Limit, nc.Registry.TTL = c.MaxPeers, c.MaxClients, c.ServiceTTL
	nc.Registry = nc.Registry.WithDefaults()
	for _, p := range c.Peers {
		a, ok := p.At.Literal()
		if !ok {
			a = d.opt.Names.Add(p.At.Host, p.At.Port)
		}
		nc.Bootstrap = append(nc.Bootstrap, node.Peer{ID: p.ID, Addr: a})
	}
	var err error
	nc.Advertised, err = d.advertised(ctx)
	return nc, err
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

// serve runs the node until ctx ends and it has drained.
func (d *running) serve(ctx context.Context) error {
	inner, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.node.Serve(inner) }()
	if err := d.up(ctx, ended); err != nil {
		return err
	}
	srv := control.Serve(d.socket, d.host, d.opt.Log, control.Config{})
	defer srv.Close()
	d.opt.Ready(Ready{ID: ident.String(d.node.ID()), Addr: d.node.Addr().String(), Control: d.cfg.Control})
	select {
	case <-ctx.Done():
	case err := <-ended:
		return err
	}
	d.opt.Log.Info("stopping", "within", d.cfg.DrainTimeout)
	d.host.close()
	stop()
	select {
	case err := <-ended:
		return err
	case <-time.After(d.cfg.DrainTimeout):
		// The node cuts what came over the network by itself now. Calls of
		// commands are ours to cut, before it counts what did not return.
		srv.Close()
		return <-ended
	}
}

// up waits until the node listens. It looks again and again: there is nobody
// to wake it, and it takes a moment once.
func (d *running) up(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !d.node.Ready() {
		select {
		case <-tick.C:
		case err := <-ended:
			if err == nil {
				err = errors.New("the node stopped before it listened")
			}
			return err
		case <-ctx.Done():
			d.node.Close()
			<-ended
			return errors.New("stopped before the node listened")
		}
	}
	return nil
}

// close gives back what open took.
func (d *running) close() {
	if d.host != nil {
		d.host.close()
	}
	switch {
	case d.node != nil:
		d.node.Close()
	case d.quic != nil:
		d.quic.Close()
	}
	if d.release != nil {
		d.release()
	}
}

// KeyError explains why the key at path cannot be used.
func KeyError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no key file at %s: make one with \"maculanode init\", or name another data directory with --dir", path)
	}
	return err
}
