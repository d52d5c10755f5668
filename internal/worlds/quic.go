package worlds

import (
	"net"

	"github.com/maculamesh/macula/internal/livequic"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/sim/live"
)

// Loopback returns a world on the system clock whose machines speak QUIC over
// sockets of the loopback interface. It must be closed.
func Loopback(seed uint64) *live.World {
	return live.New(live.Config{Seed: seed, Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: livequic.Transports{}})
}

// Bubble returns a world whose machines speak QUIC over simulated packets. It
// is made, played and closed in one bubble of testing/synctest. Every packet
// that leaves a machine is written into rec, which may be nil.
func Bubble(seed uint64, rec *Record) *live.World {
	var t livequic.Transports
	if rec != nil {
		t.Wrap = func(conn net.PacketConn) net.PacketConn { return &recorded{conn, rec} }
	}
	return live.New(live.Config{Seed: seed, Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: t, InProcess: true})
}
