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

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// proc is a maculanode process with a data directory of its own.
type proc struct {
	bin  string
	name string
	dir  string
	text string // its id, printed
	id   transport.PeerID
	addr transport.Addr

	cmd    *exec.Cmd
	lines  chan line
	log    tail
	exited chan struct{}
	err    error // of Wait; read after exited
}

// line is a line of JSON that maculanode run prints.
type line struct {
	Event string
	Addr  string
	Clean bool
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

// newProc makes the data directory, the key and the configuration of a node.
func newProc(ctx context.Context, bin, dir, name, config string) (*proc, error) {
	p := &proc{bin: bin, name: name, dir: filepath.Join(dir, name), lines: make(chan line, 4), exited: make(chan struct{})}
	if _, err := p.do(ctx, "init", "--dir", p.dir, "--realm", realm); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "maculanode.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	id, err := p.do(ctx, "id", "--dir", p.dir)
	if err != nil {
		return nil, err
	}
	p.text = strings.TrimSpace(id)
	p.id, err = ident.Parse(p.text)
	return p, err
}

// commandTimeout bounds a command that looks at a node: one that does not
// answer for so long hangs.
const commandTimeout = 30 * time.Second

// do runs another verb of maculanode to its end and returns what it prints.
func (p *proc) do(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("maculanode %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// start runs the node and waits until it is ready. A signal that the terminal
// sends to all is not meant for it.
func (p *proc) start(ctx context.Context) error {
	p.cmd = exec.Command(p.bin, "run", "--dir", p.dir, "--json")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
	if err != nil {
		return err
	}
	p.addr, err = parseAddr(ready.Addr)
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

// await waits for a line of the node, for a minute at most.
func (p *proc) await(ctx context.Context, event string) (line, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
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

// dead says that the process has ended by itself.
func (p *proc) dead() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended: %v; it logged:\n%s", p.name, p.err, &p.log)
	default:
		return nil
	}
}

// end makes sure that the process is gone.
func (p *proc) end() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// stop asks the node to end and demands that nothing of it is left.
func (p *proc) stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	closed, err := p.await(ctx, "closed")
	if err != nil {
		return err
	}
	<-p.exited
	if p.err != nil || !closed.Clean {
		return fmt.Errorf("%s left something behind: %v; it logged:\n%s", p.name, p.err, &p.log)
	}
	return nil
}

func (p *proc) status(ctx context.Context) (st status, err error) {
	out, err := p.do(ctx, "status", "--dir", p.dir, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	return st, err
}

// sample reads what the node holds.
func (p *proc) sample(ctx context.Context, at time.Duration, phase string) (sample, status, error) {
	st, err := p.status(ctx)
	if err != nil {
		return sample{}, st, errors.Join(err, p.dead())
	}
	s := sampleOf(&st)
	s.At, s.Phase = at.Seconds(), phase
	if s.RSS, s.FDs, err = resident(p.cmd.Process.Pid); errors.Is(err, os.ErrNotExist) {
		err = nil // not Linux: the report says that there are none
	}
	return s, st, err
}
