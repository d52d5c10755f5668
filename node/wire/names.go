package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/maculamesh/macula/node/fault"
)

// ValidName checks the name of a service: segments of a-z, 0-9, '_' and '-',
// separated by '.' or '/', 1 to MaxName bytes in all. The error is a
// *fault.Error of kind Invalid that says what is wrong and where.
func ValidName(s string) error { return validName(s) }

// ValidRealm checks the name of a realm: reverse DNS, that is segments of
// a-z, 0-9 and '-', separated by '.', 1 to MaxRealm bytes in all. The error
// is a *fault.Error of kind Invalid that says what is wrong and where.
func ValidRealm(s string) error { return validRealm(s) }

// charset is a set of ASCII characters.
type charset struct{ lo, hi uint64 }

func (c charset) has(b byte) bool {
	if b < 64 {
		return c.lo>>b&1 != 0
	}
	return b < 128 && c.hi>>(b-64)&1 != 0
}

const (
	digits  uint64 = 0x3ff << '0'
	letters uint64 = 0x3ffffff << ('a' - 64)
)

func validName[S string | []byte](s S) error {
	return validSegments(s, "service name", MaxName,
		charset{lo: digits | 1<<'-', hi: letters | 1<<('_'-64)}, charset{lo: 1<<'.' | 1<<'/'},
		"a-z, 0-9, '_' and '-', separated by '.' or '/'")
}

func validRealm[S string | []byte](s S) error {
	return validSegments(s, "realm", MaxRealm,
		charset{lo: digits | 1<<'-', hi: letters}, charset{lo: 1 << '.'},
		"a-z, 0-9 and '-', separated by '.'")
}

// validSegments checks that s is segments of the characters in and single
// separators between them.
func validSegments[S string | []byte](s S, what string, limit int, in, sep charset, rule string) error {
	switch {
	case len(s) == 0:
		return fault.New("wire", fault.Invalid, "the %s is empty", what)
	case len(s) > limit:
		return fault.New("wire", fault.Invalid, "the %s has %d bytes, the limit is %d", what, len(s), limit)
	}
	start := 0 // of the current segment
	for i := range len(s) {
		switch b := s[i]; {
		case in.has(b):
		case !sep.has(b):
			return fault.New("wire", fault.Invalid, "the %s %q has %s at position %d; allowed are %s", what, string(s), character(string(s)[i:]), i+1, rule)
		case i == start:
			return fault.New("wire", fault.Invalid, "the %s %q has an empty segment at position %d", what, string(s), i+1)
		default:
			start = i + 1
		}
	}
	if start == len(s) {
		return fault.New("wire", fault.Invalid, "the %s %q ends with a separator", what, string(s))
	}
	return nil
}

// character says what s begins with: a byte that begins no character is shown
// as what it is.
func character(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("the byte %#02x", s[0])
	}
	return fmt.Sprintf("the character %q", r)
}

// Sizes of Names.
const (
	nameSlots  = 8  // services that one peer calls in turn
	nameCached = 64 // longer names are copied each time, so that a peer cannot make the cache big
)

// Names remembers the last few names of one stream, so that the same name
// arriving again costs neither an allocation nor a check. Its strings are
// ordinary ones that live on. At most nameSlots strings of nameCached bytes.
// The zero value is ready; a nil *Names remembers nothing. Not safe for
// concurrent use.
type Names struct{ slots [nameSlots]string }

// intern returns b as a string, valid as a service name.
func (n *Names) intern(b []byte) (string, error) {
	if n == nil || len(b) < 4 || len(b) > nameCached {
		if err := validName(b); err != nil {
			return "", err
		}
		return string(b), nil
	}
	// The first and the last bytes tell names apart well enough; whoever makes
	// them collide pays for the copies himself.
	h := binary.LittleEndian.Uint32(b) ^ binary.LittleEndian.Uint32(b[len(b)-4:])<<3 ^ uint32(len(b))
	slot := &n.slots[h*0x9E3779B1>>29]
	if *slot == string(b) {
		return *slot, nil
	}
	if err := validName(b); err != nil {
		return "", err
	}
	*slot = string(b)
	return *slot, nil
}
