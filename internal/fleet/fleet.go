// Package fleet plays one story on four real nodes, wherever they run: they
// find each other and call each other by name, one is killed and comes back,
// one is cut off and comes back, and all are restarted one after the other
// under load. A Stage is where they run: containers, or processes in network
// namespaces of this machine.
package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/maculamesh/macula/client"
)

// Size is the number of nodes. They are counted from 0 and called n1 to n4.
const Size = 4

// Realm is that of the fleet.
const Realm = "org.example.mesh"

// port is where each node listens on its own address.
const port = 4433

// What deploy/mesh-init.sh lets the nodes provide, beside demo.n1 to demo.n4
// of each of them.
const (
	ofAll  = "demo.echo"
	ofSome = "demo.some" // of n3 and n4: n1 and n2 have to call over the network
)

// Stage is where four nodes run. Its methods are for one goroutine, but Exec
// and Gateway; all but Gateway block, at most until ctx ends.
type Stage interface {
	// Exec runs maculanode at a node and returns what it prints. The error of
	// a command that failed is an *exec.ExitError with its exit code.
	Exec(ctx context.Context, node int, args ...string) ([]byte, error)
	// Kill ends a node without a word, and Start starts it again.
	Kill(ctx context.Context, node int) error
	Start(ctx context.Context, node int) error
	// Restart asks a node to end, waits for it, and starts it again. The
	// process has to end by itself and with exit code 0.
	Restart(ctx context.Context, node int) error
	// Cut takes a node off the network and Heal puts it back; it goes on
	// running and has the same address afterwards.
	Cut(ctx context.Context, node int) error
	Heal(ctx context.Context, node int) error
	// Gateway is where a client of this process reaches a node.
	Gateway(node int) client.Gateway
}

// Name is what a node is called.
func Name(node int) string { return fmt.Sprintf("n%d", node+1) }

// own is the service that only this node provides.
func own(node int) string { return "demo." + Name(node) }

// Root is the folder of the module that the process stands in, or an error.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "mesh-init.sh")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("this is not inside the tree: there is no deploy/mesh-init.sh above")
		}
		dir = up
	}
}

// command runs a program to its end and returns what it prints; the error has
// what it said on standard error.
func command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return out.Bytes(), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// exitCode is that of the program that err is about, or -1.
func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

// status is what the story reads of maculanode status --json.
type status struct {
	Ready    bool   `json:"ready"`
	NotReady string `json:"not_ready"`
	Pool     struct {
		Now int `json:"now"`
	} `json:"pool"`
}

func statusOf(ctx context.Context, s Stage, node int) (st status, err error) {
	out, err := s.Exec(ctx, node, "status", "--json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(out, &st)
}

// until asks again and again until what returns nil, and returns its last
// error when that took longer than limit.
func until(ctx context.Context, limit time.Duration, what func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := what(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, last)
		}
	}
}
