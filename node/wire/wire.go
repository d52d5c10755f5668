// Package wire is the format of what two nodes say to each other: frames,
// close reasons, names and their limits. docs/PROTOCOL.md is the same for
// people who write a peer in another language; a test compares the two.
//
// Nothing here waits, except a Reader for its io.Reader. Encoders append to a
// buffer of the caller's and do not allocate when it has room. They cut what
// is free text or a hint, and panic when a field is over a limit that the
// caller had to check: names, addresses and lists. Parsers are strict: a
// frame has one spelling, and an error is a *fault.Error of kind Protocol
// when the peer broke the format, of kind Invalid when the format is right
// and only a name in it is not. No input makes them panic or hold more memory
// than the input itself.
package wire

// Version is the protocol version that this package speaks.
const Version uint16 = 1

// ALPN is the TLS application protocol of that version's transport.
const ALPN = "macula/1"

// The first byte of a stream says what it is for.
const (
	StreamControl byte = 1 // the first stream of the dialler, for the life of the connection: both directions carry control frames
	StreamCalls   byte = 2 // one for each side that makes calls, for the life of the connection: calls out, answers back
	StreamCall    byte = 3 // one large call and its answer
	StreamReply   byte = 4 // one large reply to a call of the shared stream, opened by the side that answers
)

// Frame kinds of the control stream.
const (
	KindHello        byte = 1
	KindWelcome      byte = 2
	KindGoAway       byte = 3
	KindGoAwayAck    byte = 4
	KindPing         byte = 5
	KindPong         byte = 6
	KindAdvertise    byte = 7
	KindWithdraw     byte = 8
	KindAdvertiseAck byte = 9
	KindQuery        byte = 10
	KindAnswer       byte = 11
	KindElsewhere    byte = 128 // may be skipped: who does not know it loses time, no more
)

// Frame kinds of the streams of calls.
const (
	KindCall   byte = 32
	KindReply  byte = 33
	KindError  byte = 34
	KindCancel byte = 35
)

// Skippable reports whether a frame of a kind that the receiver does not know
// is to be ignored. Another unknown kind is an error of kind Protocol.
func Skippable(kind byte) bool { return kind >= 128 }

// Limits of single fields, in bytes or in entries.
const (
	MaxName      = 255      // a service name
	MaxRealm     = 255      // a realm
	MaxMessage   = 255      // the text of an Error; a longer one is cut
	MaxListen    = 4        // addresses in a Hello
	MaxAddr      = 64       // bytes of an address in a Hello
	MaxProviders = 16       // providers in an Answer
	MaxElsewhere = 4        // gateways in an Elsewhere
	MaxSmall     = 16 << 10 // body of a call or reply on a shared stream
)

// Limits of whole frames in bytes, the length field included.
const (
	// Overhead is the most that a frame has besides its body: that of a
	// forwarded call with the longest name.
	Overhead = headerSize + callFixed + peerSize + 1 + MaxName
	// MaxFrame is the largest frame of a shared stream of calls.
	MaxFrame = MaxSmall + Overhead
	// MaxControl is the largest frame of the control stream: an Answer with
	// the longest name and all its providers.
	MaxControl = headerSize + 4 + 1 + MaxName + 1 + MaxProviders*providerSize
)

const (
	headerSize   = 5  // length and kind
	peerSize     = 32 // a transport.PeerID
	addrSize     = 19 // the longest encoded address
	providerSize = peerSize + 8 + 4 + 1 + addrSize
)

// Limits are the limits that a node chooses itself. Zero fields take the
// default that is named beside them.
type Limits struct {
	MaxBody int // bytes of one request or reply on a stream of its own; 1 MiB: larger ones are for streaming calls
}

// WithDefaults returns l with every zero field set.
func (l Limits) WithDefaults() Limits {
	if l.MaxBody == 0 {
		l.MaxBody = 1 << 20
	}
	return l
}

// LargeFrame is the largest frame of a stream for one large call or reply.
func (l Limits) LargeFrame() int { return l.WithDefaults().MaxBody + Overhead }
