package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/maculamesh/macula/load/churn"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// world is where the load lives: goroutines of this process, and a UDP socket
// for every party.
type world struct {
	r    *realrt.Runtime
	seed string // of the keys
}

func newWorld(seed string) *world {
	// quic-go says that it cannot grow the buffers of a socket that is not its
	// own. They need not be large for one client.
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	return &world{r: realrt.New(realrt.Config{}), seed: seed}
}

// Runtime implements churn.World.
func (w *world) Runtime() rt.Runtime { return w.r }

// Seat implements churn.World.
func (w *world) Seat(string) churn.Seat { return &seat{w: w} }

// seat is a place for one party at a time. Only the task of its chair uses it.
type seat struct {
	w    *world
	conn *mutable
}

// Runtime implements churn.Seat.
func (s *seat) Runtime() rt.Runtime { return s.w.r }

// Enter implements churn.Seat.
func (s *seat) Enter(name string) (transport.Transport, transport.PeerID, error) {
	tr, conn, err := s.w.socket(name)
	if err != nil {
		return nil, transport.PeerID{}, err
	}
	s.conn = conn
	return tr, tr.ID(), nil
}

// Do implements churn.Seat. Nothing strikes a seat of this world but its own
// party.
func (s *seat) Do(_ string, f func()) bool {
	f()
	return true
}

// Strike implements churn.Seat.
func (s *seat) Strike(clear func()) {
	if s.conn != nil {
		s.conn.mute.Store(true)
	}
	clear()
}

// socket opens a transport with the key that belongs to a name.
func (w *world) socket(name string) (*quic.Transport, *mutable, error) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	conn := &mutable{UDPConn: udp}
	seed := sha256.Sum256([]byte(w.seed + "/" + name))
	tr, err := quic.New(quic.Config{Key: ed25519.NewKeyFromSeed(seed[:]), Conn: conn, Clock: w.r})
	if err != nil {
		udp.Close()
	}
	return tr, conn, err
}

// mutable is a socket that can be made to lose whatever is sent from it.
type mutable struct {
	*net.UDPConn
	mute atomic.Bool
}

// WriteTo implements net.PacketConn.
func (m *mutable) WriteTo(b []byte, addr net.Addr) (int, error) {
	if m.mute.Load() {
		return len(b), nil
	}
	return m.UDPConn.WriteTo(b, addr)
}

// WriteMsgUDP is what quic-go sends with when the socket has it.
func (m *mutable) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (int, int, error) {
	if m.mute.Load() {
		return len(b), len(oob), nil
	}
	return m.UDPConn.WriteMsgUDP(b, oob, addr)
}

// parseAddr reads the address that a node says it listens on.
func parseAddr(text string) (transport.Addr, error) { return netip.ParseAddrPort(text) }
