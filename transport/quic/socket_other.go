//go:build !linux

package quic

import "net"

// growBuffers raises both buffers of the socket to size. What the system made
// of it is not known here.
func growBuffers(udp *net.UDPConn, size int) (receive, send int) {
	if udp.SetReadBuffer(size) == nil {
		receive = size
	}
	if udp.SetWriteBuffer(size) == nil {
		send = size
	}
	return receive, send
}
