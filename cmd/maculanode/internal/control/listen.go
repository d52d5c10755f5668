package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// Listen opens the socket at path for its owner only. A socket that a dead
// node left behind is replaced; that of a living one is refused: Overload. The
// error is Invalid when no socket can be there, whoever tries. The returned
// function frees what was taken and removes the socket; call it after the
// server was closed.
func Listen(path string) (net.Listener, func(), error) {
	if err := inDirectory(path); err != nil {
		return nil, nil, err
	}
	unlock, err := lock(path + ".lock")
	if errors.Is(err, errLocked) {
		return nil, nil, fault.New("", fault.Overload, "%s", running(path))
	}
	if err != nil {
		return nil, nil, &fault.Error{Kind: pathKind(err), Detail: fmt.Sprintf("the control socket %s cannot be locked", path), Err: err}
	}
	lis, err := listen(path)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return lis, func() {
		lis.Close()
		unlock()
	}, nil
}

func inDirectory(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New("", fault.Invalid, "the directory %s of the control socket does not exist: \"maculanode init\" makes the data directory, --control names another place", dir)
	case err != nil:
		return &fault.Error{Kind: pathKind(err), Detail: "the directory of the control socket", Err: err}
	case !info.IsDir():
		return fault.New("", fault.Invalid, "the control socket cannot be in %s: it is not a directory", dir)
	}
	return nil
}

// running says who holds the socket, as far as it answers.
func running(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	who := ""
	if resp, err := Do(ctx, path, &Request{Verb: VerbStatus}); err == nil && resp.Status != nil {
		who = fmt.Sprintf(" (process %d, id %s)", resp.Status.PID, resp.Status.ID)
	}
	return fmt.Sprintf("a node is already running with %s%s: stop it, or give this one another --dir", path, who)
}

// listen binds the socket. The lock is held, so whatever is at path is left
// over, if it is a socket.
func listen(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode()&fs.ModeSocket == 0:
		return nil, fault.New("", fault.Invalid, "there is something at %s that is not a socket: move it away, or choose another --control", path)
	case err == nil:
		if conn, err := net.DialTimeout("unix", path, connectTimeout); err == nil {
			conn.Close()
			return nil, fmt.Errorf("another program listens at %s: choose another --control", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, &fault.Error{Kind: pathKind(err), Detail: "the socket of a dead node cannot be removed", Err: err}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, &fault.Error{Kind: pathKind(err), Detail: "the control socket", Err: err}
	}
	lc := net.ListenConfig{Control: ownerOnly}
	lis, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, &fault.Error{Kind: pathKind(err), Detail: fmt.Sprintf("the control socket %s cannot be made", path), Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		lis.Close()
		return nil, fmt.Errorf("the control socket %s cannot be kept from others: %w", path, err)
	}
	return lis, nil
}
