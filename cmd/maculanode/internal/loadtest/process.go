package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/maculamesh/macula/load"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// readyLine is what a victim prints when its calls have begun.
const readyLine = "ready"

// Serve is the life of a victim in a process of its own: it reads a
// load.Victim as a line of JSON, does what that says, prints a line, and goes
// on until ctx or its input ends, or it is killed. The goroutine that reads
// the input may stay behind when ctx ends: the process is about to.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("this command is for maculanode loadtest: %w", err)
	}
	var v load.Victim
	if err := json.Unmarshal(line, &v); err != nil {
		return fmt.Errorf("this command is for maculanode loadtest: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // whoever started it is gone
		io.Copy(io.Discard, lines)
		cancel()
	}()
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		return err
	}
	h, err := newHost(realrt.New(realrt.Config{}), key, transport.Config{})
	if err != nil {
		return err
	}
	defer h.tr.Close()
	return v.Run(ctx, h, func() { fmt.Fprintln(out, readyLine) })
}

// process is a victim in a process of its own.
type process struct {
	cmd   *exec.Cmd
	in    io.Closer
	errs  bytes.Buffer // complete after exited
	once  sync.Once
	err   error
	ended chan struct{} // closed when it has exited
	wait  error         // of Wait; read after ended
}

// startTime is how long a process may take until its calls have begun.
const startTime = 30 * time.Second

// Start implements load.World.
func (w *World) Start(ctx context.Context, name string, v load.Victim, _ ...load.Host) (load.Process, error) {
	cmd, err := w.command()
	if err != nil {
		return nil, fmt.Errorf("this program cannot be started again: %w", err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &p.errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.in = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	ready := make(chan struct{})
	go p.watch(stdout, ready)
	if _, err = stdin.Write(append(text, '\n')); err == nil {
		err = p.up(ctx, ready)
	}
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(p.errs.String()))
	}
	return p, nil
}

// watch reads what the process prints, until it has exited.
func (p *process) watch(out io.Reader, ready chan<- struct{}) {
	defer close(p.ended)
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		if sc.Text() == readyLine && ready != nil {
			close(ready)
			ready = nil
		}
	}
	p.wait = p.cmd.Wait()
}

// up waits until the process is ready.
func (p *process) up(ctx context.Context, ready <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case <-ready:
		return nil
	case <-p.ended:
		return errors.New("it ended before it was ready")
	case <-ctx.Done():
		return fmt.Errorf("it was not ready: %w", ctx.Err())
	}
}

// Kill implements load.Process.
func (p *process) Kill() error {
	p.once.Do(func() {
		err := p.cmd.Process.Kill()
		<-p.ended
		p.in.Close()
		if errors.Is(err, os.ErrProcessDone) || !killed(p.cmd.ProcessState) {
			p.err = fmt.Errorf("it ended by itself: %v: %s", p.wait, strings.TrimSpace(p.errs.String()))
		}
	})
	return p.err
}
