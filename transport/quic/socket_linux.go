package quic

import (
	"net"
	"syscall"
)

// growBuffers raises both buffers of the socket to size, as far as it is
// permitted, and returns what they are then.
func growBuffers(udp *net.UDPConn, size int) (receive, send int) {
	raw, err := udp.SyscallConn()
	if err != nil {
		return 0, 0
	}
	raw.Control(func(fd uintptr) {
		receive = growBuffer(int(fd), syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE, size)
		send = growBuffer(int(fd), syscall.SO_SNDBUF, syscall.SO_SNDBUFFORCE, size)
	})
	return receive, send
}

// growBuffer sets option, or force, which passes the limit of the system but
// needs CAP_NET_ADMIN. The kernel doubles what is set, and reports it doubled.
func growBuffer(fd, option, force, size int) int {
	for _, o := range []int{option, force} {
		if now, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, option); err == nil && now >= size {
			return now
		}
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, o, size)
	}
	now, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return now
}
