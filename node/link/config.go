package link

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config holds what is the same for every link of a node. Zero fields take
// the default that is named beside them.
type Config struct {
	Self        transport.PeerID // our own id
	Realm       string           // both ends must name the same one
	Listen      []string         // where we can be dialled, told to the peer; empty when nowhere
	Incarnation uint64           // tells two runs of one id apart

	HelloTimeout time.Duration // from the end of the handshake to admission; 5 s, as a dial has
	FirstByte    time.Duration // an accepted stream that says nothing for this long is reset; 5 s
	WriteTimeout time.Duration // a peer that takes less than 16 KiB, or all that waits, in this time loses the link; 10 s
	DrainTimeout time.Duration // a GOAWAY that is not acknowledged for this long ends the link, when no call is in flight; 2 s: many round trips
	MaxCalls     int           // calls that the peer may have in flight here; 1024: told in the hello
	MaxBody      int           // bytes of one request or reply; 1 MiB
	SmallBody    int           // bodies up to this share a stream; 16 KiB, and no more: they would delay each other
	QueueBytes   int           // frames waiting to be written on one stream; 256 KiB: the connection window
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.HelloTimeout = cmp.Or(c.HelloTimeout, 5*time.Second)
	c.FirstByte = cmp.Or(c.FirstByte, 5*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 2*time.Second)
	c.MaxCalls = cmp.Or(c.MaxCalls, 1024)
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.SmallBody = cmp.Or(c.SmallBody, wire.MaxSmall)
	c.SmallBody = min(c.SmallBody, wire.MaxSmall)
	c.QueueBytes = cmp.Or(c.QueueBytes, 256<<10)
	return c
}

// Deps is the world of a link.
type Deps struct {
	Runtime rt.Runtime
	Ledger  *ledger.Ledger
	Log     *slog.Logger
	Server  Server       // answers the peer's calls
	Buffers *Buffers     // shared by all links; nil makes one for each
	Totals  *Totals      // counted by all links; nil makes one for each
	Mark    func(string) // told when something rare happened, so that tests know that it did; may be nil
}

func (d *Deps) mark(name string) {
	if d.Mark != nil {
		d.Mark(name)
	}
}
