package wire

import (
	"encoding/binary"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// Role is what a dialler asks to be.
type Role uint8

// The roles.
const (
	RolePeer   Role = 1 // a node of the mesh
	RoleClient Role = 2 // attached to one node
)

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case RolePeer:
		return "peer"
	case RoleClient:
		return "client"
	}
	return "unknown role"
}

// Hello is the first frame of the dialler. Later versions of the protocol
// only append fields to it.
type Hello struct {
	MinVersion uint16   // the lowest version that the dialler speaks, at least 1
	MaxVersion uint16   // the highest one, at least MinVersion
	Features   uint64   // bits that it offers; unknown ones are ignored
	Role       Role     // what it asks to be
	Session    uint64   // tells two runs of one id apart; drawn at random
	MaxCalls   uint32   // calls that the other side may have in flight to it
	Realm      string   // ValidRealm
	Listen     []string // where it can be dialled; at most MaxListen, of 1 to MaxAddr visible ASCII characters each
}

// AppendHello appends h as a frame.
func AppendHello(dst []byte, h *Hello) []byte {
	if len(h.Listen) > MaxListen {
		panic("macula bug: wire: too many listen addresses in a hello")
	}
	start := len(dst)
	dst = begin(dst, KindHello)
	dst = binary.BigEndian.AppendUint16(dst, h.MinVersion)
	dst = binary.BigEndian.AppendUint16(dst, h.MaxVersion)
	dst = binary.BigEndian.AppendUint64(dst, h.Features)
	dst = append(dst, byte(h.Role))
	dst = binary.BigEndian.AppendUint64(dst, h.Session)
	dst = binary.BigEndian.AppendUint32(dst, h.MaxCalls)
	dst = appendText(dst, h.Realm, MaxRealm)
	dst = append(dst, byte(len(h.Listen)))
	for _, a := range h.Listen {
		dst = appendText(dst, a, MaxAddr)
	}
	return finish(dst, start)
}

