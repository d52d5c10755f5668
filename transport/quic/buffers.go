package quic

import (
	"log/slog"
	"net/netip"
)

// Buffers opens a UDP socket on a free port for a moment and returns how large
// the system lets its buffers grow, and what New asks for, in bytes. It is for
// checks of a machine; New itself logs when it gets less.
func Buffers() (receive, send, wanted int, err error) {
	udp, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, 0, wantedBuffer, err
	}
	defer udp.Close()
	receive, send = growBuffers(udp, wantedBuffer)
	return receive, send, wantedBuffer, nil
}
