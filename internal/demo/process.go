package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/maculamesh/macula/internal/process"
)

// proc is a node of the demo.
type proc struct {
	*process.Proc
	dir string
}

// newProc makes the data directory and the key of a node, on a port that is
// free, so that nodes which run here already do not matter.
func (d *demo) newProc(ctx context.Context, name string) (*proc, error) {
	c := process.Config{Bin: filepath.Join(d.dir, "maculanode"), Dir: filepath.Join(d.dir, name)}
	p, err := process.New(ctx, c, "--listen", "127.0.0.1:0")
	return &proc{Proc: p, dir: c.Dir}, err
}

// last is what the demo reads of the last line that a node prints.
type last struct {
	Leftovers struct{ Abandoned, Leases, Conns, Streams, Tasks int }
	Ours      int `json:"goroutines_of_ours"`
	Timers    int
	Hooks     int
}

// stop asks the node to end and demands that nothing of it is left.
func (p *proc) stop(ctx context.Context) (last, error) {
	var c last
	if err := p.Stop(ctx, &c); err != nil {
		return c, err
	}
	l := c.Leftovers
	if l.Abandoned+l.Leases+l.Conns+l.Streams+l.Tasks+c.Ours+c.Timers+c.Hooks != 0 {
		return c, fmt.Errorf("%s left something behind: %+v, %d goroutines, %d timers, %d hooks", p.Name, l, c.Ours, c.Timers, c.Hooks)
	}
	return c, nil
}

// books is what the demo reads of maculanode status --json.
type books struct {
	Pool      struct{ Now, Limit, Peak int }
	Clients   struct{ Now, Limit int }
	Registry  struct{ Now, Limit int }
	Transport struct{ Conns, Streams int }
	Caller    struct{ Failovers, OK uint64 }
	Server    struct{ Served uint64 }
	Leases    int
}

func (p *proc) status(ctx context.Context) (b books, err error) {
	err = p.Status(ctx, &b)
	return b, err
}

// call makes a call from the node and returns the answer and how long it took.
func (p *proc) call(ctx context.Context, service, data string, more ...string) (string, time.Duration, error) {
	begun := time.Now()
	out, err := p.Do(ctx, append([]string{"call", service, "--dir", p.dir, "--data", data}, more...)...)
	return strings.TrimSpace(out), time.Since(begun), err
}