// ParseHello parses a Hello. When the two sides have no version in common the
// error has the kind Version, and only the two versions of the result are
// set. Fields that a later version has appended are ignored.
func ParseHello(payload []byte) (Hello, error) {
	c := cursor{b: payload}
	h := Hello{MinVersion: c.u16("its versions"), MaxVersion: c.u16("its versions")}
	if c.what == "" && (h.MinVersion == 0 || h.MinVersion > h.MaxVersion) {
		c.fail("its versions are not a range")
	}
	if c.what == "" && (h.MinVersion > Version || h.MaxVersion < Version) {
		return h, fault.New("wire", fault.Version, "this node speaks version %d, the peer %d to %d", Version, h.MinVersion, h.MaxVersion)
	}
	h.Features = c.u64("its features")
	h.Role = Role(c.u8("its role"))
	if h.Role != RolePeer && h.Role != RoleClient {
		c.fail("its role is neither peer nor client")
	}
	h.Session = c.u64("its session")
	h.MaxCalls = c.u32("its limit of calls")
	realm := c.text("the realm")
	if c.what == "" {
		c.name = validRealm(realm)
	}
	h.Realm = string(realm)
	h.Listen = c.listen()
	if h.MaxVersion > Version {
		c.b = nil
	}
	if err := c.end("hello"); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// listen reads a list of addresses as text.
func (c *cursor) listen() []string {
	n := int(c.u8("its addresses"))
	if n > MaxListen {
		c.fail("it has too many addresses")
	}
	var list []string
	for range n {
		a := c.text("its addresses")
		if len(a) == 0 || len(a) > MaxAddr {
			c.fail("an address is empty or too long")
		}
		for _, b := range a {
			if b <= ' ' || b > '~' {
				c.fail("an address has an illegal character")
			}
		}
		if c.what != "" {
			return nil
		}
		list = append(list, string(a))
	}
	return list
}

// Welcome answers a Hello: the dialler is admitted. A refusal is no frame but
// a close reason, see EncodeRefusal.
type Welcome struct {
	Version  uint16 // the one that both use from now on
	Features uint64 // those offered that are in use
	Session  uint64 // as in Hello
	MaxCalls uint32 // as in Hello
}

// AppendWelcome appends w as a frame.
func AppendWelcome(dst []byte, w *Welcome) []byte {
	start := len(dst)
	dst = begin(dst, KindWelcome)
	dst = binary.BigEndian.AppendUint16(dst, w.Version)
	dst = binary.BigEndian.AppendUint64(dst, w.Features)
	dst = binary.BigEndian.AppendUint64(dst, w.Session)
	dst = binary.BigEndian.AppendUint32(dst, w.MaxCalls)
	return finish(dst, start)
}

// ParseWelcome parses a Welcome. The kind of the error is Version when the
// acceptor chose one that this package does not speak.
func ParseWelcome(payload []byte) (Welcome, error) {
	c := cursor{b: payload}
	w := Welcome{Version: c.u16("its version")}
	if c.what == "" && w.Version != Version {
		return w, fault.New("wire", fault.Version, "the peer chose version %d, this node speaks %d", w.Version, Version)
	}
	w.Features, w.Session, w.MaxCalls = c.u64("its features"), c.u64("its session"), c.u32("its limit of calls")
	if err := c.end("welcome"); err != nil {
		return Welcome{}, err
	}
	return w, nil
}

// GoAway asks the other side to stop using the connection.
type GoAway struct {
	LastCall   uint64        // the highest call id that was taken; those above it were not executed. 0 when none was
	Kind       fault.Kind    // why: Draining, Overload when evicted, Superseded
	RetryAfter time.Duration // in milliseconds on the wire, rounded up; at most MaxRetryAfter
}

// AppendGoAway appends g as a frame.
func AppendGoAway(dst []byte, g *GoAway) []byte {
	start := len(dst)
	dst = begin(dst, KindGoAway)
	dst = binary.BigEndian.AppendUint64(dst, g.LastCall)
	dst = binary.BigEndian.AppendUint16(dst, wireKind(g.Kind))
	dst = binary.BigEndian.AppendUint32(dst, retryMillis(g.RetryAfter))
	return finish(dst, start)
}

// ParseGoAway parses a GoAway.
func ParseGoAway(payload []byte) (GoAway, error) {
	c := cursor{b: payload}
	g := GoAway{LastCall: c.u64("its last call"), Kind: c.kind(), RetryAfter: c.retryAfter()}
	if err := c.end("goaway"); err != nil {
		return GoAway{}, err
	}
	return g, nil
}

// AppendGoAwayAck appends a GoAwayAck: nothing of the sender's is in flight
// on the connection any more, and nothing will be.
func AppendGoAwayAck(dst []byte) []byte {
	return finish(begin(dst, KindGoAwayAck), len(dst))
}

// ParseGoAwayAck checks that a GoAwayAck is empty.
func ParseGoAwayAck(payload []byte) error {
	c := cursor{b: payload}
	return c.end("goaway-ack")
}

// AppendPing appends a Ping: a Pong with the same id is the answer.
func AppendPing(dst []byte, id uint64) []byte { return appendID(dst, KindPing, id) }

// AppendPong appends the answer to a Ping.
func AppendPong(dst []byte, id uint64) []byte { return appendID(dst, KindPong, id) }

func appendID(dst []byte, kind byte, id uint64) []byte {
	start := len(dst)
	return finish(binary.BigEndian.AppendUint64(begin(dst, kind), id), start)
}

// ParsePing parses a Ping.
func ParsePing(payload []byte) (id uint64, err error) { return parseID(payload, "ping") }

// ParsePong parses a Pong.
func ParsePong(payload []byte) (id uint64, err error) { return parseID(payload, "pong") }

func parseID(payload []byte, frame string) (uint64, error) {
	c := cursor{b: payload}
	id := c.u64("its id")
	return id, c.end(frame)
}
