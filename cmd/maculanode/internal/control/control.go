// Package control is the socket between a running node and the commands that
// look at it and use it.
//
// A connection carries one request and its answer. Every message is a frame:
// four bytes of length, most significant first, then JSON. A connection that
// advertises a service stays open for as long as the service lives.
//
// Whoever may open the socket may do what the node may do, so it belongs to
// the owner of the data directory alone.
package control

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

// The verbs.
const (
	VerbStatus    = "status"
	VerbCall      = "call"
	VerbAdvertise = "advertise"
	VerbWithdraw  = "withdraw"
	VerbCalls     = "calls"   // what is in flight
	VerbLookup    = "lookup"  // who provides a name
	VerbConfig    = "config"  // what the node runs with
	VerbReload    = "reload"  // read the configuration again
	VerbLimits    = "limits"  // show limits, or change them with Set
	VerbDrain     = "drain"   // take no more, finish what is there
	VerbMetrics   = "metrics" // what Prometheus would be told
	VerbProfile   = "profile" // a profile of the Go runtime, by Name
)

// The limits of the protocol.
const (
	// MaxBody is the largest body of a call or of its answer in bytes, that of
	// the mesh.
	MaxBody = 1 << 20
	// MaxFrame bounds a message in bytes: a body takes a third more in JSON.
	MaxFrame = 2 << 20
	// MaxListed bounds each list of a status; totals stand beside the lists.
	MaxListed = 1000
)

// Request is what a command asks. Which fields count depends on the verb.
type Request struct {
	Verb       string        `json:"verb"`
	Name       string        `json:"name,omitempty"`
	Body       []byte        `json:"body,omitempty"`
	Timeout    time.Duration `json:"timeout_ns,omitempty"` // of a call; zero: the node's default
	Idempotent bool          `json:"idempotent,omitempty"`
	HTTP       string        `json:"http,omitempty"` // the backend's URL; empty: echo
	TTL        time.Duration `json:"ttl_ns,omitempty"`
	Detach     bool          `json:"detach,omitempty"` // the service outlives the connection
	Set        []string      `json:"set,omitempty"`    // limits as KEY=VALUE
	For        time.Duration `json:"for_ns,omitempty"` // how long Set counts; zero: until the next one, a reload or the end
}

// Response is the answer. Of a failure only Error is set.
type Response struct {
	Error  *Failure `json:"error,omitempty"`
	Body   []byte   `json:"body,omitempty"`
	Status *Status  `json:"status,omitempty"`

	Calls    []Call    `json:"calls,omitempty"`
	Services []Service `json:"services,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
	Reload   *Reload   `json:"reload,omitempty"`
	Drained  *Drained  `json:"drained,omitempty"`
}

// Failure is an error on its way through the socket.
type Failure struct {
	Code       uint16        `json:"code"` // of fault.Kind
	Kind       string        `json:"kind"`
	Message    string        `json:"message"`
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
}

// failure describes err.
func failure(err error) *Failure {
	kind := fault.KindOf(err)
	return &Failure{Code: uint16(kind), Kind: kind.String(), Message: line(Text(err)), RetryAfter: fault.RetryAfter(err)}
}

// maxMessage bounds the text of a failure in bytes.
const maxMessage = 1024

// line makes one short line of a text, which may be that of a mesh peer or of
// a backend: it is shown on a terminal.
func line(text string) string { return wire.Shown(text, maxMessage) }

// Err is the error that the other end described.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	g := *f
	g.Message, g.RetryAfter = line(f.Message), max(f.RetryAfter, 0)
	return &remoteError{&g}
}

// remoteError keeps the text of the node, and its kind.
type remoteError struct{ f *Failure }

// Error implements error.
func (e *remoteError) Error() string { return e.f.Message }

// Unwrap gives fault.KindOf the kind and fault.RetryAfter the time.
func (e *remoteError) Unwrap() error {
	return &fault.Error{Kind: fault.Kind(e.f.Code), Detail: e.f.Message, RetryAfter: e.f.RetryAfter, Remote: true}
}

// write sends one message. The caller bounds it in time.
func write(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if len(data) > MaxFrame {
		return fault.New("control", fault.TooLarge, "a message of %d bytes is over the limit of %d", len(data), MaxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data)))
	_, err = w.Write(append(frame, data...))
	return err
}

// read receives one message. The length is checked before memory is taken,
// and memory grows with what arrives, not with what is announced. The caller
// bounds it in time.
func read(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return fault.New("control", fault.TooLarge, "a message of %d bytes is over the limit of %d", n, MaxFrame)
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(data) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fault.New("control", fault.Protocol, "the message is not understood: %v", err)
	}
	return nil
}
