package main

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
	"sync"
	"syscall"
	"time"
)

// proc is a maculanode process with a data directory of its own.
type proc struct {
	d    *demo
	name string
	dir  string
	id   string
	addr string

	cmd    *exec.Cmd
	lines  chan line
	log    tail
	exited chan struct{}
	err    error // of Wait; read after exited
}

// line is a line of JSON that maculanode run prints.
type line struct {
	Event     string
	ID        string
	Addr      string
	Leftovers struct{ Abandoned, Leases, Conns, Streams, Tasks int }
	Ours      int `json:"goroutines_of_ours"`
	Timers    int
	Hooks     int
}

// tail keeps the last of what a process logs.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const maxTail = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > maxTail {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-maxTail:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// newProc makes the data directory and the key of a node.
func (d *demo) newProc(ctx context.Context, name string) (*proc, error) {
	p := &proc{d: d, name: name, dir: filepath.Join(d.dir, name), lines: make(chan line, 4), exited: make(chan struct{})}
	if _, err := p.do(ctx, "init", "--dir", p.dir); err != nil {
		return nil, err
	}
	id, err := p.do(ctx, "id", "--dir", p.dir)
	p.id = strings.TrimSpace(id)
	return p, err
}

// do runs another verb of maculanode to its end and returns what it prints.
func (p *proc) do(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.d.dir, "maculanode"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("maculanode %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// start runs the node and waits until it is ready.
func (p *proc) start(ctx context.Context, args ...string) error {
	args = append([]string{"run", "--dir", p.dir, "--json", "--listen", "127.0.0.1:0"}, args...)
	p.cmd = exec.Command(filepath.Join(p.d.dir, "maculanode"), args...)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go p.read(out)
	ready, err := p.await(ctx, "ready")
	p.addr = ready.Addr
	return err
}

// read passes on the lines of the process until it has ended.
func (p *proc) read(out io.Reader) {
	defer close(p.exited)
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		var l line
		if json.Unmarshal(sc.Bytes(), &l) == nil && l.Event != "" {
			select {
			case p.lines <- l:
			default: // it prints two
			}
		}
	}
	p.err = p.cmd.Wait()
	close(p.lines)
}

// await waits for a line of the node.
func (p *proc) await(ctx context.Context, event string) (line, error) {
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				return line{}, fmt.Errorf("%s ended before it said %q; it logged:\n%s", p.name, event, &p.log)
			}
			if l.Event == event {
				return l, nil
			}
		case <-ctx.Done():
			return line{}, fmt.Errorf("%s did not say %q in time; it logged:\n%s", p.name, event, &p.log)
		}
	}
}

// kill ends the process without a word.
func (p *proc) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// end makes sure that the process is gone.
func (p *proc) end() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.kill()
	}
}

// stop asks the node to end and demands that nothing of it is left.
func (p *proc) stop(ctx context.Context) (line, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return line{}, err
	}
	closed, err := p.await(ctx, "closed")
	if err != nil {
		return closed, err
	}
	<-p.exited
	if p.err != nil {
		return closed, fmt.Errorf("%s: %w; it logged:\n%s", p.name, p.err, &p.log)
	}
	l := closed.Leftovers
	if l.Abandoned+l.Leases+l.Conns+l.Streams+l.Tasks+closed.Ours+closed.Timers+closed.Hooks != 0 {
		return closed, fmt.Errorf("%s left something behind: %+v, %d goroutines, %d timers, %d hooks", p.name, l, closed.Ours, closed.Timers, closed.Hooks)
	}
	return closed, nil
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
	out, err := p.do(ctx, "status", "--dir", p.dir, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &b)
	}
	return b, err
}

// call makes a call from the node and returns the answer and how long it took.
func (p *proc) call(ctx context.Context, service, data string, more ...string) (string, time.Duration, error) {
	begun := time.Now()
	out, err := p.do(ctx, append([]string{"call", service, "--dir", p.dir, "--data", data}, more...)...)
	return strings.TrimSpace(out), time.Since(begun), err
}
