// Package daemon is a node as a process: it takes the key, the control socket
// and the port, builds the node, keeps it alive until it is told to stop, and
// counts what is left when everything was closed.
package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
	"github.com/maculamesh/macula/cmd/maculanode/internal/strain"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// Options are what Run needs beside the configuration.
type Options struct {
	Log     *logs.Log
	Names   *hosts.Names // renames in the log; Run fills it
	Version string
	// Load reads the configuration again, from the sources of the first time.
	Load func() (config.Config, error)
	// Hangup asks for that; nil never does.
	Hangup <-chan os.Signal
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
	Admin   string // a URL; empty when it is off
	API     string // a URL or unix:PATH; empty when it is off
}

// running is what a node is made of, in the order in which it is taken.
type running struct {
	cfg     config.Config
	opt     Options
	r       *realrt.Runtime
	socket  net.Listener
	release func() // of the socket
	admin   *door  // nil when it is off
	api     *door  // nil when it is off
	quic    *quic.Transport
	node    *node.Node
	host    *host
}

// Run keeps a node alive until ctx ends, then drains it. The error says in one
// line what kept it from starting, and is Invalid when the configuration or
// what it names is to blame; Closed is what was left at the end.
func Run(ctx context.Context, cfg config.Config, opt Options) (Closed, error) {
	d := &running{cfg: cfg, opt: opt, r: realrt.New(realrt.Config{})}
	if err := cfg.CheckRun(); err != nil {
		return Closed{}, invalid(err)
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
	if d.admin, err = d.openDoor("admin", d.cfg.Admin, d.cfg.AdminToken); err != nil {
		return err
	}
	if d.api, err = d.openDoor("api", d.cfg.API, d.cfg.APIToken); err != nil {
		return err
	}
	at, err := d.resolve(ctx, "listen", d.cfg.Listen)
	if err != nil {
		return err
	}
	qc := d.quicConfig()
	qc.Key, qc.Addr = key, at
	d.quic, err = quic.New(qc)
	if err != nil {
		return d.cannotListen(at, err)
	}
	nc, err := d.nodeConfig(ctx)
	if err != nil {
		return err
	}
	d.node, err = node.New(nc, node.Deps{
		Runtime: d.r, ID: d.quic.ID(), Log: d.opt.Log.Logger,
		Transport: hosts.New(d.quic, d.opt.Names, net.DefaultResolver), Load: strain.New().Read,
	})
	if err != nil {
		return err
	}
	d.host = newHost(d.node, d.r, hostConfig{version: d.opt.Version, services: nc.Registry.PerOwner, backend: d.cfg.Local.Backend})
	d.host.live = newLive(d)
	d.host.show(d.opt.Log.Stats)
	return d.host.live.start()
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
	srv := control.Serve(d.socket, d.host, d.opt.Log.Logger, control.Config{Conns: d.cfg.Local.ControlConns, Attached: d.cfg.Local.ControlHolding})
	defer srv.Close()
	d.host.show(srv.Stats)
	doors := d.serveDoors()
	defer doors.close()
	d.opt.Ready(Ready{
		ID: ident.String(d.node.ID()), Addr: d.node.Addr().String(), Control: d.cfg.Control,
		Admin: d.admin.where(), API: d.api.where(),
	})
	if ended, err := d.wait(ctx, ended); ended {
		return err
	}
	within := d.node.Limits().DrainTimeout
	d.opt.Log.Info("stopping", "within", within)
	stop() // first: calls of what is withdrawn next are refused as draining
	d.host.close()
	select {
	case err := <-ended:
		return err
	case <-time.After(within):
		// The node cuts what came over the network by itself now. Calls of
		// commands and of the API are ours to cut, before it counts what did
		// not return.
		srv.Close()
		doors.cut()
		return <-ended
	}
}

// wait reloads when it is asked to, until ctx ends, or the node by itself.
func (d *running) wait(ctx context.Context, node <-chan error) (ended bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case err := <-node:
			return true, err
		case <-d.opt.Hangup:
			d.host.Reload() // the log has what came of it
		}
	}
}

// up waits until the node listens. It looks again and again: there is nobody
// to wake it, and it takes a moment once.
func (d *running) up(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !d.node.Addr().IsValid() {
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
	d.admin.close()
	d.api.close()
	if d.release != nil {
		d.release()
	}
}

// KeyError explains why the key at path cannot be used. It is Invalid.
func KeyError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New("", fault.Invalid, "there is no key file at %s: make one with \"maculanode init\", or name another data directory with --dir", path)
	}
	return &fault.Error{Kind: fault.Invalid, Err: err}
}
