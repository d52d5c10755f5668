package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/maculamesh/macula/client"
)

// What the stage makes on this machine. Everything else is inside the
// namespaces: also the bridge, so that no rule of the machine's firewall is
// between the nodes.
const (
	spacePrefix = "macula-fleet-"
	hub         = spacePrefix + "hub"
	uplink      = "macula-fleet0" // of this process; goes with the hub
)

// subnet returns the address of a node in the stage's network, and of this
// process for Size.
func subnet(node int) netip.Addr { return netip.AddrFrom4([4]byte{10, 213, 77, byte(10 + node)}) }

// Netns is a Stage of processes, each in a network namespace of its own,
// connected by a bridge. It needs root and the command ip. There is one on a
// machine at a time.
type Netns struct {
	bin   string
	dir   string
	lock  *os.File
	nodes [Size]*proc
	gates [Size]client.Gateway
}

var _ Stage = (*Netns)(nil)

// NewNetns makes the network and starts the nodes, with the program bin and
// data directories in dir. What an earlier run has left behind it removes
// first. Call Close, also after an error.
func NewNetns(ctx context.Context, bin, dir string) (*Netns, error) {
	s := &Netns{bin: bin, dir: dir}
	if err := s.alone(); err != nil {
		return s, err
	}
	if err := s.clean(ctx); err != nil {
		return s, err
	}
	if err := s.network(ctx); err != nil {
		return s, err
	}
	var names []string
	for n := range Size {
		names = append(names, Name(n)+"="+subnet(n).String())
	}
	if err := prepare(ctx, []string{"MACULANODE=" + bin}, dir, names...); err != nil {
		return s, err
	}
	for n := range Size {
		var err error
		if s.gates[n], err = gateway(dir, n, subnet(n)); err != nil {
			return s, err
		}
		if err := s.Start(ctx, n); err != nil {
			return s, err
		}
	}
	return s, nil
}

// alone makes sure that there is no other stage on this machine. The lock
// goes with the process.
func (s *Netns) alone() error {
	name := filepath.Join(os.TempDir(), "macula-fleet.lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("another fleet is on this machine: wait for it (%s: %w)", name, err)
	}
	s.lock = f
	return nil
}

// clean ends every process in the stage's namespaces and removes them. With
// the lock they are those of a run that has crashed, or ours.
func (s *Netns) clean(ctx context.Context) error {
	out, err := ip(ctx, "netns", "list")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		space, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(space, spacePrefix) {
			continue
		}
		pids, err := ip(ctx, "netns", "pids", space)
		if err != nil {
			return err
		}
		for _, text := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(text); err == nil && pid > 1 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if _, err := ip(ctx, "netns", "del", space); err != nil {
			return err
		}
	}
	// A namespace whose processes are only just dying keeps its end of this.
	if _, err := ip(ctx, "link", "show", uplink); err == nil {
		_, err = ip(ctx, "link", "del", uplink)
		return err
	}
	return nil
}

func (s *Netns) network(ctx context.Context) error {
	steps := [][]string{
		{"netns", "add", hub},
		{"-n", hub, "link", "add", "br0", "type", "bridge"},
		{"-n", hub, "link", "set", "br0", "up"},
		{"link", "add", uplink, "type", "veth", "peer", "name", "up0", "netns", hub},
		{"-n", hub, "link", "set", "up0", "master", "br0", "up"},
		{"addr", "add", subnet(Size).String() + "/24", "dev", uplink},
		{"link", "set", uplink, "up"},
	}
	for n := range Size {
		space, cable := spacePrefix+Name(n), Name(n)
		steps = append(steps, [][]string{
			{"netns", "add", space},
			{"-n", space, "link", "set", "lo", "up"},
			{"-n", hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space},
			{"-n", hub, "link", "set", cable, "master", "br0", "up"},
			{"-n", space, "addr", "add", subnet(n).String() + "/24", "dev", "eth0"},
			{"-n", space, "link", "set", "eth0", "up"},
		}...)
	}
	for _, args := range steps {
		if _, err := ip(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func ip(ctx context.Context, args ...string) ([]byte, error) { return command(ctx, nil, "ip", args...) }

// Close ends the nodes and removes the network.
func (s *Netns) Close(ctx context.Context) error {
	var errs []error
	for _, p := range s.nodes {
		if p != nil {
			errs = append(errs, p.kill(ctx))
		}
	}
	if s.lock != nil {
		errs = append(errs, s.clean(ctx), s.lock.Close())
	}
	return errors.Join(errs...)
}

// Logs is the end of what each node has logged.
func (s *Netns) Logs() string {
	var b strings.Builder
	for n := range Size {
		data, err := os.ReadFile(s.log(n))
		if err == nil {
			fmt.Fprintf(&b, "--- %s\n%s\n", Name(n), data[max(0, len(data)-4096):])
		}
	}
	return b.String()
}

func (s *Netns) data(node int) string { return filepath.Join(s.dir, Name(node)) }
func (s *Netns) log(node int) string  { return filepath.Join(s.dir, Name(node)+".log") }

// Exec implements Stage. The control socket is a file, for which no namespace
// counts.
func (s *Netns) Exec(ctx context.Context, node int, args ...string) ([]byte, error) {
	return command(ctx, []string{"MACULA_DIR=" + s.data(node)}, s.bin, args...)
}

// Start implements Stage. It returns when the process runs.
func (s *Netns) Start(_ context.Context, node int) error {
	log, err := os.OpenFile(s.log(node), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("ip", "netns", "exec", spacePrefix+Name(node), s.bin, "run", "--dir", s.data(node))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &proc{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	s.nodes[node] = p
	return nil
}

// Kill implements Stage.
func (s *Netns) Kill(ctx context.Context, node int) error { return s.nodes[node].kill(ctx) }

// Restart implements Stage.
func (s *Netns) Restart(ctx context.Context, node int) error {
	if err := s.nodes[node].stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx, node)
}

// Cut implements Stage: it pulls the cable. Nothing is said to anybody, and
// whatever the node sends is lost.
func (s *Netns) Cut(ctx context.Context, node int) error {
	_, err := ip(ctx, "-n", hub, "link", "set", Name(node), "down")
	return err
}

// Heal implements Stage.
func (s *Netns) Heal(ctx context.Context, node int) error {
	_, err := ip(ctx, "-n", hub, "link", "set", Name(node), "up")
	return err
}

// Gateway implements Stage.
func (s *Netns) Gateway(node int) client.Gateway { return s.gates[node] }

// proc is a process of a node: ip, which becomes maculanode.
type proc struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait; read after ended
}

// stopping is longer than a node drains.
const stopping = 45 * time.Second

// stop asks the process to end and waits until it has done so by itself.
func (p *proc) stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopping)
	defer cancel()
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("the process has not ended: %w", ctx.Err())
	}
}

func (p *proc) kill(ctx context.Context) error {
	p.cmd.Process.Kill() // fails when it has ended
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
