package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/internal/process"
	"github.com/maculamesh/macula/node/ident"
)

// proc is a node of the run.
type proc struct {
	*process.Proc
	gateway client.Gateway // the node, to those who attach to it; the address is known once it runs
}

const (
	// commandTimeout bounds a command that looks at a node: one that does not
	// answer for so long hangs.
	commandTimeout = 30 * time.Second
	// lineTimeout bounds the wait for a node to listen, or to be closed.
	lineTimeout = time.Minute
)

// newProc makes the data directory, the key and the configuration of a node. A
// signal that the terminal sends to all is not meant for it.
func newProc(ctx context.Context, bin, dir, name, config string) (*proc, error) {
	c := process.Config{Bin: bin, Dir: filepath.Join(dir, name), Timeout: commandTimeout, Attr: &syscall.SysProcAttr{Setpgid: true}}
	p, err := process.New(ctx, c, "--realm", realm)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "maculanode.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	id, err := ident.Parse(p.ID)
	return &proc{Proc: p, gateway: client.Gateway{ID: id}}, err
}

// start runs the node and waits until it listens.
func (p *proc) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		return err
	}
	var err error
	p.gateway.Addr, err = parseAddr(p.Addr)
	return err
}

// stop asks the node to end and demands that nothing of it is left.
func (p *proc) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	var closed struct{ Clean bool }
	if err := p.Stop(ctx, &closed); err != nil {
		return err
	}
	if !closed.Clean {
		return fmt.Errorf("%s left something behind; it logged:\n%s", p.Name, p.Log())
	}
	return nil
}

func (p *proc) status(ctx context.Context) (st status, err error) {
	err = p.Status(ctx, &st)
	return st, err
}

// sample reads what the node holds.
func (p *proc) sample(ctx context.Context, at time.Duration, phase string) (sample, status, error) {
	st, err := p.status(ctx)
	if err != nil {
		return sample{}, st, errors.Join(err, p.Dead())
	}
	s := sampleOf(&st)
	s.At, s.Phase = at.Seconds(), phase
	if s.RSS, s.FDs, err = resident(p.PID()); errors.Is(err, os.ErrNotExist) {
		err = nil // not Linux: the report says that there are none
	}
	return s, st, err
}
