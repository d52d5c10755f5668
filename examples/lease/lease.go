// Package lease lets one of several clients do something at a time: a server
// grants a lease, and whoever has it may believe so until the lease ends.
//
// It is an example of a protocol that knows nothing of macula's node and
// nothing of the simulator: it is written against rt, transport and store, and
// the same code runs over QUIC and in simulation. Folder leasesim simulates it.
//
// Two things make a lease safe (Gray and Cheriton, "Leases", SOSP 1989). The
// client counts from the moment at which it asked, which is before the server
// counted, and it gives up a tenth before the end, because clocks do not run
// alike. And each lease has a fencing token, greater than all before it, which
// what the lease protects can compare. The server keeps the latest one on disk.
package lease

import (
	"cmp"
	"encoding/binary"
	"io"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config is the same at the server and at its clients.
type Config struct {
	TTL time.Duration // how long a lease lasts; 10 s: long beside a slow disk, short beside the patience of people
	Bug Bug           // a mistake to make on purpose; None
}

// Bug is a mistake that the example can make, to be found in simulation.
type Bug int

// The mistakes.
const (
	None             Bug = iota
	CountFromAnswer      // a client counts its lease from the answer instead of from the question
	AnswerBeforeSync     // the server answers before the token is on disk
)

// Deps are the world of a server or a client.
type Deps struct {
	Runtime   rt.Runtime
	Transport transport.Transport
	Log       *slog.Logger
	Mark      func(what string) // is told of rare things; may be nil
}

func (c Config) withDefaults() Config {
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
	return c
}

// safe is for how long a client may believe in a lease of ttl after it asked:
// clocks that differ by less than a tenth do no harm.
func safe(ttl time.Duration) time.Duration { return ttl - ttl/10 }

func (d *Deps) mark(what string) {
	if d.Mark != nil {
		d.Mark(what)
	}
}

// message is a question or an answer, on the stream that a client opens.
type message struct {
	token uint64        // of the lease that the client has, or that it has now; 0 is none
	left  time.Duration // of an answer: for how long it goes on, or that of somebody else does
}

func write(w io.Writer, m message) error {
	b := binary.BigEndian.AppendUint64(nil, m.token)
	_, err := w.Write(binary.BigEndian.AppendUint64(b, uint64(m.left)))
	return err
}

func read(r io.Reader) (message, error) {
	var b [16]byte
	_, err := io.ReadFull(r, b[:])
	return message{binary.BigEndian.Uint64(b[:]), time.Duration(binary.BigEndian.Uint64(b[8:]))}, err
}
