package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// connectTimeout bounds the connection to the socket of this machine, and
// writeTimeout the request: a node takes it at once or hangs.
const (
	connectTimeout = 5 * time.Second
	writeTimeout   = 10 * time.Second
)

// Session is one request in progress.
type Session struct {
	conn net.Conn
	stop func() bool
	ctx  context.Context
}

// Open sends a request to the node behind path. The end of ctx ends the
// session, and with it what was asked for. The error is Unreachable when no
// node answers there.
func Open(ctx context.Context, path string, req *Request) (*Session, error) {
	d := net.Dialer{Timeout: connectTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, unreachable(path, err)
	}
	s := &Session{conn: conn, ctx: ctx}
	s.stop = context.AfterFunc(ctx, func() { conn.Close() })
	conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := write(conn, req); err != nil && fault.KindOf(err) == fault.TooLarge {
		s.Close()
		return nil, err
	}
	// Another failure to write is explained by what can still be read.
	return s, nil
}

func unreachable(path string, err error) error {
	e := &fault.Error{Kind: fault.Unreachable}
	switch {
	case errors.Is(err, fs.ErrNotExist) && missing(filepath.Dir(path)):
		e.Detail = fmt.Sprintf("there is no directory %s, so no node runs there: name another with --dir or --control", filepath.Dir(path))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = fmt.Sprintf("no node is running behind %s: start one with \"maculanode run\", or name another with --dir or --control", path)
	case errors.Is(err, fs.ErrPermission):
		e.Detail = fmt.Sprintf("the control socket %s belongs to somebody else: run this as the user of the node", path)
	default:
		e.Detail = fmt.Sprintf("the control socket %s cannot be used: %v", path, err)
	}
	return e
}

// Next waits for the next answer. A failure of the node is an error with its
// kind; Unreachable means that the node ended without a word.
func (s *Session) Next() (*Response, error) {
	var resp Response
	err := read(s.conn, &resp)
	switch {
	case s.ctx.Err() != nil:
		return nil, context.Cause(s.ctx)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return nil, fault.New("", fault.Unreachable, "the node has ended")
	case err != nil:
		return nil, err
	}
	if err := resp.Error.Err(); err != nil {
		return nil, err
	}
	return &resp, nil
}

// Close ends the session.
func (s *Session) Close() {
	s.stop()
	s.conn.Close()
}

// Do sends a request and waits for its answer.
func Do(ctx context.Context, path string, req *Request) (*Response, error) {
	s, err := Open(ctx, path, req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Next()
}

func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}
