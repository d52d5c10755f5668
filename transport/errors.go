package transport

import (
	"errors"
	"fmt"
)

// Errors of the transport itself. Compare with errors.Is.
var (
	ErrClosed           = errors.New("transport closed")
	ErrIdleTimeout      = errors.New("idle timeout: nothing heard from the peer")
	ErrHandshakeTimeout = errors.New("handshake timeout")
	ErrRefused          = errors.New("connection refused")
	ErrPeerMismatch     = errors.New("the peer is not who was dialled")
	ErrHandshake        = errors.New("handshake failed")
	ErrBroken           = errors.New("connection broken") // by a violation of the protocol or an error of the socket
)

// CloseError says that CloseWithError ended the connection.
type CloseError struct {
	Code   Code
	Reason string
	Remote bool // the peer closed it, not we
}

// Error implements error.
func (e *CloseError) Error() string {
	who := "closed here"
	if e.Remote {
		who = "closed by the peer"
	}
	if e.Reason == "" {
		return fmt.Sprintf("connection %s (code %d)", who, e.Code)
	}
	return fmt.Sprintf("connection %s (code %d): %s", who, e.Code, e.Reason)
}

// StreamError says that one half of a stream was given up.
type StreamError struct {
	Code   Code
	Remote bool // the peer gave it up, not we
}

// Error implements error.
func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stream reset by the peer (code %d)", e.Code)
	}
	return fmt.Sprintf("stream reset here (code %d)", e.Code)
}
