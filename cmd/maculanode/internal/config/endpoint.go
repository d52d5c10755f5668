package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

// Endpoint is a host, by name or by address, and a UDP port. An empty host is
// every address of this machine.
type Endpoint struct {
	Host string
	Port uint16
}

// String is HOST:PORT.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// Literal returns the address when no name has to be looked up for it.
func (e Endpoint) Literal() (netip.AddrPort, bool) {
	if e.Host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), e.Port), true
	}
	a, err := netip.ParseAddr(e.Host)
	return netip.AddrPortFrom(a, e.Port), err == nil
}

// Loopback reports whether only this machine can connect to e.
func (e Endpoint) Loopback() bool {
	if a, ok := e.Literal(); ok {
		return a.Addr().IsLoopback()
	}
	return strings.EqualFold(e.Host, "localhost")
}

// ParseEndpoint reads HOST:PORT.
func ParseEndpoint(text string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		var a *net.AddrError
		switch {
		case net.ParseIP(text) != nil && strings.Contains(text, ":"):
			return Endpoint{}, fmt.Errorf("%q lacks a port: an IPv6 address with one is [%s]:%d", text, text, DefaultPort)
		case errors.As(err, &a) && strings.Contains(a.Err, "missing port"):
			return Endpoint{}, fmt.Errorf("%.100q lacks a port, for example %s:%d", text, shown(text), DefaultPort)
		}
		return Endpoint{}, fmt.Errorf("%.100q is not HOST:PORT", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%.100q has the port %.100q, which is not a number from 0 to 65535", text, port)
	}
	if a, err := netip.ParseAddr(host); err != nil && !validHost(host) || wire.Printable(a.Zone()) != a.Zone() {
		return Endpoint{}, fmt.Errorf("%.100q has the host %.100q, which is neither an address nor a host name", text, host)
	}
	return Endpoint{Host: host, Port: uint16(n)}, nil
}

// validHost accepts what a resolver may be asked for. What consists of digits
// and dots only is an address with a mistake in it.
func validHost(host string) bool {
	if host == "" {
		return true
	}
	letters := false
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			letters = true
		case '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return letters && len(host) <= 253
}

// shown is text as it may stand in a message without quotes: in one line, and
// not all of what is long.
func shown(text string) string { return wire.Shown(text, maxShown) }

const maxShown = 300 // bytes

// plain returns the text of a fault without the operation in front of it: the
// user sees where the value stands.
func plain(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Detail != "" && f.Err == nil {
		return errors.New(f.Detail)
	}
	return err
}
