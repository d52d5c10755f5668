package wire

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// Bounds of durations on the wire.
const (
	MaxBudget     = 24 * time.Hour // remaining time of a call; a longer one is cut
	MaxRetryAfter = time.Hour      // a longer one is cut by both sides: nobody sends a peer away for good
	MaxTTL        = time.Duration(1<<32-1) * time.Millisecond
)

// begin appends the header of a frame whose length is not known yet.
func begin(dst []byte, kind byte) []byte { return append(dst, 0, 0, 0, 0, kind) }

// finish fills in the length of the frame that starts at start.
func finish(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendText appends a string with its length in one byte. A longer one is a
// bug of the caller.
func appendText(dst []byte, s string, limit int) []byte {
	if len(s) > limit {
		panic("macula bug: wire: a string longer than its limit: " + s[:limit])
	}
	return append(append(dst, byte(len(s))), s...)
}

// appendFree appends text that may be cut.
func appendFree(dst []byte, s string, limit int) []byte {
	return appendText(dst, clip(s, limit), limit)
}

// clip makes s valid UTF-8 of at most limit bytes, cut between characters.
func clip(s string, limit int) string {
	if len(s) > limit {
		end := limit
		for end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	if utf8.ValidString(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "?")
	return s
}

func appendMillis(dst []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(dst, millis(d))
}

// millis rounds up, so that a short time does not become none, and saturates.
func millis(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32((min(d, MaxTTL) + time.Millisecond - 1) / time.Millisecond)
}

func retryMillis(d time.Duration) uint32 { return millis(min(d, MaxRetryAfter)) }

// appendAddr appends the length of an IP address (0, 4 or 16), its bytes and
// the port. An address that is not valid has length 0 and no port.
func appendAddr(dst []byte, a transport.Addr) []byte {
	if !a.IsValid() {
		return append(dst, 0)
	}
	ip := a.Addr().Unmap()
	if ip.Is4() {
		b := ip.As4()
		dst = append(append(dst, 4), b[:]...)
	} else {
		b := ip.As16()
		dst = append(append(dst, 16), b[:]...)
	}
	return binary.BigEndian.AppendUint16(dst, a.Port())
}

// wireKind is the number of a kind in a frame that tells of a failure.
func wireKind(k fault.Kind) uint16 { return uint16(known(k)) }

// known maps kinds that mean nothing to a receiver to Internal.
func known(k fault.Kind) fault.Kind {
	if k == fault.Other || k > fault.Application {
		return fault.Internal
	}
	return k
}

// cursor reads the fields of a frame. After the first mistake it yields
// zeros, and end reports the mistake.
type cursor struct {
	b    []byte
	what string // the mistake, for a person
	name error  // of kind Invalid: the format is right, a name is not
}

func (c *cursor) fail(what string) {
	if c.what == "" {
		c.what, c.b = what, nil
	}
}

func (c *cursor) take(n int, field string) []byte {
	if len(c.b) < n {
		c.fail("it ends inside " + field)
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u8(field string) byte {
	if b := c.take(1, field); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16(field string) uint16 {
	if b := c.take(2, field); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32(field string) uint32 {
	if b := c.take(4, field); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64(field string) uint64 {
	if b := c.take(8, field); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) peer(field string) (id transport.PeerID) {
	copy(id[:], c.take(peerSize, field))
	return id
}

func (c *cursor) millis(field string) time.Duration {
	return time.Duration(c.u32(field)) * time.Millisecond
}

func (c *cursor) retryAfter() time.Duration { return min(c.millis("retry-after"), MaxRetryAfter) }

func (c *cursor) kind() fault.Kind { return known(fault.Kind(c.u16("kind"))) }

// text returns the bytes of a string, a part of the frame.
func (c *cursor) text(field string) []byte { return c.take(int(c.u8(field)), field) }

func (c *cursor) serviceName() string {
	b := c.text("the name")
	if c.what == "" && c.name == nil {
		c.name = validName(b)
	}
	return string(b)
}

func (c *cursor) addr(field string) (a transport.Addr) {
	switch n := c.u8(field); n {
	case 0:
	case 4, 16:
		ip, ok := netip.AddrFromSlice(c.take(int(n), field))
		port := c.u16(field)
		if ok && ip.Is4In6() {
			c.fail("an IPv4 address is spelled as IPv6 in " + field)
		}
		a = netip.AddrPortFrom(ip, port)
	default:
		c.fail("an IP address has neither 4 nor 16 bytes in " + field)
	}
	return a
}

// end checks that nothing is left and returns what was wrong, or nil.
func (c *cursor) end(frame string) error {
	if len(c.b) > 0 {
		c.fail("it has bytes after its end")
	}
	if c.what != "" {
		return fault.New("wire", fault.Protocol, "malformed %s frame: %s", frame, c.what)
	}
	return c.name
}
