package wire

import (
	"encoding/binary"
	"io"
	"time"
	"unicode/utf8"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// Flags of a Call.
type Flags uint8

// The flags. A call with any other bit set is refused.
const (
	FlagIdempotent Flags = 1 << iota // executing it twice does no harm
	FlagOneWay                       // no answer is sent
	FlagForwarded                    // Caller asked, and the sender passes it on
	flagsKnown     = FlagIdempotent | FlagOneWay | FlagForwarded
)

// Call asks for a service. Ids are chosen by the caller's side, from 1 on,
// each used once in the life of a connection.
type Call struct {
	ID     uint64
	Flags  Flags
	Hops   uint8            // nodes that it has passed
	Budget time.Duration    // time left until the caller's deadline, in microseconds on the wire; 0 to MaxBudget
	Caller transport.PeerID // with FlagForwarded only
	Name   string           // ValidName; a parsed one is a string of its own
	Body   []byte           // a parsed one is a part of the payload
}

const callFixed = 18 // id, flags, hops, budget

// AppendCall appends c as a frame.
func AppendCall(dst []byte, c *Call) []byte {
	start := len(dst)
	dst = begin(dst, KindCall)
	dst = binary.BigEndian.AppendUint64(dst, c.ID)
	dst = append(dst, byte(c.Flags), c.Hops)
	dst = binary.BigEndian.AppendUint64(dst, uint64(min(max(c.Budget, 0), MaxBudget)/time.Microsecond))
	if c.Flags&FlagForwarded != 0 {
		dst = append(dst, c.Caller[:]...)
	}
	dst = appendText(dst, c.Name, MaxName)
	dst = append(dst, c.Body...)
	return finish(dst, start)
}

// ParseCall parses a Call. With an error of kind Invalid everything but the
// name is set, so that the one call can be refused by an Error frame; any
// other error means that the stream is of no use any more.
func ParseCall(payload []byte) (Call, error) { return (*Names)(nil).ParseCall(payload) }

// ParseCall is the function ParseCall without an allocation for a name that n
// remembers.
func (n *Names) ParseCall(p []byte) (c Call, err error) {
	if len(p) < callFixed+1 {
		return c, badCall("it ends inside its fixed part")
	}
	c.ID = binary.BigEndian.Uint64(p)
	c.Flags, c.Hops = Flags(p[8]), p[9]
	budget := binary.BigEndian.Uint64(p[10:])
	p = p[callFixed:]
	switch {
	case c.ID == 0:
		return c, badCall("its id is 0")
	case c.Flags&^flagsKnown != 0:
		return c, badCall("it has unknown flags")
	case budget > uint64(MaxBudget/time.Microsecond):
		return c, badCall("its budget is over a day")
	}
	c.Budget = time.Duration(budget) * time.Microsecond
	if c.Flags&FlagForwarded != 0 {
		if len(p) < peerSize+1 {
			return c, badCall("it ends inside the caller")
		}
		c.Caller = transport.PeerID(p[:peerSize])
		p = p[peerSize:]
	}
	end := 1 + int(p[0])
	if len(p) < end {
		return c, badCall("it ends inside the name")
	}
	c.Body = p[end:len(p):len(p)]
	c.Name, err = n.intern(p[1:end])
	return c, err
}

func badCall(what string) error {
	return fault.New("wire", fault.Protocol, "malformed call frame: %s", what)
}

// Reply is the result of a call.
type Reply struct {
	ID   uint64 // of the call
	Body []byte // a parsed one is a part of the payload
}

// AppendReply appends a Reply frame.
func AppendReply(dst []byte, id uint64, body []byte) []byte {
	start := len(dst)
	dst = begin(dst, KindReply)
	dst = binary.BigEndian.AppendUint64(dst, id)
	dst = append(dst, body...)
	return finish(dst, start)
}

// ParseReply parses a Reply.
func ParseReply(payload []byte) (Reply, error) {
	if len(payload) < 8 {
		return Reply{}, fault.New("wire", fault.Protocol, "malformed reply frame: it ends inside its id")
	}
	return Reply{ID: binary.BigEndian.Uint64(payload), Body: payload[8:len(payload):len(payload)]}, nil
}

// ReadReplyHead reads the head of a Reply frame from the start of a stream and
// returns whose reply it is: for a receiver that has no room for the body. It
// blocks as src does.
func ReadReplyHead(src io.Reader) (id uint64, err error) {
	var head [headerSize + 8]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return 0, err
	}
	if head[4] != KindReply {
		return 0, fault.New("wire", fault.Protocol, "frame %d instead of a reply", head[4])
	}
	return binary.BigEndian.Uint64(head[headerSize:]), nil
}

// Error is the failure of a call.
type Error struct {
	ID         uint64        // of the call
	Kind       fault.Kind    // Other and unknown ones become Internal
	RetryAfter time.Duration // in milliseconds on the wire, rounded up; at most MaxRetryAfter
	Executed   bool          // the handler may have run
	Message    string        // UTF-8, cut to MaxMessage bytes; may be empty
}

const errorExecuted = 1 // the only flag of an Error

// AppendError appends e as a frame.
func AppendError(dst []byte, e *Error) []byte {
	start := len(dst)
	dst = begin(dst, KindError)
	dst = binary.BigEndian.AppendUint64(dst, e.ID)
	dst = binary.BigEndian.AppendUint16(dst, wireKind(e.Kind))
	dst = binary.BigEndian.AppendUint32(dst, retryMillis(e.RetryAfter))
	flags := byte(0)
	if e.Executed {
		flags = errorExecuted
	}
	dst = append(dst, flags)
	dst = appendFree(dst, e.Message, MaxMessage)
	return finish(dst, start)
}

// ParseError parses an Error. Its message is a string of its own.
func ParseError(payload []byte) (Error, error) {
	c := cursor{b: payload}
	e := Error{ID: c.u64("its id"), Kind: c.kind(), RetryAfter: c.retryAfter()}
	flags := c.u8("its flags")
	if flags&^errorExecuted != 0 {
		c.fail("it has unknown flags")
	}
	e.Executed = flags == errorExecuted
	msg := c.text("the message")
	if !utf8.Valid(msg) {
		c.fail("the message is not UTF-8")
	}
	e.Message = string(msg)
	if err := c.end("error"); err != nil {
		return Error{}, err
	}
	return e, nil
}

// AppendCancel appends a Cancel frame: the caller does not wait for the
// answer of the call id any more, because of why.
func AppendCancel(dst []byte, id uint64, why fault.Kind) []byte {
	start := len(dst)
	dst = begin(dst, KindCancel)
	dst = binary.BigEndian.AppendUint64(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, wireKind(why))
	return finish(dst, start)
}

// ParseCancel parses a Cancel.
func ParseCancel(payload []byte) (id uint64, why fault.Kind, err error) {
	c := cursor{b: payload}
	id, why = c.u64("its id"), c.kind()
	return id, why, c.end("cancel")
}
