package quic

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// wantedBuffer is what quic-go wants of either buffer of the socket: 7 MiB,
// with which a packet burst of a gigabit link survives 50 ms without the
// processor.
const wantedBuffer = 7 << 20

// bind opens the UDP socket.
func bind(addr netip.AddrPort, log *slog.Logger) (*net.UDPConn, error) {
	network := "udp"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	udp, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	switch {
	case err == nil:
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("quic: UDP %v is in use by another process: %w", addr, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("quic: no permission to bind UDP %v (ports below 1024 need a privilege): %w", addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("quic: UDP %v is no address of this machine: %w", addr, err)
	default:
		return nil, fmt.Errorf("quic: binding UDP %v: %w", addr, err)
	}
	receive, send := growBuffers(udp, wantedBuffer)
	if receive < wantedBuffer || send < wantedBuffer {
		log.Warn("the UDP buffers are small, bursts will lose packets; as root: sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000",
			"receive_bytes", receive, "send_bytes", send, "wanted_bytes", wantedBuffer)
		// quic-go tries again and prints the same to standard error. It has
		// no other switch.
		os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	}
	return udp, nil
}
