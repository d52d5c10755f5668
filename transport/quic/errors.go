package quic

import (
	"errors"
	"fmt"

	"github.com/quic-go/quic-go"

	"github.com/maculamesh/macula/transport"
)

const (
	maxCode = 1<<62 - 1 // what a QUIC variable-length integer holds

	// refusedCode is how we refuse a connection whose handshake is complete.
	// quic-go has no means to send CONNECTION_REFUSED then, except when its
	// own accept queue overflows.
	refusedCode = maxCode
)

// connError returns an error of transport for what ended a connection, during
// its handshake or after it.
func connError(err error) error {
	var (
		app      *quic.ApplicationError
		tr       *quic.TransportError
		versions *quic.VersionNegotiationError
		idle     *quic.IdleTimeoutError
		slow     *quic.HandshakeTimeoutError
	)
	switch {
	case errors.As(err, &app):
		if app.Remote && app.ErrorCode == refusedCode {
			return transport.ErrRefused
		}
		return &transport.CloseError{Code: transport.Code(app.ErrorCode), Reason: app.ErrorMessage, Remote: app.Remote}
	case errors.As(err, &tr):
		return transportError(tr)
	case errors.As(err, &idle):
		return transport.ErrIdleTimeout
	case errors.As(err, &slow):
		return transport.ErrHandshakeTimeout
	case errors.As(err, &versions):
		return fmt.Errorf("%w: %w", transport.ErrHandshake, err)
	case errors.Is(err, quic.ErrTransportClosed):
		return transport.ErrClosed
	}
	return fmt.Errorf("%w: %w", transport.ErrBroken, err)
}

// transportError is connError for what QUIC itself ends a connection with.
func transportError(err *quic.TransportError) error {
	switch {
	case err.Remote && err.ErrorCode == quic.ConnectionRefused:
		return transport.ErrRefused
	case err.ErrorCode.IsCryptoError(), err.ErrorCode == quic.ApplicationErrorErrorCode:
		// The second is what a close looks like that was sent before the
		// handshake was complete: its code and reason are withheld.
		return fmt.Errorf("%w: %w", transport.ErrHandshake, err)
	}
	return fmt.Errorf("%w: %w", transport.ErrBroken, err)
}

// dialError is connError for a dial that failed.
func dialError(err error) error {
	err = connError(err)
	switch {
	case errors.Is(err, transport.ErrIdleTimeout):
		return transport.ErrHandshakeTimeout
	case errors.Is(err, transport.ErrBroken):
		return fmt.Errorf("%w: %w", transport.ErrHandshake, err)
	}
	return err
}

// wireCode checks that a code can travel. It panics here, in the task that
// made the mistake, because quic-go would in the one of the connection.
func wireCode(code transport.Code) transport.Code {
	if code > maxCode {
		panic(fmt.Sprintf("quic: the code %#x is over 2^62-1", uint64(code)))
	}
	return code
}
