// Package process runs maculanode as a process with a data directory of its
// own, for commands that look at real nodes from outside.
package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config says what runs where.
type Config struct {
	Bin     string               // the maculanode to run
	Dir     string               // the data directory, made by New; errors call the node by its last element
	Timeout time.Duration        // of a command of Do; 0 is none but the context's
	Attr    *syscall.SysProcAttr // of the node's process; nil is the system's default
	Log     io.Writer            // gets all that the node's process logs; may be nil
}

// Proc is a node. Start runs it, once; Do and Status may be called before that
// and by many goroutines, Await and Stop by one at a time.
type Proc struct {
	Name string
	ID   string // as maculanode id prints it
	Addr string // where it listens; set by Start

	c      Config
	cmd    *exec.Cmd
	lines  chan []byte
	log    tail
	exited chan struct{}
	err    error // of Wait; read after exited
}

// New makes the data directory and the key of a node: it runs maculanode init,
// with more flags for it if there are any, and maculanode id.
func New(ctx context.Context, c Config, flags ...string) (*Proc, error) {
	p := &Proc{Name: filepath.Base(c.Dir), c: c, lines: make(chan []byte, 4), exited: make(chan struct{})}
	if _, err := p.Do(ctx, append([]string{"init", "--dir", c.Dir}, flags...)...); err != nil {
		return nil, err
	}
	id, err := p.Do(ctx, "id", "--dir", c.Dir)
	if err != nil {
		return nil, err
	}
	p.ID = strings.TrimSpace(id)
	return p, nil
}

// Do runs another verb of maculanode to its end and returns what it prints,
// also with an error; that has what the command said on standard error.
func (p *Proc) Do(ctx context.Context, args ...string) (string, error) {
	if p.c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.c.Timeout)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, p.c.Bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("maculanode %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Status decodes what maculanode status says of the node into v.
func (p *Proc) Status(ctx context.Context, v any) error {
	out, err := p.Do(ctx, "status", "--dir", p.c.Dir, "--json")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), v)
}

// Start runs the node, with more flags if there are any, and waits until it
// listens, has ended, or ctx ends. The process outlives ctx: only Stop and Kill
// end it, and after an error it may be running.
func (p *Proc) Start(ctx context.Context, flags ...string) error {
	p.cmd = exec.Command(p.c.Bin, append([]string{"run", "--dir", p.c.Dir, "--json"}, flags...)...)
	p.cmd.SysProcAttr = p.c.Attr
	p.cmd.Stderr = &p.log
	if p.c.Log != nil {
		p.cmd.Stderr = io.MultiWriter(&p.log, p.c.Log)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go p.follow(out)
	var up struct{ Addr string }
	err = p.Await(ctx, "listening", &up)
	p.Addr = up.Addr
	return err
}

// follow passes on the lines of the process until it has ended.
func (p *Proc) follow(out io.Reader) {
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		select {
		case p.lines <- bytes.Clone(sc.Bytes()):
		default: // it prints two
		}
	}
	p.err = p.cmd.Wait()
	close(p.exited) // first: whoever sees no more lines finds it dead
	close(p.lines)
}

// Await waits for the line of JSON with this event and decodes it into v; it
// drops those before. It returns an error when the node or ctx ends first.
func (p *Proc) Await(ctx context.Context, event string, v any) error {
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				return fmt.Errorf("%s ended before it said %q; it logged:\n%s", p.Name, event, p.Log())
			}
			var is struct{ Event string }
			if json.Unmarshal(l, &is) == nil && is.Event == event {
				return json.Unmarshal(l, v)
			}
		case <-ctx.Done():
			return fmt.Errorf("%s did not say %q in time; it logged:\n%s", p.Name, event, p.Log())
		}
	}
}

// Stop asks the node to end, decodes its last line into v, and waits until the
// process has ended. An exit code other than 0 is an error; what the line says
// is left behind is for the caller to judge.
func (p *Proc) Stop(ctx context.Context, v any) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := p.Await(ctx, "closed", v); err != nil {
		return err
	}
	<-p.exited
	if p.err != nil {
		return fmt.Errorf("%s: %w; it logged:\n%s", p.Name, p.err, p.Log())
	}
	return nil
}

// Kill ends the process without a word and waits until it has ended. It does
// nothing when the node was never started or has ended.
func (p *Proc) Kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// Dead returns an error when the process has ended, and nil while it runs or
// was never started.
func (p *Proc) Dead() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended: %v; it logged:\n%s", p.Name, p.err, p.Log())
	default:
		return nil
	}
}

// PID is the id of the process, once Start has begun it.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Log is the end of what the process has logged, 4 KiB at most.
func (p *Proc) Log() string { return p.log.String() }
