// Package transport is the shape of macula's package transport.
package transport

import (
	"context"
	"io"
)

type Transport interface {
	Dial(ctx context.Context, addr string) (Conn, error)
	Close() error
}

type Listener interface {
	Accept(ctx context.Context) (Conn, error)
}

type Conn interface {
	OpenStream(ctx context.Context) (Stream, error)
	AcceptStream(ctx context.Context) (Stream, error)
	CloseWithError(code uint64, reason string) error
}

type Stream interface {
	io.Reader
	io.Writer
	CloseWrite() error
}
